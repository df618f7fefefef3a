import numpy as np
import pandas as pd
import pytest

from stemedx.figures.damage import COLUMNS, damage_table, draw_damage

ELEMENTS = ["Se", "S"]


def table(n_frames=4):
    """Two tilts, two detectors; Se loses counts, S does not; the last frame of one is cut."""
    rows = [
        (tilt, frame, detector, element, counts, not (tilt == 5.0 and frame == n_frames))
        for tilt in (-10.0, 5.0)
        for frame in range(1, n_frames + 1)
        for detector in ("SDD 1", "SDD 2")
        for element, counts in (("Se", 100 - 10 * frame), ("S", 50))
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def test_counts_by_frame_are_those_of_all_tilts_and_detectors():
    whole = table()
    found = damage_table(whole[whole["whole"]], ELEMENTS)
    se, s = (found[found["element"] == element] for element in ELEMENTS)
    assert se["frame"].tolist() == [1, 2, 3, 4]
    assert se["counts"].tolist() == [360, 320, 280, 120]  # the last of one tilt alone
    assert s["relative"].to_numpy() == pytest.approx(np.ones(4))
    # 180, 160, 140, 120 and 180, 160, 140: slopes of -33.3 and -20, weights of 83.3 and 80
    assert se["change_percent"].iloc[0] == pytest.approx(-100 * 53.333 / 163.333, rel=1e-4)
    assert s["change_percent"].iloc[0] == pytest.approx(0, abs=1e-9)


def test_the_legend_tells_the_change():
    (drawing,) = draw_damage(table(), ELEMENTS)
    assert drawing.place == "element_maps/frames"
    (axes,) = drawing.figure.axes
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts[0].startswith("Se: \N{MINUS SIGN}")
    assert " ± 9.7 %" in texts[1]  # of 700 photons in 7 frames
    assert axes.get_xlabel() == "frame"


def test_without_frames_nothing_is_drawn():
    assert draw_damage(pd.DataFrame(columns=list(COLUMNS)), ELEMENTS) == []
    assert draw_damage(table(1), ELEMENTS) == []
