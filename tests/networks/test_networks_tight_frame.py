import pytest
import torch

from stemedx.networks.tight_frame import BASIS, TightFrameUNet, decompose, recompose


@pytest.fixture
def maps(rng):
    return torch.from_numpy(rng.random((2, 3, 16, 48), "float32"))


@pytest.fixture
def basis():
    return torch.tensor(BASIS)[:, None]


def test_the_bands_add_up_to_the_map(maps, basis):
    bands = decompose(maps, basis)
    assert bands.low.shape == (2, 3, 8, 24)
    torch.testing.assert_close(sum(recompose(bands, basis)), maps)


def test_the_bands_keep_the_energy(maps, basis):
    bands = decompose(maps, basis)
    energy = sum(band.square().sum() for band in (bands.low, *bands.high))
    torch.testing.assert_close(energy, maps.square().sum())


def test_nothing_is_taken_from_the_first_channel_only(maps):
    network = TightFrameUNet(3, base_channels=4)
    with torch.no_grad():
        network.last.weight.copy_(torch.tensor([5.0, -5.0, 5.0, -5.0]).view(1, 4, 1, 1))
    added = network(maps) - maps[:, :1]
    assert added.shape == (2, 1, 16, 48)
    assert added.min() >= -1e-6  # rounding of the sum
    assert (added > 0.1).any() and (added < 1e-6).any()


def test_it_sees_the_statistics_of_the_map_also_when_applied(maps):
    """As published: instance normalisation of one map, no averages of the training."""
    network = TightFrameUNet(3, base_channels=4).eval()
    assert not list(network.buffers(recurse=True))[1:]  # the basis only
    before = network(maps)
    brighter = torch.cat([maps[:1], 9 * maps[1:]])
    assert not torch.allclose(network(brighter)[0], before[0])


def test_every_level_and_band_takes_part(maps):
    network = TightFrameUNet(3, base_channels=4)
    torch.nn.init.normal_(network.last.weight, std=5.0)
    network(maps).square().sum().backward()
    for name, weights in network.named_parameters():
        assert weights.grad is not None, name
        # normalisation takes a constant away again
        assert name.endswith("0.bias") or weights.grad.abs().sum() > 0, name


def test_an_extent_that_cannot_be_halved_four_times_is_refused():
    with pytest.raises(ValueError, match="multiples of 16, found 24 x 32"):
        TightFrameUNet(1, base_channels=4)(torch.zeros(1, 1, 24, 32))
