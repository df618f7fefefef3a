import numpy as np
import pytest
import torch

from stemedx.learn.adversarial import Pair, apply, cut, make_networks, train_adversarial, wider_by
from stemedx.params import TrainDenoiserParams

CPU = torch.device("cpu")
PARAMS = TrainDenoiserParams(
    method="paper", n_epochs=60, batch=2, base_channels=4, n_levels=3, crop_px=16, seed=5,
    learning_rate=2e-3,
)  # fmt: skip


@pytest.fixture
def pair(rng):
    y, x = np.mgrid[:16, :16]
    target = np.exp(-((y - 5) ** 2 + (x - 9) ** 2) / 20).astype(np.float32)[None]
    return Pair((rng.random((1, 16, 16)) < target).astype(np.float32), target)


def test_both_networks_learn(pair, rng):
    networks = make_networks(1, PARAMS, CPU)
    before = {name: value.clone() for name, value in networks.state_dict().items()}
    error = np.square(apply(networks["generator"].eval(), pair.seen, 16) - pair.target).mean()
    table = train_adversarial(networks, [pair] * 2, PARAMS, rng=rng)
    assert table["step"].iloc[-1] == 60
    after = np.square(apply(networks["generator"], pair.seen, 16) - pair.target).mean()
    assert after < 0.3 * error
    moved = {
        n.split(".")[0] for n, v in networks.state_dict().items() if not torch.equal(v, before[n])
    }
    assert moved == {"generator", "discriminator"}


def test_the_generator_follows_the_discriminator_which_learns_from_its_own_loss_alone(pair):
    after = []
    for weight in (0.0, 50.0):
        params = PARAMS.model_copy(update={"adversarial_weight": weight, "n_epochs": 1})
        networks = make_networks(1, params, CPU)
        train_adversarial(networks, [pair], params, rng=np.random.default_rng(3))
        after.append(networks)
    same = {
        part: all(map(torch.equal, *(networks[part].parameters() for networks in after)))
        for part in ("generator", "discriminator")
    }
    assert same == {"generator": False, "discriminator": True}


@pytest.mark.parametrize(
    ("name", "value"), [("adversarial_weight", 50.0), ("kernel_penalty", 50.0)]
)
def test_every_part_of_the_loss_takes_part(pair, rng, name, value):
    first = {}
    for weight in (0.0, value):
        params = PARAMS.model_copy(update={name: weight, "n_epochs": 1, "batch": 1})
        table = train_adversarial(make_networks(1, params, CPU), [pair], params, rng=rng)
        first[weight] = table["loss"].iloc[0]
    assert first[value] > first[0.0] + 0.5


def test_the_same_square_of_both_parts_is_cut_without_interpolation(rng):
    seen = rng.integers(0, 9, (2, 20, 14)).astype(np.float32)
    shapes = set()
    for _ in range(20):
        drawn = cut(Pair(seen, 10 * seen[:1]), 16, rng)
        assert set(np.unique(drawn.seen)) <= set(range(9))
        np.testing.assert_array_equal(drawn.target, 10 * drawn.seen[:1])
        shapes.add((drawn.seen.shape, drawn.target.shape))
    assert shapes == {((2, 16, 16), (1, 16, 16))}


def test_edges_are_mirrored_outwards():
    row = np.arange(5, dtype=np.float32)[None, None]
    assert wider_by(row, 8, 1)[0, 3].tolist() == [0, 0, 1, 2, 3, 4, 4, 3]
    assert wider_by(row, 4, 1)[0, 0].tolist() == [0, 0, 1, 2, 3, 4, 4]


@pytest.mark.parametrize("extent", [(9, 14), (16, 16), (23, 40)])
def test_maps_of_any_extent_come_back_in_their_place(rng, extent):
    maps = rng.random((2, *extent), "float32")
    sides = []

    class Same(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, patches):
            sides.append(tuple(patches.shape[2:]))
            return patches

    np.testing.assert_allclose(apply(Same(), maps, 16), maps, rtol=1e-6)
    assert set(sides) == {(16, 16)}  # only squares that it has learned from


def test_a_side_that_cannot_be_halved_is_refused():
    for side in (24, 16):
        with pytest.raises(ValueError, match="crop_px must be a multiple of 16 above it, found"):
            TrainDenoiserParams(method="paper", n_levels=4, crop_px=side)
