import pytest
import torch

from stemedx.networks.volume_unet import VolumeUNet


@pytest.fixture
def volumes(rng):
    return torch.from_numpy(rng.random((2, 3, 8, 4, 12), "float32"))


def test_a_network_whose_last_layer_is_empty_changes_nothing(volumes):
    network = VolumeUNet(3, base_channels=4)
    torch.nn.init.zeros_(network.last.weight)
    torch.nn.init.zeros_(network.last.bias)
    assert torch.equal(network(volumes), volumes)


def test_every_level_and_bridge_takes_part(volumes):
    network = VolumeUNet(3, base_channels=16)
    added = network(volumes) - volumes
    assert added.shape == volumes.shape
    added.square().sum().backward()
    for name, weights in network.named_parameters():
        assert weights.grad is not None and weights.grad.abs().sum() > 0, name


def test_groups_are_of_eight_where_the_channels_can_be_divided():
    network = VolumeUNet(3, base_channels=32)
    groups = [layer.num_groups for layer in network.modules() if hasattr(layer, "num_groups")]
    assert groups == [1] + 9 * [8]


def test_sides_that_cannot_be_halved_twice_are_refused():
    with pytest.raises(ValueError, match="multiples of 4, found 8 x 6 x 12"):
        VolumeUNet(3, base_channels=4)(torch.zeros(1, 3, 8, 6, 12))
