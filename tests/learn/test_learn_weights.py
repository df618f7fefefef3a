import json

import pytest
import safetensors
import torch
from safetensors.torch import save_file

from stemedx.learn.training import seeded
from stemedx.learn.weights import read_architecture, read_weights, start_from, write_weights
from stemedx.networks.denoiser import Denoiser
from stemedx.networks.enhancer import Enhancer

ARCHITECTURE = {"network": "enhancer", "elements": ["Se", "S"], "base_channels": 4}


def make_enhancer(base_channels=4):
    with seeded(1):
        return Enhancer(2, base_channels, n_levels=2)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "networks" / "enhancer.safetensors"
    write_weights(path, make_enhancer(), ARCHITECTURE, {"stage": "train_enhancer"})
    return path


def test_weights_come_back_as_they_were(path):
    network = Enhancer(2, 4, n_levels=2)
    read_weights(path, network)
    for name, value in make_enhancer().state_dict().items():
        assert torch.equal(network.state_dict()[name], value), name
    assert not network.training


def test_the_file_tells_what_it_is_and_how_it_was_made(path):
    assert read_architecture(path, "enhancer", ["Se", "S"]) == ARCHITECTURE
    with safetensors.safe_open(path, "pt") as stored:
        told = json.loads(stored.metadata()["stemedx"])
    assert told["made_by"] == {"stage": "train_enhancer"}
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_same_weights_are_the_same_bytes(path, tmp_path):
    again = tmp_path / "again.safetensors"
    write_weights(again, make_enhancer(), ARCHITECTURE, {"stage": "train_enhancer"})
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("network", "elements", "found"),
    [
        ("denoiser", ["Se", "S"], "denoiser of Se, S, found the enhancer of Se, S"),
        ("enhancer", ["S", "Se"], "enhancer of S, Se, found the enhancer of Se, S"),
    ],
)
def test_weights_of_another_network_or_elements_are_refused(path, network, elements, found):
    with pytest.raises(ValueError, match=rf"{found}. .*stage train_{network} again"):
        read_architecture(path, network, elements)


def test_weights_of_another_architecture_are_refused(path):
    with pytest.raises(ValueError, match=r"expected weights that fit .* train_enhancer again"):
        read_weights(path, make_enhancer(base_channels=8))


@pytest.mark.parametrize("kind", ["absent", "truncated", "foreign"])
def test_a_file_without_our_metadata_is_refused(path, kind):
    if kind == "absent":
        path.unlink()
    elif kind == "truncated":
        path.write_bytes(path.read_bytes()[:40])
    else:
        save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match=r"enhancer.safetensors: expected weights with their"):
        read_architecture(path, "enhancer", ["Se", "S"])


def test_a_network_starts_from_what_was_learned_and_keeps_the_rest(tmp_path):
    path = tmp_path / "denoiser.safetensors"
    architecture = {"network": "denoiser", "elements": ["Se", "S"], "n_guides": 0}
    with seeded(1):
        earlier = Denoiser([1.0, 2.0], 4, 2)
    write_weights(path, earlier, architecture, {})
    network = Denoiser([0.1, 0.2], 4, 2)
    start_from(path, network, architecture | {"specimens": ["other"]})
    for name, value in network.named_parameters():
        assert torch.equal(value, earlier.get_parameter(name)), name
    assert network.typical_rates.flatten().tolist() == pytest.approx([0.1, 0.2])


def test_nothing_to_start_from_changes_nothing():
    network, before = make_enhancer(), make_enhancer().state_dict()
    start_from(None, network, ARCHITECTURE)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("changes", "found"),
    [({"elements": ["S", "Se"]}, "'Se', 'S'"), ({"base_channels": 8}, "base_channels 4")],
)
def test_weights_of_another_network_are_refused_as_a_start(path, changes, found):
    with pytest.raises(ValueError, match=rf"found .*{found}.*train_enhancer.start") as refused:
        start_from(path, make_enhancer(), ARCHITECTURE | changes)
    assert "\n" not in str(refused.value)


def test_a_file_that_holds_no_weights_is_refused_as_a_start(tmp_path):
    path = tmp_path / "none.safetensors"
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"expected weights to start from, .* network None"):
        start_from(path, make_enhancer(), ARCHITECTURE)
