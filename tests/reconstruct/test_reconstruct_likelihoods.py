"""Values against closed forms, slopes and steps against finite differences and search."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import bernoulli, poisson

from stemedx.reconstruct.likelihoods import BERNOULLI, GAUSSIAN, POISSON

ALL = {"poisson": POISSON, "bernoulli": BERNOULLI, "gaussian": GAUSSIAN}
# expected photons, counts (0 or 1 for all), weight
Q = np.array([0.02, 0.3, 1.7, 0.05, 4.0])
Y = np.array([0.0, 1.0, 1.0, 1.0, 0.0])
W = np.array([1.0, 0.4, 1.0, 0.7, 0.2])


@pytest.mark.parametrize("name", ALL)
def test_slope_is_the_derivative_of_the_value(name):
    likelihood, h = ALL[name], 1e-5
    difference = (likelihood.value(Q + h, Y, W) - likelihood.value(Q - h, Y, W)) / (2 * h)
    assert likelihood.slope(Q, Y, W) == pytest.approx(difference, rel=1e-5, abs=1e-8)


def test_values_are_those_of_the_distributions():
    constant = POISSON.value(np.array([1.0, 2.0]), np.array([3.0, 3.0]), np.ones(2))
    assert np.diff(constant) == pytest.approx(-np.diff(poisson.logpmf(3, [1.0, 2.0])))
    p = 1 - np.exp(-Q)
    assert BERNOULLI.value(Q, Y, np.ones(5)) == pytest.approx(-bernoulli.logpmf(Y, p))


@pytest.mark.parametrize("name", ALL)
def test_conjugate_is_the_largest_distance_below_the_line(name):
    """At the slope at q, the value and its conjugate add up to slope times q."""
    likelihood = ALL[name]
    slope = likelihood.slope(Q, Y, W)
    total = likelihood.value(Q, Y, W) + likelihood.conjugate(slope, Y, W)
    assert total == pytest.approx(slope * Q, rel=1e-6, abs=1e-9)
    elsewhere = likelihood.value(1.3 * Q, Y, W) + likelihood.conjugate(slope, Y, W)
    assert (elsewhere >= slope * 1.3 * Q - 1e-9).all()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("strength", [0.05, 1.0, 30.0])
def test_the_step_of_the_dual_is_the_proximal_point_of_the_conjugate(name, strength):
    """By Moreau: the point less sigma times the proximal point of the value."""
    n = len(Q)
    dual = np.linspace(-0.5, 0.6, n, dtype=np.float32).reshape(1, n, 1, 1)
    start = dual.copy()
    projected = Q.astype(np.float32).reshape(dual.shape)
    factor = np.array([[0.8]], np.float32)
    background = np.array([[0.03]], np.float32)
    weight, path = W.reshape(1, n, 1).astype(np.float32), np.full((1, n, 1), 2.0, np.float32)
    given = (Y.reshape(dual.shape).astype(np.float32), weight, background, factor, path)
    of_volume = np.zeros_like(dual)
    steps = (np.array([strength], np.float32), np.float32(1))
    ALL[name].step_plane(0, dual, of_volume, projected, given, steps)
    sigma = strength / (0.8 * 2.0)
    for i in range(n):
        at = start[0, i, 0, 0] + sigma * (0.8 * Q[i] + 0.03)

        def merit(q, i=i, at=at):
            value = ALL[name].value(np.array([q]), Y[i : i + 1], W[i : i + 1])[0]
            return value + sigma / 2 * (q - at / sigma) ** 2

        # photons are not negative, but the gaussian knows no such thing
        low = -50.0 if name == "gaussian" else 1e-9
        found = minimize_scalar(merit, bounds=(low, 60.0), method="bounded",
                                options={"xatol": 1e-10}).x  # fmt: skip
        assert dual[0, i, 0, 0] == pytest.approx(at - sigma * found, abs=2e-4 * max(1, sigma))
    # relaxation 1: half of the sum of the extrapolated projection and the old one
    assert of_volume[0, :, 0, 0] == pytest.approx(0.4 * Q, rel=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_pixels_of_no_weight_stay(name):
    dual = np.full((1, 2, 1, 1), 0.3, np.float32)
    weight = np.array([0, 1], np.float32).reshape(1, 2, 1)
    given = (np.ones_like(dual), weight, np.ones((1, 1), np.float32),
             np.ones((1, 1), np.float32), np.ones((1, 2, 1), np.float32))  # fmt: skip
    steps = (np.ones(1, np.float32), np.float32(1))
    ALL[name].step_plane(0, dual, np.zeros_like(dual), np.ones_like(dual), given, steps)
    assert dual[0, 0, 0, 0] == np.float32(0.3)
    assert dual[0, 1, 0, 0] != np.float32(0.3)
