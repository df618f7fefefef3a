import numpy as np
import pandas as pd
import pytest

from stemedx.figures.lines import counts_figure, fsc_figure, losses_figure


def curves(elements=("Se", "S"), splits=(0, 1)):
    frequency = np.linspace(0.05, 0.6, 12)
    parts = [
        pd.DataFrame(
            {"split": split, "element": element, "frequency_per_nm": frequency,
             "fsc": 1 / (1 + (frequency / 0.2) ** 4)}
        )
        for split in splits
        for element in elements
    ]  # fmt: skip
    return pd.concat(parts)


CROSSINGS = pd.DataFrame(
    [
        (0, "Se", 0.5, 5.0, "resolved"),
        (1, "Se", 0.5, 5.4, "resolved"),
        (0, "Se", 0.143, 3.1, "resolved"),
        (1, "Se", 0.143, 3.3, "resolved"),
        (0, "S", 0.5, np.nan, "no resolved signal"),
        (1, "S", 0.5, 9.0, "resolved"),
    ],
    columns=["split", "element", "threshold", "resolution_nm", "status"],
)


def test_the_legend_tells_the_resolution_and_its_absence(text_of):
    figure = fsc_figure(curves(), CROSSINGS, ["Se", "S"], "sirt")
    said = text_of(figure)
    assert "Se: 5.20 nm at 0.5, 3.20 nm at 0.143" in said
    assert "S: no resolved signal" in said
    assert "halves are independent" in said
    (axes,) = figure.axes
    assert axes.get_xlabel() == "spatial frequency (1/nm)"
    assert axes.get_ylabel() == "Fourier shell correlation (1)"


def test_crossings_are_marked_where_they_are():
    (axes,) = fsc_figure(curves(), CROSSINGS, ["Se", "S"], "sirt").axes
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    x, y = dots[0].get_data()
    np.testing.assert_allclose(x, 1 / np.array([5.0, 5.4, 3.1, 3.3]), rtol=1e-12)  # rounding
    np.testing.assert_allclose(y, [0.5, 0.5, 0.143, 0.143])
    flat = {line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == "--"}
    assert flat == {0.5, 0.143}


def test_noise_alone_can_be_drawn(text_of):
    figure = fsc_figure(curves(splits=[0]), CROSSINGS.iloc[:0], ["Se", "S"], "sirt")
    told = set(text_of(figure).splitlines())
    assert {"Se: no resolved signal", "S: no resolved signal"} <= told


def test_counts_have_a_unit(text_of):
    table = pd.DataFrame({"tilt_deg": [-40.0, 0.0, 30.0], "Se": [3.0, 5.0, 4.0]})
    figure = counts_figure(table, ["Se"], "count")
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("tilt (°)", "sum of the map (count)")
    assert "Se" in text_of(figure)


@pytest.mark.parametrize("held_out", [[np.nan, 0.6, np.nan, 0.5], [np.nan] * 4])
def test_losses_told_now_and_then_are_joined(held_out, text_of):
    table = pd.DataFrame(
        {"step": [1, 2, 3, 4], "loss": [0.9, 0.7, 0.5, 0.4], "held_out_loss": held_out}
    )
    figure = losses_figure(table, "Training of Q^D")
    (axes,) = figure.axes
    assert len(axes.lines[1].get_xdata()) == np.isfinite(held_out).sum()
    assert axes.get_xlabel() == "update"
    assert "held out" in text_of(figure)
