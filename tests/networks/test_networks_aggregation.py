import pytest
import torch

from stemedx.networks.aggregation import Aggregation


@pytest.fixture
def predictions(rng):
    return torch.from_numpy(rng.random((2, 5, 9, 14), "float32"))


@pytest.fixture
def network():
    network = Aggregation(5, n_hidden=7)
    for layer in network.layers:
        torch.nn.init.normal_(layer.weight)
    return network


def test_equal_weights_give_the_smoothed_mean(predictions):
    network = Aggregation(5, n_hidden=7)
    for layer in network.layers:
        torch.nn.init.zeros_(layer.weight)
    torch.nn.init.constant_(network.layers[-1].bias, 0.2)
    found = network(predictions)
    assert found.shape == (2, 1, 9, 14)
    mean = predictions.mean(1)
    expected = mean[1, 3:6, 7:10].mean()
    torch.testing.assert_close(found[1, 0, 4, 8], expected)
    torch.testing.assert_close(found[1, 0, 0, 0], mean[1, :2, :2].mean())  # at a corner


def test_the_weights_depend_linearly_on_the_means_alone(predictions, network):
    """So the whole is of the second order, but for the biases, which are 0 here."""
    torch.testing.assert_close(network(3 * predictions), 9 * network(predictions))
    shuffled = predictions.flip(-1)
    torch.testing.assert_close(network(shuffled), network(predictions).flip(-1))
