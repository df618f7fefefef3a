import numpy as np
import pytest

from stemedx.figures.solving import WEIGHT, draw_solving

CHECKS = {
    "columns": ["slab", "iteration", "objective", "bound"],
    "rows": [[0, 0, 90.0, -10.0], [0, 20, 70.0, 60.0], [1, 0, 40.0, 0.0], [1, 20, 30.0, 29.0]],
}
TRIALS = [[0.1, -0.5, -0.9], [0.2, -0.4, -0.7], [0.4, -0.6, -0.8]]
ATTRS = {"elements": ["Se", "S"], "tv_weight": [0.2, 0.3]}


def test_a_method_that_tells_nothing_has_no_figure():
    assert draw_solving("sirt", {"elements": ["Se"]}) == []


def test_the_gap_is_drawn_slab_by_slab():
    (drawn,) = draw_solving("poisson_tv", {**ATTRS, "convergence": CHECKS})
    assert drawn.place == "reconstruct/poisson_tv_convergence"
    assert drawn.table["gap_nat"].tolist() == [100.0, 10.0, 40.0, 1.0]
    assert {"iteration", "objective_nat", "bound_nat"} < set(drawn.table)
    (axes,) = drawn.figure.axes
    assert axes.get_yscale() == "log"
    assert [line.get_ydata().tolist() for line in axes.lines] == [[100.0, 10.0], [40.0, 1.0]]


def test_weights_are_drawn_over_the_best_and_the_chosen_ones_marked():
    (drawn,) = draw_solving("poisson_tv", {**ATTRS, "trials": TRIALS})
    assert list(drawn.table) == [WEIGHT, "Se_nat_per_photon", "S_nat_per_photon"]
    (axes,) = drawn.figure.axes
    curves = [line for line in axes.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(curves[0].get_ydata(), [-0.1, 0.0, -0.2], atol=1e-12)
    np.testing.assert_allclose(curves[1].get_ydata(), [-0.2, 0.0, -0.1], atol=1e-12)
    marked = [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == "--"]
    assert marked == [0.2, 0.3]


@pytest.mark.parametrize("worst", [-0.9, -50.0])
def test_a_weight_far_too_large_does_not_hide_the_others(worst):
    trials = [*TRIALS, [100.0, worst, worst]]
    (drawn,) = draw_solving("poisson_tv", {**ATTRS, "trials": trials})
    assert -0.6 < drawn.figure.axes[0].get_ylim()[0] < -0.2
