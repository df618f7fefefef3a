import numpy as np
import pandas as pd
import pytest
import torch

from stemedx.learn.end_to_end import Pair, doubts, level, make_network, predict_volumes, train
from stemedx.params import TrainEndToEndParams

PARAMS = TrainEndToEndParams(
    specimens=("a", "b"), base_channels=4, patch_px=16, n_epochs=60, learning_rate=3e-3, seed=7
)
CPU = torch.device("cpu")


@pytest.fixture
def pairs(rng):
    """Two specimens; what should be made of each is half of what is seen, shifted."""
    seen = [rng.random((2, 16, 20, 16), "float32") * scale for scale in (0.02, 50.0)]
    return [Pair(one, 0.5 * one) for one in seen]


def test_it_learns_at_any_scale_and_tells_the_loss_on_others(pairs, rng):
    network = make_network(2, PARAMS, CPU)
    table = train(network, pairs[:1], pairs[1:], PARAMS, rng=rng)
    assert list(table) == ["step", "loss", "held_out_loss"]
    assert table["step"].iloc[-1] == 60
    # the other specimen is 2500 times brighter, and as easy in units of its own level
    assert table["held_out_loss"].iloc[-1] < 0.3 * table["held_out_loss"].iloc[0]
    made = predict_volumes(network, pairs[1].seen, PARAMS.patch_px)
    error = np.abs(made - pairs[1].target).mean() / pairs[1].target.mean()
    assert error < np.abs(pairs[1].seen - pairs[1].target).mean() / pairs[1].target.mean() / 2


def test_an_epoch_shows_every_specimen_once(pairs, rng, monkeypatch):
    shown = []
    monkeypatch.setattr(
        "stemedx.learn.end_to_end.to_volume_patch",
        lambda part: shown.append(part.max()) or torch.from_numpy(np.ascontiguousarray(part))[None],
    )
    marked = [Pair(one.seen, np.full_like(one.seen, 1 + n)) for n, one in enumerate(pairs)]
    few = PARAMS.model_copy(update={"n_epochs": 3})
    table = train(make_network(2, PARAMS, CPU), marked, [], few, rng=rng)
    assert "held_out_loss" not in table
    assert table["step"].iloc[-1] == 6
    units = [float(level(one.seen)) for one in pairs]
    which = [0 if target > 1 / units[0] * 0.9 else 1 for target in shown[1::2]]
    assert [sorted(which[n : n + 2]) for n in (0, 2, 4)] == 3 * [[0, 1]]


def test_the_step_falls_to_a_tenth_after_the_first_epochs(pairs, rng, monkeypatch):
    used = {}
    monkeypatch.setattr(
        "stemedx.learn.end_to_end.fit",
        lambda *_, schedule, **__: used.update(schedule=schedule) or pd.DataFrame(),
    )
    train(make_network(2, PARAMS, CPU), pairs, [], PARAMS, rng=rng)
    assert dict(used["schedule"].milestones) == {2 * 100: 1}
    assert used["schedule"].gamma == 0.1


def test_twice_the_values_give_twice_the_volumes(pairs):
    network = make_network(2, PARAMS, CPU)
    once = predict_volumes(network, pairs[0].seen, 16)
    np.testing.assert_allclose(predict_volumes(network, 2 * pairs[0].seen, 16), 2 * once, rtol=1e-4)
    assert once.min() >= 0


def test_an_empty_volume_gives_finite_values():
    made = predict_volumes(make_network(2, PARAMS, CPU), np.zeros((2, 16, 8, 16), np.float32), 16)
    assert np.isfinite(made).all()


def test_the_same_seed_gives_the_same_weights():
    first, second = (make_network(2, PARAMS, CPU).last.weight for _ in range(2))
    assert torch.equal(first, second)
    other = make_network(2, PARAMS.model_copy(update={"seed": 8}), CPU).last.weight
    assert not torch.equal(first, other)


def test_other_tilts_or_pixels_than_were_learned_from_are_told():
    known = {"trained_on": [{"tilt_deg": [-50.0, 0.0, 50.0], "pixel_nm": 0.2}]}
    assert doubts(known, [-40.0, 5.0, 50.0], 0.3) == []
    assert doubts(known, [-40.0, 50.0], 0.7) == [
        "it has 2 tilts, those it was trained on 3",
        "its pixels are 0.7 nm, those it was trained on 0.2",
    ]
