import numpy as np
import pytest
import torch

from stemedx.learn.published_enhancing import enhance_published, to_pairs, units_of


def test_a_view_that_was_not_measured_may_be_the_brightest():
    volumes = np.zeros((2, 16, 4, 16), np.float32)
    volumes[0, 2:14, 1:3, 7:9] = 0.5  # long along the beam at tilt 0, short across it
    target = np.full((2, 1, 4, 16), 0.01, np.float32)
    assert units_of(volumes, target) == pytest.approx([6.0, 0.01], rel=1e-3)
    assert units_of(volumes, 9 * np.ones_like(target)) == [9.0, 9.0]


class Spy(torch.nn.Module):
    """A generator that keeps what it sees and makes half of it."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.largest = 0.0

    def forward(self, patches):
        self.largest = max(self.largest, patches.max().item())
        return patches / 2


def test_views_come_back_in_their_unit(rng):
    spy, views = Spy(), 50 * rng.random((2, 3, 16, 16), "float32")
    np.testing.assert_allclose(
        enhance_published(spy, views, [50.0, 100.0], 16), views / 2, rtol=1e-5
    )
    assert spy.largest <= 1


def test_what_was_measured_is_learned_and_the_rest_is_to_stay(rng):
    projected = rng.random((1, 2, 6, 8), "float32")
    denoised = np.zeros_like(projected)
    denoised[..., :3] = projected[..., :3] ** 2
    coverage = np.zeros((2, 6, 8), np.float32)
    coverage[..., :3] = 1
    pairs = to_pairs(projected, denoised, coverage, [2.0])
    assert len(pairs) == 2
    for tilt, pair in enumerate(pairs):
        np.testing.assert_allclose(pair.seen, projected[:, tilt] / 2)
        np.testing.assert_array_equal(pair.target[..., 3:], pair.seen[..., 3:])
        # up to the gain of the tilt, squares
        ratio = pair.target[..., :3] / pair.seen[..., :3] ** 2
        np.testing.assert_allclose(ratio, ratio.mean(), rtol=1e-4)
