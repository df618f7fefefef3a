import numpy as np
import pytest
import torch

from stemedx.learn.bootstraps import Bootstraps, bootstraps_for_other_frames, draw_frames
from stemedx.learn.checkpoints import Checkpoint
from stemedx.learn.kernel import (
    aggregate,
    channels_of,
    make_kernel,
    predict,
    to_stack,
    train_aggregation,
    train_regression,
    whole,
)
from stemedx.params import TrainKernelParams

CPU = torch.device("cpu")
PARAMS = TrainKernelParams(
    n_drawn=3, n_bootstraps=5, base_channels=4, n_epochs=40, batch=5, crop_px=32, seed=3
)


@pytest.fixture
def truth():
    y, x = np.mgrid[:35, :50]
    return 0.3 * np.exp(-((y - 14) ** 2 + (x - 31) ** 2) / 60).astype(np.float32)


@pytest.fixture
def pairs(truth, rng):
    frames = rng.poisson(np.stack([[truth] * 6, [2 * truth] * 6])).astype(np.uint8)
    return bootstraps_for_other_frames(frames, draw_frames(6, PARAMS, rng))


def test_each_element_comes_first_and_is_helped_by_all_others():
    assert channels_of(1, 3, is_helped=True) == [1, 0, 2]
    assert channels_of(1, 3, is_helped=False) == [1]


@pytest.fixture
def kept(tmp_path, rng):
    return Checkpoint(tmp_path / "kept.safetensors", {}, rng)


def test_the_regression_learns_and_adds_to_what_it_sees(pairs, kept):
    kernel = make_kernel(2, 5, PARAMS, CPU)
    table = train_regression(kernel.regression, pairs, PARAMS, checkpoint=kept)
    assert table["step"].iloc[-1] == 40
    # what is left is the noise of the other frames
    assert table["loss"].iloc[-5:].mean() < 0.9 * table["loss"].iloc[0]
    predicted = predict(kernel.regression, pairs)
    assert predicted.shape == (5, 1, 35, 50)
    assert (predicted >= pairs.seen[:, :1] * (1 - 1e-5)).all()
    assert (predicted > pairs.seen[:, :1] + 1e-3).any()


def test_twice_the_counts_are_predicted_as_twice_the_rate(pairs):
    network = make_kernel(2, 5, PARAMS, CPU).regression
    once = predict(network, pairs)
    twice = predict(network, Bootstraps(2 * pairs.seen, 2 * pairs.labels))
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-4)


def test_maps_of_any_extent_are_made_larger_by_their_edges():
    seen = []

    def note(maps):
        seen.append(maps)
        return maps[:, :1]

    maps = torch.arange(35 * 50.0).reshape(1, 1, 35, 50)
    assert torch.equal(whole(note, maps), maps)
    assert seen[0].shape == (1, 1, 48, 64)
    assert (seen[0][0, 0, 35:, :50] == maps[0, 0, 34]).all()


def test_the_mask_holds_what_is_bright_and_the_largest_prediction_is_1(truth, rng):
    predicted = (truth + rng.random((5, 1, 35, 50))).astype(np.float32)
    stack = to_stack(predicted, truth)
    assert stack.values.max() == 1
    assert stack.mask[14, 31] == 1 and stack.mask[34, 0] == 0
    assert not stack.values[:, 0, stack.mask == 0].any()
    # 2 % of the Gaussian is reached 15 pixels from its middle; the box of 9 blurs that
    assert stack.mask[14].sum() == pytest.approx(2 * 16, abs=4)


def test_the_aggregation_finds_the_mean_and_keeps_the_counts(truth, kept):
    flat = np.stack(5 * [truth[None]])
    stack = to_stack(flat, truth)
    kernel = make_kernel(1, 5, PARAMS, CPU)
    params = PARAMS.model_copy(
        update={"n_aggregation_epochs": 300, "aggregation_learning_rate": 3e-3}
    )
    table = train_aggregation(kernel.aggregation, [stack], [truth], params, checkpoint=kept)
    assert table["loss"].iloc[-1] < 0.05 * table["loss"].iloc[0]
    rate = aggregate(kernel.aggregation, stack, truth)
    assert rate.sum() == pytest.approx((truth * stack.mask).sum(), rel=1e-4)
    assert np.corrcoef(rate.ravel(), truth.ravel())[0, 1] > 0.99


def test_an_aggregation_that_makes_nothing_is_refused(truth):
    kernel = make_kernel(1, 5, PARAMS, CPU)
    torch.nn.init.constant_(kernel.aggregation.layers[-1].bias, -1.0)
    with pytest.raises(ValueError, match="the aggregation has not learned enough"):
        aggregate(kernel.aggregation, to_stack(np.stack(5 * [truth[None]]), truth), truth)


def test_an_empty_element_stays_empty(truth):
    kernel = make_kernel(1, 5, PARAMS, CPU)
    nothing = np.zeros_like(truth)
    stack = to_stack(np.stack(5 * [nothing[None]]), nothing)
    assert not aggregate(kernel.aggregation, stack, nothing).any()
