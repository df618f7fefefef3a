import numpy as np
import pandas as pd
import pytest

from stemedx.figures.alignment import (
    axis_figure,
    axis_table,
    profile_table,
    profiles_figure,
    shifts_figure,
)
from stemedx.project.geometry import Geometry
from stemedx.project.warp import align_maps

TILTS = [-40.0, 0.0, 30.0]
TABLE = pd.DataFrame(
    {
        "tilt_deg": TILTS,
        "rotation_deg": [2.0, 2.0, 2.5],
        "shift_x_px": [1.5, -2.0, 0.5],
        "shift_y_px": [0.5, 1.0, -3.0],
        "residual": [0.2, np.nan, 0.4],
        "error_x_px": [0.3, 0.1, np.nan],
        "error_y_px": 0.2,
        "tilt_off_deg": 0.0,
        "tilt_off_error_deg": np.nan,
    }
)


def test_shifts_tell_units_origin_and_warnings(text_of):
    figure = shifts_figure(
        TABLE, pixel_nm=0.8, origin="by hand", warnings=["tilt 30: residual 0.4 is large"],
        axis_error_deg=None,
    )  # fmt: skip
    said = text_of(figure)
    for text in ("by hand", "Warning: tilt 30", "pixel of 0.8 nm", "2.00° to 2.50°"):
        assert text in said
    assert [axes.get_xlabel() for axes in figure.axes] == ["tilt (°)", "tilt (°)"]
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), TABLE["shift_x_px"])


def test_one_rotation_is_told_once(text_of):
    figure = shifts_figure(
        TABLE.assign(rotation_deg=1.25), pixel_nm=0.8, origin="automatic", warnings=[],
        axis_error_deg=0.375,
    )  # fmt: skip
    assert "every map rotated by 1.25° ± 0.38°" in text_of(figure)


def test_tilts_that_are_off_are_drawn_where_they_were_looked_for():
    off = TABLE.assign(tilt_off_deg=[0.5, -1.0, 0.25], tilt_off_error_deg=0.3)
    figure = shifts_figure(off, pixel_nm=0.8, origin="automatic", warnings=[], axis_error_deg=None)
    panel = figure.axes[2]
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("tilt (°)", "off (°)")
    np.testing.assert_array_equal(panel.lines[0].get_ydata(), off["tilt_off_deg"])


@pytest.fixture
def series():
    maps = np.zeros((3, 5, 8), np.float32)
    maps[:, 1, 6] = [2.0, 3.0, 4.0]
    return maps


def test_profiles_are_sums_along_and_across_the_axis(series):
    table = profile_table(series, np.roll(series, 2, axis=1), TILTS, 0.8)
    rows = table[(table["along"] == "y") & (table["tilt_deg"] == 30)]
    np.testing.assert_array_equal(rows["before"], [0, 4, 0, 0, 0])
    np.testing.assert_array_equal(rows["after"], [0, 0, 0, 4, 0])
    columns = table[(table["along"] == "x") & (table["tilt_deg"] == -40)]
    assert columns["position_nm"][columns["before"] == 2].item() == pytest.approx(2.5 * 0.8)
    np.testing.assert_array_equal(columns["before"], columns["after"])


def test_profiles_are_drawn_with_units(series, text_of):
    figure = profiles_figure(profile_table(series, series, TILTS, 0.8), "sum over elements")
    assert [axes.get_xlabel() for axes in figure.axes[:4]] == ["y (nm)"] * 2 + ["x (nm)"] * 2
    assert "sum over elements" in text_of(figure)


def test_the_axis_is_where_aligning_brings_x_to_0():
    """A line of dots along the axis, seen turned and shifted, lies on the line of the table."""
    geometry = Geometry(np.array([20.0]), 21, 31, np.array([30.0]), np.array([[1.5, -4.0]]))
    ends = axis_table(geometry, 0.5).iloc[0] / 0.5
    y, x = np.indices((21, 31)) - np.array([10.0, 15.0])[:, None, None]
    top, bottom = ends[["top_x_nm", "top_y_nm"]], ends[["bottom_x_nm", "bottom_y_nm"]]
    along = bottom.to_numpy() - top.to_numpy()
    away = ((x - top.iloc[0]) * along[1] - (y - top.iloc[1]) * along[0]) / np.linalg.norm(along)
    line = np.exp(-(away**2) / 2).astype(np.float32)
    aligned = align_maps(line[None, None], geometry)[0][0, 0]
    assert aligned[10].argmax() == 15
    assert aligned[5].argmax() == 15


def test_the_axis_is_drawn_with_what_not_all_tilts_see(series, text_of):
    geometry = Geometry(np.array(TILTS), 5, 8, np.full(3, 2.0), np.zeros((3, 2)))
    weight = np.ones_like(series)
    weight[2, :, 6:] = 0
    figure = axis_figure(axis_table(geometry, 0.8), series, series, weight, pixel_nm=0.8)
    said = text_of(figure)
    assert "measured at 0°" in said
    assert "measured at 30°" in said
    assert [axes.get_xlabel() for axes in figure.axes] == ["x (nm)"] * 3
    assert [len(axes.collections) for axes in figure.axes] == [0, 0, 1]
