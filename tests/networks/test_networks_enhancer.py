import pytest
import torch

from stemedx.networks.enhancer import Enhancer, level


@pytest.fixture
def maps(rng):
    return torch.from_numpy(rng.random((2, 3, 9, 14), "float32"))


@pytest.fixture
def trained():
    network = Enhancer(3, base_channels=4, n_levels=2)
    torch.nn.init.constant_(network.unet.last.weight, 0.2)
    return network


def test_before_training_it_is_the_identity(maps):
    assert torch.equal(Enhancer(3, base_channels=4, n_levels=2)(maps), maps)


def test_twice_the_rate_of_one_element_gives_twice_of_it_only(maps, trained):
    brighter = maps * torch.tensor([1.0, 5.0, 1.0])[:, None, None]
    before, after = trained(maps), trained(brighter)
    assert not torch.equal(before, maps)
    torch.testing.assert_close(after[:, 1], 5 * before[:, 1])
    torch.testing.assert_close(after[:, [0, 2]], before[:, [0, 2]])


def test_an_empty_map_stays_empty(maps, trained):
    maps[:, 2] = 0
    assert not trained(maps)[:, 2].any()


def test_the_level_is_that_of_the_particle_and_not_of_the_vacuum():
    maps = torch.zeros(1, 2, 20, 30)
    maps[0, 0, 3:7, 8:15] = 0.6
    levels = level(maps)
    assert levels.shape == (1, 2, 1, 1)
    assert levels.flatten().tolist() == pytest.approx([0.6, 0.0])
