import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from stemedx.counts import split_counts, to_counts, unclip, unclipped_rates

counts_of_any_kind = st.sampled_from([np.uint8, np.uint16, np.uint32]).flatmap(
    lambda dtype: arrays(dtype, array_shapes(min_dims=1, max_dims=4, max_side=5))
)


@settings(deadline=None)
@given(counts_of_any_kind, st.floats(0.01, 0.99), st.integers(0, 2**32 - 1))
def test_shares_add_up_to_the_counts(counts, fraction, seed):
    first, second = split_counts(counts, fraction, np.random.default_rng(seed))
    assert np.array_equal(first + second, counts)
    assert (first <= counts).all()  # unsigned: a larger share would wrap round
    assert first.dtype == second.dtype == counts.dtype


def test_shares_of_poisson_counts_are_poisson_and_independent(rng):
    counts = rng.poisson(2.5, 200_000).astype(np.uint16)
    first, second = split_counts(counts, 0.3, rng)
    error = 5 / np.sqrt(counts.size)  # 5 standard errors, of order 1 each
    assert first.mean() == pytest.approx(0.75, abs=error)
    assert first.var() == pytest.approx(0.75, abs=2 * error)
    assert second.var() == pytest.approx(1.75, abs=3 * error)
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(0, abs=error)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 1.5])
def test_a_share_must_be_a_part(rng, fraction):
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        split_counts(np.array([3], np.uint16), fraction, rng)


def test_counts_come_back_untouched(rng):
    counts = rng.poisson(3, (2, 3, 4, 8)).astype(np.uint16)
    assert to_counts(counts, [1.0, 1.0], rng) is counts


def test_intensities_are_rounded_without_bias(rng):
    maps = np.full((2, 3, 100, 120), 0.35, np.float32)
    counts = to_counts(maps, [0.2, 0.5], rng)
    # 1.75 and 0.7 photons; 5 standard errors of 36000 draws between two integers
    assert counts.mean(axis=(1, 2, 3)) == pytest.approx([1.75, 0.7], abs=5 * 0.5 / 36_000**0.5)
    assert set(np.unique(counts[0])) == {1, 2}
    assert set(np.unique(counts[1])) == {0, 1}


@pytest.mark.parametrize("wrong", [-0.25, np.nan, np.inf])
def test_intensities_must_be_finite_and_not_negative(rng, wrong):
    maps = np.full((1, 2, 4, 8), 0.5, np.float32)
    maps[0, 1, 2, 3] = wrong
    with pytest.raises(ValueError, match="finite intensities >= 0"):
        to_counts(maps, [0.2], rng)


def test_variance_to_mean_must_be_positive(rng):
    with pytest.raises(ValueError, match=r"factors above 0, found \[0\.2, 0\.0\]"):
        to_counts(np.ones((2, 2, 4, 8), np.float32), [0.2, 0.0], rng)


@pytest.mark.parametrize("rate", [0.05, 0.7])
def test_unclip_draws_the_photons_behind_hits(rate, rng):
    photons = rng.poisson(rate, size=(2, 3, 80, 120))
    counts = unclip(np.minimum(photons, 1).astype(np.uint16), rng)
    np.testing.assert_array_equal(counts > 0, photons > 0)
    # 5 standard errors of the mean of Poisson counts, and 2 % for the rate nearby
    assert counts.mean() == pytest.approx(rate, abs=5 * np.sqrt(rate / counts.size) + 0.02 * rate)


def test_shares_of_unclipped_hits_do_not_exclude_each_other(rng):
    hits = np.minimum(rng.poisson(0.6, size=(1, 4, 100, 150)), 1).astype(np.uint16)
    of_hits, of_counts = (
        np.corrcoef(*(part.ravel() for part in split_counts(counts, 0.5, rng)))[0, 1]
        for counts in (hits, unclip(hits, rng))
    )
    assert of_hits < -0.2
    assert abs(of_counts) < 0.03  # 5 standard errors are 0.02, the rate nearby adds the rest


def test_unclip_leaves_vacuum_empty(rng):
    hits = np.zeros((2, 5, 64, 72), np.uint16)
    hits[..., 20:50, 10:40] = rng.random((2, 5, 30, 30)) < 0.4
    assert not unclip(hits, rng)[hits == 0].any()


def test_unclip_of_nothing_is_nothing(rng):
    assert not unclip(np.zeros((2, 3, 8, 12), np.uint16), rng).any()


def test_rates_of_hits_are_those_of_the_photons(rng):
    rates = np.array([0.0, 0.1, 0.7, 2.0], np.float32).reshape(1, 1, 1, 4)
    hits = (rng.poisson(rates, (100_000, 1, 1, 4)) > 0).mean(0, dtype=np.float32, keepdims=True)
    found = unclipped_rates(hits)
    # 5 standard errors of a share of 100 000 are 0.008, at 2 photons worth 0.06
    np.testing.assert_allclose(found, rates, atol=0.06)
    assert np.isfinite(unclipped_rates(np.ones((1, 1, 1, 2), np.float32))).all()
