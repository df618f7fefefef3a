import numpy as np
import pandas as pd
import pytest

from stemedx.analyse.summary import CROSSING_COLUMNS, SUMMARY_COLUMNS, limit_text, median_crossings


def summary(*nm):
    rows = [
        (split, "Se", 0.5, value, "resolved" if value else "no resolved signal")
        for split, value in enumerate(nm)
    ]
    return median_crossings(pd.DataFrame(rows, columns=list(CROSSING_COLUMNS))).iloc[0]


@pytest.mark.parametrize(
    ("nm", "median"), [((1.2,), 1.2), ((1.2, 2.0), 1.6), ((3.0, None, 1.2), 3.0)]
)
def test_the_median_counts_what_is_unresolved_as_coarse(nm, median):
    found = summary(*nm)
    assert found["resolution_nm"] == pytest.approx(median, rel=1e-12)  # one rounding
    assert (found["status"], found["n_splits"]) == ("resolved", len(nm))


@pytest.mark.parametrize("nm", [(None,), (1.2, None), (None, 1.2, None)])
def test_half_unresolved_is_unresolved(nm):
    found = summary(*nm)
    assert np.isnan(found["resolution_nm"])
    assert found["status"] == "no resolved signal"


def test_elements_and_thresholds_stay_apart_and_in_order():
    rows = [
        (0, element, threshold, nm, "resolved")
        for element, nm in (("Zn", 1.0), ("S", 2.0))
        for threshold in (0.5, 0.143)
    ]
    found = median_crossings(pd.DataFrame(rows, columns=list(CROSSING_COLUMNS)))
    assert list(found.columns) == list(SUMMARY_COLUMNS)
    assert found["element"].tolist() == ["Zn", "Zn", "S", "S"]
    assert found["threshold"].tolist() == [0.5, 0.143] * 2


def test_a_limit_of_any_split_is_told():
    rows = [(0, "Se", 0.5, 1.6, "resolved", "pixel"), (1, "Se", 0.5, 1.8, "resolved", None)]
    table = pd.DataFrame(rows, columns=[*CROSSING_COLUMNS, "limited_by"])
    noted = table.assign(note="HAADF-assisted, not independent")
    assert median_crossings(noted)["note"].tolist() == ["HAADF-assisted, not independent"]
    assert median_crossings(table)["note"].tolist() == [None]
    assert median_crossings(table)["limited_by"].tolist() == ["pixel"]
    assert median_crossings(table[1:])["limited_by"].tolist() == [None]
    assert median_crossings(table[list(CROSSING_COLUMNS)])["limited_by"].tolist() == [None]
    assert (limit_text("pixel"), limit_text(None)) == (" (limited by the pixel)", "")


def test_no_rows_give_no_rows():
    assert median_crossings(pd.DataFrame(columns=list(CROSSING_COLUMNS))).empty
