"""Held-out likelihood with gain and background fitted."""

import numpy as np
import pytest

from stemedx.project.geometry import Geometry
from stemedx.reconstruct.measured import Measured
from stemedx.resolve.held_out import fit_rates, held_out_gain

SHARE = 0.8


@pytest.fixture
def signal():
    maps = np.zeros((2, 3, 40, 50), np.float32)
    maps[0, :, 8:26, 12:30] = 0.2
    maps[1, :, 14:30, 20:44] = 0.05
    return maps


def seen(maps, kind="counts"):
    zeros, weight = np.zeros((2, 3)), np.ones(maps.shape[1:], np.float32)
    geometry = Geometry(np.array([-20.0, 0.0, 30.0]), *maps.shape[2:])
    return Measured(maps, geometry, kind, zeros + 1, zeros, weight)


def fitted_gain(predicted, about, unseen, share):
    return held_out_gain(predicted, about, unseen, share).gain_nat_per_hit


def test_gain_and_background_are_fitted(signal):
    gain = np.array([[0.5, 1.0, 2.0], [3.0, 1.0, 0.7]])[..., None, None]
    expected = gain * signal + np.array([0.02, 0.03])[:, None, None, None]
    # without noise it converges to what was put in, by steps of (background / all)
    assert fit_rates(signal, seen(expected)) == pytest.approx(expected, rel=0.05)
    hits = seen(-np.expm1(-expected), "hits")
    assert fit_rates(signal, hits) == pytest.approx(expected, rel=0.05)


def test_the_scale_of_a_prediction_does_not_count(signal, rng):
    photons = rng.poisson(signal + 0.02)
    unseen = rng.poisson((signal + 0.02) / 4)
    first, second = (fitted_gain(s, seen(photons), unseen, SHARE) for s in (signal, 7 * signal))
    assert first == pytest.approx(second, rel=1e-3)


def test_the_truth_gains_and_a_wrong_place_does_not(signal, rng):
    photons = rng.poisson(0.8 * (signal + 0.02))
    unseen = rng.poisson(0.2 * (signal + 0.02))
    right = fitted_gain(signal, seen(photons), unseen, SHARE)
    wrong = fitted_gain(np.roll(signal, 20, axis=-1), seen(photons), unseen, SHARE)
    assert (right > 0.05).all()
    assert (wrong < 0.5 * right).all()


def test_hits_are_told_by_their_own_likelihood(signal, rng):
    """Against the mean of the log-likelihood of a Bernoulli variable, for its own rates."""
    rate = 5 * signal + 0.1
    hits = rng.random(rate.shape) < -np.expm1(-rate)
    first = rng.random(rate.shape) < SHARE
    found = fitted_gain(5 * signal, seen(1 * (hits & first), "hits"), 1 * (hits & ~first), SHARE)
    p, even = 0.2 * -np.expm1(-rate), 0.2 * hits.mean(axis=(2, 3), keepdims=True)
    expected = p * np.log(p / even) + (1 - p) * np.log((1 - p) / (1 - even))
    # some hundred held-out hits
    assert found == pytest.approx(expected.sum(axis=(1, 2, 3)) / p.sum(axis=(1, 2, 3)), abs=0.06)


def test_nothing_to_predict_is_no_number(signal, rng):
    photons = rng.poisson(signal + 0.02)
    found = fitted_gain(signal, seen(photons), 0 * photons, SHARE)
    assert np.isnan(found).all()
