import numpy as np
import pytest
import torch

from stemedx.learn.checkpoints import Checkpoint
from stemedx.learn.distilling import (
    N_FRAMES,
    Labelled,
    of_frames,
    of_series,
    predict,
    relative,
    share_out,
    to_pairs,
    units_of,
)
from stemedx.params import TrainKernelParams


@pytest.fixture
def frames(rng):
    return rng.poisson(0.4, size=(2, 6, 8, 12)).astype(np.uint8)


def test_frames_that_follow_each_other_are_added_up(frames, rng):
    rates = rng.random((2, 8, 12), "float32")
    labelled = of_frames(frames, rates, 5)
    assert len(labelled) == 2
    np.testing.assert_array_equal(labelled[1].counts, frames[:, 1:6].sum(1))
    np.testing.assert_allclose(labelled[1].rates, 5 * rates)


def test_too_few_frames_are_refused(frames, rng):
    with pytest.raises(ValueError, match=r"at least 7 frames \(n_summed_frames\), found 6"):
        of_frames(frames, rng.random((2, 8, 12), "float32"), 7)


def test_photons_are_shared_out_evenly_and_none_is_lost(rng):
    counts = rng.poisson(20.0, size=(2, 30, 41)).astype(np.uint16)
    shared = share_out(counts, rng)
    np.testing.assert_array_equal(shared.sum(1), counts)
    totals = shared.sum((2, 3)) / counts.sum((1, 2))[:, None]
    # 25 000 photons each: 5 standard errors of a fifteenth are 0.008
    np.testing.assert_allclose(totals, 1 / N_FRAMES, atol=0.008)
    one, other = shared[0, 0].ravel(), shared[0, 1].ravel()
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.15  # of Poisson counts, independent


def test_labels_of_a_series_are_rates_of_its_own_photons(rng, tmp_path):
    y, x = np.mgrid[:32, :32]
    rate = 3 * np.exp(-((y - 12) ** 2 + (x - 19) ** 2) / 40)
    counts = rng.poisson(np.stack([[rate] * 2, [2 * rate] * 2])).astype(np.uint16)
    small = {"base_channels": 2, "n_epochs": 4, "n_bootstraps": 4, "crop_px": 32}
    params = TrainKernelParams(**small, n_aggregation_epochs=40, aggregation_learning_rate=3e-3)
    cpu = torch.device("cpu")
    kept = Checkpoint(tmp_path / "kept.safetensors", {}, rng)
    labelled = of_series(counts, ["Se", "S"], params, device=cpu, checkpoint=kept)
    assert len(labelled) == 2
    np.testing.assert_array_equal(labelled[1].counts, counts[:, 1])
    for one in labelled:
        # within the mask, 2 % of the brightest, are nearly all photons
        assert one.rates.sum() == pytest.approx(one.counts.sum(), rel=0.1)
        assert np.corrcoef(one.rates[1].ravel(), rate.ravel())[0, 1] > 0.7


def test_units_are_the_largest_rates_and_hits_stay_hits():
    labelled = [
        Labelled(np.full((2, 1, 3), n), np.array([[[0.1, 0.2, n]], [[0, 0, 0]]], np.float32))
        for n in (2, 4)
    ]
    assert units_of(labelled) == [4.0, 1.0]
    pair = to_pairs(labelled, [4.0, 1.0])[0]
    assert pair.target[0, 0].tolist() == pytest.approx([0.025, 0.05, 0.5])
    hits = np.array([[[0, 1, 1]], [[0, 0, 0]]], np.uint8)
    np.testing.assert_array_equal(relative(hits), hits)
    np.testing.assert_array_equal(relative(3 * hits), hits)


class Box(torch.nn.Module):
    """A generator that spreads every value over its row."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, patches):
        return patches.mean(-1, keepdim=True).expand_as(patches)


def test_each_map_keeps_its_photons(rng):
    maps = rng.poisson(2.0, size=(2, 3, 16, 16)).astype(np.uint16)
    maps[1, 2] = 0
    rates = predict(Box(), maps, [7.0, 0.01], 16)
    np.testing.assert_allclose(rates.sum((2, 3)), maps.sum((2, 3)), rtol=1e-5)
    np.testing.assert_allclose(rates[0, 1, 4], maps[0, 1, 4].mean(), rtol=1e-5)
    assert not rates[1, 2].any()
