import pytest
import torch

from stemedx.networks.denoiser import Denoiser, smooth

SHARE = torch.full((1, 1, 1, 1), 0.4)


@pytest.fixture
def seen(rng):
    return torch.from_numpy(rng.poisson(2.0, size=(3, 2, 9, 14)).astype("float32"))


def test_rates_are_positive_and_add_up_to_the_photons(seen):
    rates = Denoiser([4.0, 7.0], base_channels=4, n_levels=2)(seen, SHARE)
    assert rates.min() > 0
    # one photon of prior stands against the 250 of a map
    torch.testing.assert_close(rates.sum((2, 3)), seen.sum((2, 3)) / 0.4, rtol=0.01, atol=0)


def test_the_gain_of_one_map_changes_no_other(seen):
    network = Denoiser([4.0, 7.0], base_channels=4, n_levels=2)
    brighter = seen.clone()
    brighter[1] *= 3
    before, after = network(seen, SHARE), network(brighter, SHARE)
    assert torch.equal(before[[0, 2]], after[[0, 2]])
    # again the one photon of prior
    torch.testing.assert_close(after[1].sum((1, 2)), 3 * before[1].sum((1, 2)), rtol=0.01, atol=0)


def test_an_element_without_photons_is_zero_and_harms_no_gradient(seen):
    seen[:, 1] = 0
    network = Denoiser([4.0, 0.0], base_channels=4, n_levels=2)
    rates = network(seen, SHARE)
    assert not rates[:, 1].any()
    rates.square().sum().backward()
    assert all(weights.grad.isfinite().all() for weights in network.parameters())


def test_maps_without_any_photon_give_small_finite_rates():
    rates = Denoiser([4.0, 7.0], base_channels=4, n_levels=2)(torch.zeros(1, 2, 9, 14), SHARE)
    assert rates.isfinite().all()
    assert rates.sum((2, 3)).max() < 1 / 0.4  # less than the one photon of the prior


def test_smoothing_is_a_gaussian_of_two_pixels():
    maps = torch.zeros(1, 2, 31, 41)
    maps[0, 1, 14, 23] = 5.0
    smoothed = smooth(maps)
    assert not smoothed[0, 0].any()
    assert smoothed.sum().item() == pytest.approx(5.0, rel=1e-5)  # float32
    along = smoothed[0, 1].sum(0) / 5
    variance = (along * (torch.arange(41) - 23.0) ** 2).sum().item()
    assert variance == pytest.approx(4.0, rel=0.03)  # cut off at three standard deviations
