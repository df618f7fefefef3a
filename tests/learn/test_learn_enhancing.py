import numpy as np
import pytest
import torch
from torch import nn

from stemedx.learn.enhancing import (
    enhance_maps,
    level_gains,
    make_enhancer,
    train,
    weighted_l2_loss,
)
from stemedx.params import TrainEnhancerParams

CPU = torch.device("cpu")
SMALL = TrainEnhancerParams(n_epochs=10, batch=2, base_channels=4, n_levels=2, crop_px=16)
SHAPE = (2, 3, 13, 20)


class Factor(nn.Module):
    """The simplest enhancer: every map times one number."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(()))

    def forward(self, projected):
        return self.factor * projected


@pytest.fixture
def projected(rng):
    return rng.random(SHAPE, np.float32) * np.float32([3.0, 0.2])[:, None, None, None]


@pytest.fixture
def coverage(rng):
    return np.round(rng.random(SHAPE[1:], np.float32) + 0.3).clip(0, 1)


def test_gains_of_tilts_are_levelled_and_that_of_the_series_is_kept(projected, coverage):
    gains = np.array([[0.6, 1.0, 1.4], [1.2, 1.0, 0.8]], np.float32)[:, :, None, None]
    known = (projected * coverage).sum((2, 3), keepdims=True)
    overall = (gains * known).sum(1, keepdims=True) / known.sum(1, keepdims=True)
    levelled = level_gains(gains * projected, projected, coverage)
    np.testing.assert_allclose(levelled, overall * projected, rtol=1e-5)  # float32


def test_what_is_not_covered_tells_nothing_of_the_gain(projected, coverage):
    denoised = np.where(coverage > 0, projected, np.float32(50))
    levelled = level_gains(denoised, projected, coverage)
    np.testing.assert_allclose(levelled, denoised, rtol=1e-5)  # float32


def test_empty_maps_are_left_empty(projected, coverage):
    denoised = projected.copy()
    denoised[0], projected[1] = 0, 0
    levelled = level_gains(denoised, projected, coverage)
    assert not levelled[0].any()
    assert np.isfinite(levelled).all()


def test_the_loss_is_least_at_the_truth_where_it_is_known(projected, coverage):
    target, weights = torch.from_numpy(projected), torch.from_numpy(coverage[:2, None])
    wrong = target + 7 * (1 - weights)
    assert weighted_l2_loss(wrong, target, weights) == 0
    assert weighted_l2_loss(target + 0.01, target, weights) > 0


def test_the_loss_weighs_strong_and_weak_elements_alike(projected, coverage):
    target, weights = torch.from_numpy(projected), torch.from_numpy(coverage[:2, None])
    losses = []
    for element in (0, 1):
        enhanced = target.clone()
        enhanced[element] *= 1.1
        losses.append(weighted_l2_loss(enhanced, target, weights).item())
    # both are uniform noise; their weights and draws differ
    assert losses[0] == pytest.approx(losses[1], rel=0.2)


def test_training_recovers_a_known_factor(projected, coverage, rng):
    network = Factor()
    params = TrainEnhancerParams(n_epochs=100, batch=3, learning_rate=0.05, weight_decay=0)
    denoised = np.float32(1.3) * projected
    table = train(network, projected, denoised, coverage, params, rng=rng)
    assert network.factor.item() == pytest.approx(1.3, rel=1e-3)  # Adam has settled to that
    assert list(table) == ["step", "loss"]


def test_trainings_with_one_seed_agree_bit_for_bit(projected, coverage):
    weights, tables = [], []
    for _ in range(2):
        network = make_enhancer(2, SMALL, CPU)
        rng = np.random.default_rng(7)
        tables.append(train(network, projected, projected**2, coverage, SMALL, rng=rng))
        weights.append(network.state_dict())
    assert tables[0].equals(tables[1])
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert weights[0]["unet.last.weight"].any()


def test_an_untrained_network_leaves_views_as_they_are(projected):
    network = make_enhancer(2, SMALL, CPU)
    assert np.array_equal(enhance_maps(network, projected, tile_px=64), projected)


def test_enhanced_views_are_not_negative_and_keep_their_order(projected):
    network = Factor()
    enhanced = enhance_maps(network, projected - np.float32(0.1), tile_px=8)
    np.testing.assert_allclose(enhanced, (projected - 0.1).clip(0), atol=1e-6)  # float32


def test_training_brings_blurred_views_closer_to_the_sharp_ones(rng):
    y, x = np.mgrid[:24, :32]
    sharp = np.stack([((y - 9) ** 2 + (x - 12 - t) ** 2 < 36) for t in range(5)]).astype(np.float32)
    blurred = sum(np.roll(sharp, n, -1) for n in range(-3, 4)) / np.float32(7)
    params = SMALL.model_copy(update={"n_epochs": 60, "crop_px": 32, "learning_rate": 4e-3})
    network = make_enhancer(1, params, CPU)
    train(network, blurred[None], sharp[None], np.ones_like(sharp), params, rng=rng)
    enhanced = enhance_maps(network, blurred[None], tile_px=32)
    before, after = (np.mean((maps - sharp) ** 2) for maps in (blurred, enhanced[0]))
    assert after < before / 2
