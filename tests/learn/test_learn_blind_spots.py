import numpy as np
import pytest
import torch
from scipy.ndimage import maximum_filter, shift

from stemedx.learn.blind_spots import BLIND_SPOTS, REACH_PX, blind_copies
from stemedx.learn.denoising import make_denoiser, predict_rates, train
from stemedx.learn.thinning import THINNING, thinned_copies
from stemedx.params import DenoiseParams, TrainDenoiserParams

PARAMS = TrainDenoiserParams(
    min_updates=1, n_epochs=30, batch=2, base_channels=4, n_levels=2, crop_px=64
)


@pytest.fixture
def maps(rng):
    return rng.gamma(2.0, 1.0, size=(2, 3, 31, 44)).astype(np.float32)


def near(told):
    """Pixels that may share noise with those that are told."""
    return maximum_filter(told, (1, 1, 2 * REACH_PX + 1, 2 * REACH_PX + 1)) > 0


def test_copies_tell_of_every_pixel_equally_often(maps, rng):
    told = sum(copy.told for copy in blind_copies(maps, DenoiseParams(), rng))
    assert told.min() == told.max() == 3


def test_a_copy_does_not_see_what_shares_noise_with_what_it_tells(maps):
    """Other values there leave every pixel that is seen as it was."""
    first = blind_copies(maps, DenoiseParams(), np.random.default_rng(3))
    for copy in first:
        other = np.where(near(copy.told), maps + 9.0, maps)
        again = blind_copies(other, DenoiseParams(), np.random.default_rng(3))
        same = next(c for c in again if np.array_equal(c.told, copy.told))
        np.testing.assert_array_equal(same.seen, copy.seen)
        is_kept = copy.seen == maps
        assert 0.5 < is_kept.mean() < 0.8


def test_a_sample_does_not_see_what_shares_noise_with_its_target(maps):
    patches, params = maps.swapaxes(0, 1).copy(), TrainDenoiserParams()
    patches[0, :, 5:12, 8:15] = np.nan
    sample = BLIND_SPOTS.draw(patches, params, np.random.default_rng(4))
    other = np.where(near(sample.told), patches + 9.0, patches)
    again = BLIND_SPOTS.draw(other, params, np.random.default_rng(4))
    np.testing.assert_array_equal(again.seen, sample.seen)
    assert np.isfinite(sample.seen).all()
    assert np.isfinite(sample.target).all()
    assert not sample.told[np.isnan(patches)].any()
    np.testing.assert_array_equal((sample.target * sample.told)[sample.told > 0],
                                  patches[sample.told > 0])  # fmt: skip


def test_holes_that_are_held_out_stay_unseen(rng):
    maps = rng.gamma(2.0, 1.0, size=(2, 20, 60, 80)).astype(np.float32)
    kept, sample = BLIND_SPOTS.hold_out(maps, TrainDenoiserParams(held_out=0.1), rng)
    is_gone = np.isnan(kept)
    # 700 holes, a third of them: 5 standard deviations
    assert is_gone.mean() == pytest.approx(0.1, abs=0.01)
    told = sample.told.swapaxes(0, 1)
    assert is_gone[near(told)].all()
    assert told.any()
    np.testing.assert_array_equal(sample.target.swapaxes(0, 1), maps)
    assert not (sample.seen.swapaxes(0, 1) == maps)[is_gone].any()


def test_noise_that_neighbours_share_is_not_taken_for_specimen(rng):
    """Thinned, half a pixel's shift leaves the network something to learn; holes do not."""
    counts = rng.poisson(1.5, size=(6, 40, 56)).astype(np.float64)
    maps = np.stack([shift(one, 0.5, order=1, mode="mirror") for one in counts])
    maps = maps[None].astype(np.float32)
    rounded = np.floor(maps + rng.random(maps.shape)).astype(np.uint16)
    grain = []
    for split, copies, values in (
        (BLIND_SPOTS, blind_copies, maps),
        (THINNING, thinned_copies, rounded),
    ):
        network = make_denoiser(values, PARAMS, torch.device("cpu"))
        train(network, values, PARAMS, split=split, guides=values[:0].astype(np.float32), rng=rng)
        rates = predict_rates(
            network,
            copies(values, DenoiseParams(), rng),
            guides=values[:0].astype(np.float32),
            tile_px=64,
        )
        grain.append(np.corrcoef(rates.ravel(), maps.ravel())[0, 1])
        assert rates.mean() == pytest.approx(maps.mean(), rel=0.05)
    assert abs(grain[0]) < 0.1, grain
    assert abs(grain[1]) > 0.15, grain
