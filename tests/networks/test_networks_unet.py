import pytest
import torch

from stemedx.networks.unet import UNet


@pytest.mark.parametrize("extent", [(4, 8), (13, 30), (1, 3)])
@pytest.mark.parametrize("n_levels", [1, 3])
def test_maps_of_any_extent_keep_it(extent, n_levels):
    network = UNet(2, 3, base_channels=4, n_levels=n_levels)
    assert network(torch.ones(2, 2, *extent)).shape == (2, 3, *extent)


def test_every_level_and_bridge_takes_part():
    network = UNet(2, 3, base_channels=6, n_levels=3)
    network(torch.randn(2, 2, 8, 12)).square().sum().backward()
    for name, weights in network.named_parameters():
        assert weights.grad is not None and weights.grad.abs().sum() > 0, name


def test_the_first_weights_neither_drown_nor_drive_the_signal():
    convolution = UNet(5, 3, base_channels=16, n_levels=1).down[0][0]
    # 2 / (1 + slope^2) / inputs; 5 standard errors of a variance from 720 weights: 26 %
    assert convolution.weight.var().item() == pytest.approx(2 / 1.01 / 45, rel=0.26)
