import numpy as np

from stemedx.learn.thinning import CLIPPED, THINNING, left_out_copies
from stemedx.params import DenoiseParams, TrainDenoiserParams


def test_a_hit_is_left_out_once_and_told_of_only_then(rng):
    counts = rng.poisson(0.4, size=(2, 3, 8, 12)).astype(np.uint16)
    copies = list(left_out_copies(counts, DenoiseParams(n_thinnings=4), rng))
    told = sum(copy.told for copy in copies)
    np.testing.assert_array_equal(told, np.where(counts > 0, 1, 4))
    for copy in copies:
        assert not (copy.seen * copy.told)[counts > 0].any()
        assert copy.share == 0.75


def test_a_sample_holds_each_photon_once(rng):
    counts = rng.poisson(3.0, size=(2, 2, 8, 12)).astype(np.uint16)
    params = TrainDenoiserParams(share_min=0.7, share_max=0.7, held_out=0.2)
    sample = THINNING.draw(counts, params, rng)
    np.testing.assert_array_equal(sample.seen + sample.target, counts)
    # the photons held out beforehand are missing from both parts
    np.testing.assert_allclose(sample.shares, 0.8 * 0.7)
    np.testing.assert_allclose(sample.exposures, 0.8 * 0.3)
    # 5 standard deviations of the draw
    n = counts.sum()
    assert abs(sample.seen.sum() - 0.7 * n) <= 5 * np.sqrt(0.21 * n)


def test_held_out_photons_are_the_rest(rng):
    counts = rng.poisson(3.0, size=(2, 3, 8, 12)).astype(np.uint16)
    kept, sample = THINNING.hold_out(counts, TrainDenoiserParams(held_out=0.2), rng)
    np.testing.assert_array_equal(kept + sample.target.swapaxes(0, 1), counts)
    np.testing.assert_array_equal(sample.seen.swapaxes(0, 1), kept)
    np.testing.assert_allclose(sample.exposures, 0.2)


def test_clipped_hits_are_told_of_where_none_is_seen(rng):
    hits = (rng.random((2, 3, 8, 12)) < 0.4).astype(np.uint16)
    kept, held_out = CLIPPED.hold_out(hits, TrainDenoiserParams(held_out=0.2), rng)
    for sample in (held_out, CLIPPED.draw(kept, TrainDenoiserParams(), rng)):
        np.testing.assert_array_equal(sample.told, sample.seen == 0)
        assert 0 < sample.target.sum() == (sample.target * sample.told).sum()
