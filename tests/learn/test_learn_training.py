import numpy as np
import pytest
import torch
from torch import nn

from stemedx.learn.training import fit, n_updates, seeded
from stemedx.params import TrainParams


def make_line():
    with seeded(5):
        return nn.Linear(1, 1)


def fit_line(learning_rate=0.1, n_steps=60, **more):
    network = make_line()
    x = torch.tensor([[1.0], [2.0], [4.0]])

    def draw_loss():
        return (network(x) - (3 * x - 1)).square().mean()

    optimiser = torch.optim.Adam(network.parameters(), lr=learning_rate)
    return network, fit(network, draw_loss, optimiser, n_steps, **more)


def test_the_first_weights_depend_on_the_seed_alone():
    state = torch.get_rng_state()
    first, second = make_line(), make_line()
    assert torch.equal(first.weight, second.weight)
    assert torch.equal(torch.get_rng_state(), state)
    with seeded(6):
        other = nn.Linear(1, 1)
    assert not torch.equal(first.weight, other.weight)


def test_the_table_tells_mean_losses_up_to_the_last_update():
    network, table = fit_line(n_steps=60)
    assert list(table) == ["step", "loss"]
    assert table["step"].tolist() == [*range(3, 61, 3)]
    assert table["loss"].iloc[-1] < 0.1 * table["loss"].iloc[0]
    assert not network.training


def test_a_held_out_loss_has_its_column():
    values = iter(np.linspace(3, 1, 7))
    _, table = fit_line(n_steps=7, held_out_losses=lambda: [next(values)])
    assert table["step"].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert table["held_out_loss"].tolist() == np.linspace(3, 1, 7).tolist()


def test_the_step_size_falls_to_zero():
    _, long = fit_line(n_steps=40)
    assert abs(long["loss"].diff().iloc[-1]) < 0.1 * abs(long["loss"].diff().iloc[1])


def test_a_loss_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match=r"expected a finite loss, found .* Lower learning_rate"):
        fit_line(learning_rate=float("inf"))


@pytest.mark.parametrize(("crop_px", "expected"), [(16, 49), (64, 26)])
def test_an_epoch_sees_each_pixel_once_on_average(crop_px, expected):
    params = TrainParams(n_epochs=4, batch=2, crop_px=crop_px)
    # 4 x 13 maps of 20 x 24 pixels, two patches at a time: of 16 x 16, or whole
    assert n_updates(params, (3, 13, 20, 24)) == expected


def fit_watched(held_out):
    """Train for as many updates as there are rows; return the first weights of each update."""
    network = make_line()
    seen = []

    def draw_loss():
        seen.append(network.weight.item())
        return (network(torch.ones(1, 1)) - 3).square().mean()

    losses = iter(held_out)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01)
    table = fit(network, draw_loss, optimiser, len(held_out), held_out_losses=lambda: next(losses))
    return network.weight.item(), seen, table


def test_training_ends_where_data_set_apart_are_predicted_clearly_worse():
    rising = [[5.0, 4.0, 6.0], [4.0, 3.0, 5.2], [4.0, 3.1, 5.1], [4.5, 3.51, 5.71], [0.0, 0.0, 0.0]]
    weight, seen, table = fit_watched(rising)
    assert len(table) == 4
    # the third draw sees what two updates made, and these did best
    assert weight == seen[2]


def test_weights_that_end_up_somewhat_worse_than_the_luckiest_row_are_kept():
    weight, seen, table = fit_watched([[5.0, 4.0, 6.0], [4.0, 3.0, 5.0], [4.5, 3.2, 5.9]])
    assert len(table) == 3  # the last is worse by 2.6 standard errors
    assert weight not in seen


def test_training_goes_on_where_the_rise_is_within_its_error():
    scattered = [[4.0, 3.0, 5.0], [7.0, 3.1, 4.9], [4.1, 5.0, 5.0], [4.9, 2.0, 5.2]]
    weight, seen, table = fit_watched(scattered)
    assert len(table) == 4
    assert weight not in seen
