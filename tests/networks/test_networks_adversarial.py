import pytest
import torch

from stemedx.networks.adversarial import Discriminator, Generator


@pytest.fixture
def maps(rng):
    return torch.from_numpy(rng.random((2, 3, 16, 24), "float32"))


def test_maps_keep_their_shape_and_stay_between_0_and_1(maps):
    made = Generator(3, base_channels=4, n_levels=3)(40 * maps)
    assert made.shape == maps.shape
    assert made.min() >= 0 and made.max() <= 1
    assert made.std() > 0.01


def test_channels_double_up_to_eight_times():
    network = Generator(3, base_channels=2, n_levels=6)
    assert [block[0].out_channels for block in network.down] == [2, 4, 8, 16, 16, 16]
    assert [len(block) for block in network.down] == [1, 2, 2, 2, 2, 2]  # the first as it is


def test_it_drops_in_training_only(maps):
    network = Generator(3, base_channels=4, n_levels=3)
    assert not torch.equal(network(maps), network(maps))
    network.eval()
    assert torch.equal(network(maps), network(maps))


def test_every_layer_takes_part(maps):
    network = Generator(3, base_channels=4, n_levels=3).eval()
    network(maps).square().sum().backward()
    for name, weights in network.named_parameters():
        assert weights.grad is not None and weights.grad.abs().sum() > 0, name


@pytest.mark.parametrize("extent", [(16, 20), (12, 24)])
def test_an_extent_that_cannot_be_halved_is_refused(extent):
    with pytest.raises(ValueError, match=f"multiples of 8, found {extent[0]} x {extent[1]}"):
        Generator(3, base_channels=4, n_levels=3)(torch.zeros(1, 3, *extent))


def test_a_map_of_which_one_pixel_is_left_is_refused():
    with pytest.raises(ValueError, match="larger than 8 x 8 pixels, of which 3 halvings"):
        Generator(3, base_channels=4, n_levels=3)(torch.zeros(1, 3, 8, 8))


def test_the_discriminator_judges_places_by_what_is_near(maps):
    network = Discriminator(3, base_channels=4)
    judged = network(maps, maps)
    assert judged.shape == (2, 1, 2, 3)
    assert not torch.allclose(judged, network(maps.flip(0), maps))
    assert not torch.allclose(judged, network(maps, maps.flip(0)))


def test_the_full_discriminator_leaves_32_of_256_pixels():
    assert Discriminator(1, 2)(torch.zeros(1, 1, 256, 256), torch.zeros(1, 1, 256, 256)).shape == (
        1, 1, 32, 32,
    )  # fmt: skip
