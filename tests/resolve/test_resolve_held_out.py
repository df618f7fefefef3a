import numpy as np
import pytest

from stemedx.project.geometry import Geometry
from stemedx.reconstruct.measured import Measured
from stemedx.resolve import held_out

SHAPE = (2, 3, 40, 48)


EVERYWHERE = np.ones(SHAPE[1:], bool)


def held_out_gain(predicted, seen, unseen, signal="counts", covered=EVERYWHERE):
    nothing, geometry = np.zeros(SHAPE[:2]), Geometry(np.array([-9.0, 0.0, 8.0]), *SHAPE[2:])
    about = Measured(seen, geometry, signal, nothing + 1, nothing, covered.astype(np.float32))
    return held_out.held_out_gain(predicted, about, unseen, 0.5)


def rates(rng, scale):
    y, x = np.indices(SHAPE[2:])
    bump = np.exp(-((y - 14) ** 2 + (x - 30) ** 2) / 60)
    per_map = rng.uniform(0.5, 1.5, SHAPE[:2])[:, :, None, None]
    return (scale * per_map * (0.1 + bump)).astype(np.float32)


def halves(rng, rate):
    return rng.poisson(rate), rng.poisson(rate)


def information(rate):
    """Expected gain of the true rate over the mean of each map, nat per photon."""
    mean = rate.mean(axis=(2, 3), keepdims=True)
    return (rate * np.log(rate / mean)).sum(axis=(1, 2, 3)) / rate.sum(axis=(1, 2, 3))


def test_the_true_rate_gains_its_information(rng):
    rate = rates(rng, 3.0)
    found = held_out_gain(rate, *halves(rng, rate))
    # Five standard errors: the log of the rate scatters by about 1 from photon to photon.
    assert np.all(np.abs(found.gain_nat_per_hit - information(rate)) < 5 / np.sqrt(found.hits))


def test_a_constant_gains_nothing(rng):
    flat = np.full(SHAPE, 0.7, np.float32)
    found = held_out_gain(flat, *halves(rng, rates(rng, 1.0)))
    assert found.gain_nat_per_hit == pytest.approx([0, 0], abs=1e-6)  # float32


def test_the_gain_is_largest_at_the_truth(rng):
    rate = rates(rng, 3.0)
    seen, unseen = halves(rng, rate)
    gain = [
        held_out_gain(wrong, seen, unseen).gain_nat_per_hit
        for wrong in (rate, rate**0.5, rate**2, np.roll(rate, 6, axis=3))
    ]
    assert np.all(gain[0] > np.array(gain[1:]))


def test_units_and_gains_of_the_prediction_do_not_matter(rng):
    rate = rates(rng, 1.0)
    seen, unseen = halves(rng, rate)
    scaled = rate * rng.uniform(0.2, 5, SHAPE[:2]).astype(np.float32)[:, :, None, None]
    one, two = (held_out_gain(r, seen, unseen) for r in (rate, scaled))
    assert two.gain_nat_per_hit == pytest.approx(one.gain_nat_per_hit, rel=1e-5)  # float32


def test_hits_are_photons_predicted(rng):
    seen, unseen = halves(rng, rates(rng, 1.0))
    found = held_out_gain(rates(rng, 1.0), seen, unseen)
    assert found.hits.tolist() == unseen.sum(axis=(1, 2, 3)).tolist()


def test_hits_are_gained_by_bernoulli(rng):
    rate = rates(rng, 1.0)
    seen, unseen = (np.minimum(half, 1) for half in halves(rng, rate))
    found = held_out_gain(rate, seen, unseen, "hits")
    assert np.all(found.gain_nat_per_hit > 0)


def test_a_prediction_of_nothing_costs_a_bounded_amount(rng):
    rate = rates(rng, 1.0)
    empty = rate.copy()
    empty[:, :, :, :24] = 0
    found = held_out_gain(empty, *halves(rng, rate))
    assert np.all(np.isfinite(found.gain_nat_per_hit))
    assert np.all(found.gain_nat_per_hit > np.log(1e-4))


def test_maps_without_photons(rng):
    rate = rates(rng, 1.0)
    seen, unseen = halves(rng, rate)
    seen[0, 1] = unseen[1] = 0
    found = held_out_gain(np.zeros_like(rate), seen, unseen)
    assert np.isfinite(found.gain_nat_per_hit[0])
    assert np.isnan(found.gain_nat_per_hit[1])
    assert found.hits[1] == 0


def test_pixels_that_no_ray_reaches_do_not_count(rng):
    rate = rates(rng, 3.0)
    seen, unseen = halves(rng, rate)
    covered = EVERYWHERE.copy()
    covered[1, :, :20] = False
    wrong = [half.copy() for half in (rate, seen, unseen)]
    for maps in wrong:
        maps[:, 1, :, :20] = rng.integers(0, 9, (2, 40, 20))
    one = held_out_gain(rate, seen, unseen, "counts", covered)
    two = held_out_gain(*wrong, "counts", covered)
    assert two.gain_nat_per_hit == pytest.approx(one.gain_nat_per_hit, rel=1e-6)  # rounding
    assert two.hits.tolist() == one.hits.tolist()
