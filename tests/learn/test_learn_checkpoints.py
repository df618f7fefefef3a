import numpy as np
import pytest
import torch
from torch import nn

from stemedx.learn import checkpoints
from stemedx.learn.checkpoints import Checkpoint
from stemedx.learn.training import fit, seeded

MADE_BY = {"stage": "train_line", "parameters": {"range": (1, 2)}}
N_STEPS = 60


class KilledError(Exception):
    pass


@pytest.fixture(autouse=True)
def after_each_update(monkeypatch):
    monkeypatch.setattr(checkpoints, "SECONDS_BETWEEN", 0.0)


def train(path, *, killed_at=N_STEPS, made_by=MADE_BY):
    """Train a network that drops out and draws its data by lot; kill it before an update."""
    with seeded(5):
        network = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.2), nn.Linear(8, 1))
        rng = np.random.default_rng(7)
        optimiser = torch.optim.AdamW(network.parameters(), lr=0.02)
        draws = []

        def draw_loss():
            draws.append(len(draws))
            if draws[-1] == killed_at:
                raise KilledError
            x = torch.from_numpy(rng.normal(size=(4, 2)).astype(np.float32))
            return (network(x) - x.prod(1, keepdim=True)).square().mean()

        def held_out_losses():
            with torch.no_grad():
                value = network[2](network[0](torch.ones(1, 2))).item()
            return [value, -value, 0.1 * value]  # never a significant rise

        more = {"held_out_losses": held_out_losses, "checkpoint": Checkpoint(path, made_by, rng)}
        table = fit(network, draw_loss, optimiser, N_STEPS, **more)
    return network.state_dict(), table, len(draws)


def test_a_training_killed_twice_ends_with_the_same_bits(tmp_path, rng):
    weights, table, _ = train(tmp_path / "whole")
    path = tmp_path / "kept" / "some.safetensors"
    first, second = rng.integers(1, N_STEPS // 2, 2)
    for killed_at in (first, second):
        with pytest.raises(KilledError):
            train(path, killed_at=killed_at)
    again, table_again, n_draws = train(path)
    assert n_draws == N_STEPS - first - second
    assert table_again.equals(table)
    assert all(torch.equal(weights[name], again[name]) for name in weights)


def test_other_settings_start_anew(tmp_path):
    path = tmp_path / "some.safetensors"
    with pytest.raises(KilledError):
        train(path, killed_at=20)
    assert train(path, made_by={**MADE_BY, "parameters": {}})[2] == N_STEPS


def test_a_file_that_is_none_of_ours_is_not_read(tmp_path):
    path = tmp_path / "some.safetensors"
    path.write_bytes(b"half a file")
    assert train(path)[2] == N_STEPS


def test_what_is_removed_leaves_no_folder_but_those_of_others(tmp_path, rng):
    one, other = (
        Checkpoint(tmp_path / "kept" / f"{name}.safetensors", MADE_BY, rng) for name in "ab"
    )
    for checkpoint in (one, other):
        train(checkpoint.path)
    one.remove()
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["b.safetensors"]
    other.remove()
    assert not (tmp_path / "kept").exists()
    other.remove()


def test_time_passes_between_two_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "SECONDS_BETWEEN", 3600.0)
    with pytest.raises(KilledError):
        train(tmp_path / "some.safetensors", killed_at=30)
    assert not any(tmp_path.iterdir())


def test_what_has_ended_is_kept_until_it_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "SECONDS_BETWEEN", 3600.0)
    path = tmp_path / "some.safetensors"
    weights, table, _ = train(path)
    again, table_again, n_draws = train(path)
    assert n_draws == 0
    assert table_again.equals(table)
    assert all(torch.equal(weights[name], again[name]) for name in weights)


def test_parts_are_files_of_their_own_and_go_with_the_whole(tmp_path, rng):
    whole = Checkpoint(tmp_path / "kernel.safetensors", MADE_BY, rng)
    train(whole.part("Se").part("regression").path)
    train(tmp_path / "other.safetensors")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["kernel.Se.regression.safetensors", "other.safetensors"]
    whole.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["other.safetensors"]
