import pandas as pd
import pytest

from stemedx.analyse.batch import Batch, group_table, joined, method_table

SHEET = [{"specimen": "a"}, {"specimen": "b"}, {"specimen": "c"}]
METHODS = ["sirt", "two_step"]
FAILED = [
    {"specimen": "b", "stage": "denoise", "method": "two_step", "reason": "killed", "log": "x"},
    {"specimen": "c", "stage": "ingest", "method": "", "reason": "no files", "log": "y"},
]
BATCH = Batch(SHEET, METHODS, FAILED, [])


def test_a_specimen_is_as_finished_as_its_methods():
    assert [BATCH.status(name) for name in "abc"] == ["finished", "partly failed", "failed"]
    both = [{**FAILED[0], "specimen": "a", "method": method} for method in METHODS]
    assert Batch(SHEET, METHODS, both, []).status("a") == "failed"


def test_the_largest_gain_is_recommended():
    gains = {
        ("a", "sirt"): (0.4, True),
        ("a", "two_step"): (0.7, False),
        ("b", "sirt"): (0.3, True),
    }
    table = method_table(BATCH, gains).set_index(["specimen", "method"])
    assert table["recommended"].tolist() == [False, True, True, False, False, False]
    assert table["available"].tolist() == [True, True, True, False, False, False]
    assert table.loc[("b", "two_step"), "reason"] == "denoise: killed"
    assert table.loc[("c", "sirt"), "reason"] == "ingest: no files"
    assert table.loc[("a", "two_step"), "independent"] is False


@pytest.mark.parametrize(
    ("fusion", "said"),
    [
        (
            0.4,
            "not accepted: held-out photons are less likely than under poisson_tv (0.400 < 0.450",
        ),
        (0.45, ""),
        (None, "not checked against poisson_tv"),
    ],
)
def test_fusion_is_accepted_only_if_it_predicts_no_worse(fusion, said):
    batch = Batch(SHEET[:1], ["poisson_tv", "fusion"], [], [])
    gains = {("a", "poisson_tv"): (0.45, True)}
    gains |= {("a", "fusion"): (fusion, True)} if fusion else {}
    row = method_table(batch, gains).set_index("method").loc["fusion"]
    assert row["available"]
    assert row["reason"].startswith(said)
    assert bool(row["reason"]) == bool(said)


@pytest.mark.parametrize("gain", [float("nan"), 0.0, -0.2])
def test_without_a_gain_above_0_nothing_is_recommended(gain):
    table = method_table(BATCH, {("a", "sirt"): (gain, True)})
    assert not table["recommended"].any()
    assert len(table) == 6


def test_texts_are_joined_once():
    assert joined(["late", "", "early", "late"]) == "late; early"


def resolution(*rows):
    return pd.DataFrame(
        rows, columns=["specimen", "element", "method", "threshold", "resolution_nm"]
    )


def shells(*rows):
    names = ["specimen", "element", "method", "mean_nm", "uncovered_percent", "touches_edge"]
    return pd.DataFrame(rows, columns=names)


def test_each_specimen_of_a_group_counts_once():
    table = group_table(
        {"a": "dots", "b": "dots"},
        resolution(
            ("a", "S", "sirt", 0.5, 1.0),
            ("a", "S", "sirt", 0.143, 0.1),
            ("b", "S", "sirt", 0.5, None),
            ("c", "S", "sirt", 0.5, 9.0),
        ),
        shells(
            ("a", "S", "sirt", 2.0, 4.0, False),
            ("a", "S", "sirt", 4.0, 8.0, False),
            ("a", "S", "sirt", 0.5, 50.0, True),  # cut off by the edge: not counted
            ("b", "S", "sirt", 5.0, 10.0, False),
        ),
    )
    (row,) = table.to_dict("records")
    assert (row["group"], row["element"], row["method"]) == ("dots", "S", "sirt")
    assert (row["n_specimens"], row["n_resolved"], row["threshold"]) == (2, 1, 0.5)
    assert (row["resolution_nm_mean"], row["thickness_nm_mean"]) == (1.0, 4.0)
    assert row["thickness_nm_std"] == pytest.approx(2**0.5, rel=1e-12)  # of 3 and 5
    assert row["uncovered_percent_mean"] == 8.0


@pytest.mark.parametrize("group_of", [{}, {"a": "dots"}])
def test_groups_of_nothing_are_empty_but_have_a_header(group_of):
    table = group_table(group_of, resolution(), shells())
    assert table.empty
    assert list(table.columns)[:4] == ["group", "element", "method", "threshold"]
