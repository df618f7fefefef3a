import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from stemedx.figures.canvas import COLOURS
from stemedx.figures.grids import (
    Column,
    bar_length_nm,
    blend,
    composite_grid,
    grid_table,
    image_grid,
    limits,
)


@pytest.fixture
def columns(rng):
    shapes = {"a": (2, 20, 30), "b": (2, 20, 24)}
    return [
        Column(name, f"title {name}", rng.random(shape).astype(np.float32), (-3.2, 1.6))
        for name, shape in shapes.items()
    ]


def draw(columns, **more):
    return image_grid(
        columns, ["Se", "S"], pixel_nm=0.8, units="count/nm", title="All of it", **more
    )


def bars(axes):
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


def test_a_grid_says_what_it_shows(columns, text_of):
    figure = draw(columns)
    assert isinstance(figure, Figure)
    said = text_of(figure)
    for text in ("Se", "S", "title a", "title b", "All of it", "count/nm", "5 nm"):
        assert text in said


def test_scale_bars_are_as_long_as_they_say(columns):
    figure = draw(columns)
    figure.draw_without_rendering()
    for panel, column in zip(figure.axes[:2], columns, strict=True):
        (bar,) = bars(panel)
        ends = bar.get_window_extent()
        (first, _), (last, _) = panel.transData.inverted().transform(ends.get_points())
        # 5 nm in pixels of 0.8 nm, whatever the width of the panel; the transform is exact.
        assert last - first == pytest.approx(5 / 0.8, rel=1e-6), column.name


@pytest.mark.parametrize(("width", "bar"), [(24.0, 5), (3.0, 1), (0.9, 0.2), (160.0, 50)])
def test_bars_have_round_lengths(width, bar):
    assert bar_length_nm(width) == pytest.approx(bar, rel=1e-12)  # rounding


def test_a_row_has_one_scale(columns):
    columns[1].images[0] *= 4
    images = [panel.images[0].get_clim() for panel in draw(columns).axes[:4]]
    assert images[0] == images[1]
    assert images[2] == images[3] != images[0]


def test_one_column_can_set_the_scale(columns):
    columns[0].images[0] *= 100
    figure = draw(columns, scaled_to=columns[1])
    assert figure.axes[0].images[0].get_clim()[1] <= 1


def test_photons_are_counted_in_whole_numbers(rng):
    maps = rng.poisson(0.7, (1, 9, 14)).astype(np.uint16)
    figure = image_grid(
        [Column("0", "0°", maps)], ["Se"], pixel_nm=0.8, units="count", title="Measured"
    )
    figure.draw_without_rendering()
    ticks = figure.axes[-1].get_yticks()
    assert np.array_equal(ticks, np.round(ticks))


def test_the_table_holds_the_pixels(columns):
    table = grid_table(columns, ["Se", "S"], 0.8)
    assert list(table.columns) == ["panel", "down_nm", "across_nm", "Se", "S"]
    row = table[table["panel"] == "b"].iloc[2 * 24 + 5]
    assert (row["down_nm"], row["across_nm"]) == (-1.6, 5.6)
    assert row["S"] == pytest.approx(columns[1].images[1, 2, 5], rel=1e-3)  # 4 digits


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.0], (0.0, 1.0, "neither")),
        ([0.0, 2.0], (0.0, 2.0, "max")),
        ([-1.0, -2.0], (0.0, 1.0, "min")),
    ],
)
def test_scales_begin_at_zero(values, expected):
    low, high, extend = limits([np.array([values])])
    # The 99.9th percentile of two values lies a thousandth below the larger.
    assert (low, high, extend) == (expected[0], pytest.approx(expected[1], rel=2e-3), expected[2])


def test_colours_are_those_of_the_elements_and_add():
    images = np.zeros((2, 1, 3), np.float32)
    images[0, 0] = [2.0, 0.0, 1.0]
    images[1, 0] = [0.0, -1.0, 4.0]
    first, second = (np.array([int(c[n : n + 2], 16) for n in (1, 3, 5)]) for c in COLOURS[:2])
    expected = np.array([[first, 0 * first, np.minimum(first / 2 + second, 255)]]) / 255
    np.testing.assert_allclose(blend(images, [2.0, 4.0]), expected, atol=1e-12)  # rounding


def test_the_composite_names_methods_and_elements(columns, text_of):
    figure = composite_grid({"sirt": columns, "fbp": columns}, ["Se", "S"], pixel_nm=0.8)
    said = text_of(figure)
    for text in ("sirt", "fbp", "Se", "S", "5 nm", "title b"):
        assert text in said
