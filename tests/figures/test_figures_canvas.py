import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from stemedx.figures.canvas import (
    degrees,
    legend_below,
    new_figure,
    rounded,
    styled,
    write_figure,
)


@styled
def draw(scale):
    figure = new_figure(3.0, 2.0)
    axes = figure.subplots()
    axes.plot([0, 1, 2], [0, scale, 1], label="Se")
    axes.contourf(np.arange(12).reshape(3, 4))
    axes.legend()
    return figure


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_the_same_numbers_give_the_same_bytes(tmp_path, ending):
    for name, scale in (("a", 2.0), ("b", 2.0), ("c", 3.0)):
        write_figure(draw(scale), tmp_path / name, 80)
    first, again, other = ((tmp_path / f"{name}.{ending}").read_bytes() for name in ("a", "b", "c"))
    assert first == again
    assert first != other
    for stamp in (b"Matplotlib v", b"dc:date", b"Software", b"tIME"):
        assert stamp not in first


def test_a_stem_with_a_dot_keeps_it(tmp_path):
    write_figure(draw(1.0), tmp_path / "made/map_0.5", 80)
    written = sorted(path.name for path in (tmp_path / "made").iterdir())
    assert written == ["map_0.5.png", "map_0.5.svg"]


@pytest.mark.parametrize("height_in", [2.5, 4.5])
def test_a_legend_below_leaves_the_label_of_the_axis_free(height_in):
    figure = new_figure(6.0, height_in)
    axes = figure.subplots()
    axes.plot([0, 1], label="Se")
    axes.set_xlabel("tilt")
    legend_below(axes, 1)
    figure.draw_without_rendering()
    label, legend = axes.xaxis.label.get_window_extent(), axes.get_legend().get_window_extent()
    assert 0 <= label.y0 - legend.y1 < 15
    assert legend.y0 >= 0


def test_the_style_does_not_leak():
    before = dict(matplotlib.rcParams)
    assert isinstance(draw(1.0), Figure)
    assert dict(matplotlib.rcParams) == before


def test_rounded_keeps_significant_digits():
    values = np.array([0.0, -0.00123456, 12345.6, np.nan, np.inf])
    expected = np.array([0.0, -0.001235, 12350.0, np.nan, np.inf])
    np.testing.assert_allclose(rounded(values), expected, rtol=1e-15)  # one rounding


def test_angles_have_a_minus_sign():
    assert (degrees(-60.0), degrees(2.5)) == ("\N{MINUS SIGN}60°", "2.5°")
