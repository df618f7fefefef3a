"""The CNN-based kernel of Han et al.: one rate of many bootstraps of a map's frames."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import uniform_filter
from torch import nn
from torch.nn import functional

from stemedx.arrays import Image, Layers, PatchArray
from stemedx.learn.bootstraps import Bootstraps
from stemedx.learn.checkpoints import Checkpoint
from stemedx.learn.patches import to_patches
from stemedx.learn.training import fit, seeded
from stemedx.networks.aggregation import Aggregation
from stemedx.networks.tight_frame import N_LEVELS, TightFrameUNet
from stemedx.params import TrainKernelParams
from stemedx.tensors import Features, Scalar

FLIP_RIGHT, FLIP_DOWN, TURN = 0.4, 0.3, 0.3  # how often patches are mirrored and turned
MASK_PX = 9  # side of the box mean of the label from which the mask is made
MASK_THRESHOLD = 0.02  # of its largest value
HALVE_EVERY = 100  # epochs of the aggregation after which its step is halved
TINY = 1e-20  # keeps an empty map from being divided by zero


class Kernel(nn.Module):
    """The networks of one element.

    Parameters
    ----------
    n_channels
        Of the regression: the element's map, and those that help.
    n_bootstraps
        Predictions that are aggregated.
    base_channels
        Of the regression.
    """

    def __init__(self, n_channels: int, n_bootstraps: int, base_channels: int) -> None:
        super().__init__()
        self.n_channels = n_channels
        self.regression = TightFrameUNet(n_channels, base_channels)
        self.aggregation = Aggregation(n_bootstraps)


class Stack(NamedTuple):
    """Predictions of all bootstraps of one element, within its mask.

    Attributes
    ----------
    values
        ``(bootstrap, y, x)``, the largest is 1.
    mask
        ``(y, x)`` 1 where the label is bright, else 0.
    """

    values: PatchArray
    mask: Image


def channels_of(element: int, n_elements: int, is_helped: bool) -> list[int]:
    """Return the elements that the network of one sees, its own first."""
    others = [n for n in range(n_elements) if n != element]
    return [element, *(others if is_helped else [])]


def make_kernel(
    n_channels: int, n_bootstraps: int, params: TrainKernelParams, device: torch.device
) -> Kernel:
    """Return untrained networks."""
    with seeded(params.seed):
        kernel = Kernel(n_channels, n_bootstraps, params.base_channels)
    return kernel.to(device)


def train_regression(
    network: nn.Module,
    pairs: Bootstraps,
    params: TrainKernelParams,
    *,
    checkpoint: Checkpoint,
) -> pd.DataFrame:
    """Teach `network` in place to make the label of each bootstrap.

    Parameters
    ----------
    network
        ``(patch, channel, y, x)`` to ``(patch, 1, y, x)``.
    pairs
        The element first, then those that help it.
    params
        Epochs, patches, steps.
    checkpoint
        See `stemedx.learn.training.fit`; its `rng` is the source of the patches.

    Returns
    -------
    losses
        Columns ``step, loss``; see `stemedx.learn.training.fit`.
    """
    seen, labels, rng = pairs.seen, pairs.labels[:, :1], checkpoint.rng

    def draw_loss() -> Scalar:
        numbers = rng.permutation(len(seen))[: params.batch]
        drawn = [_draw(np.concatenate([seen[n], labels[n]]), params.crop_px, rng) for n in numbers]
        return _loss(network, np.stack(drawn))

    n_steps = -(-params.n_epochs * len(seen) // params.batch)
    optimiser = torch.optim.Adam(network.parameters(), lr=params.learning_rate)
    schedule = torch.optim.lr_scheduler.ConstantLR(optimiser, 1.0)
    return fit(network, draw_loss, optimiser, n_steps, schedule=schedule, checkpoint=checkpoint)


@torch.no_grad()
def predict(network: nn.Module, pairs: Bootstraps) -> PatchArray:
    """Return what `network` makes of each bootstrap, ``(bootstrap, 1, y, x)``.

    Counts per frame, as what it sees.
    """
    device = next(network.parameters()).device
    unit = max(float(pairs.labels[:, 0].max()), TINY)
    predicted = np.empty_like(pairs.seen[:, :1])
    for n, one in enumerate(pairs.seen):
        patch = to_patches(one[None] / unit, device)
        predicted[n] = unit * whole(network, patch)[0].cpu().numpy()
    return predicted


def whole(network: Callable[[Features], Features], maps: Features) -> Features:
    """Apply a network to maps of any extent: edges are repeated where it must be larger."""
    n_y, n_x = maps.shape[-2:]
    multiple = 2**N_LEVELS
    wider = functional.pad(maps, (0, -n_x % multiple, 0, -n_y % multiple), "replicate")
    return network(wider)[..., :n_y, :n_x]


def to_stack(predicted: PatchArray, label: Image) -> Stack:
    """Return predictions where the label is bright, in units of the largest.

    Parameters
    ----------
    predicted
        ``(bootstrap, 1, y, x)``.
    label
        ``(y, x)`` mean of all frames.
    """
    smoothed = uniform_filter(label.astype(np.float64), MASK_PX, mode="constant")
    mask = (smoothed > MASK_THRESHOLD * max(smoothed.max(), TINY)).astype(np.float32)
    values = predicted * mask
    return Stack(values / max(float(values.max()), TINY), mask)


def train_aggregation(
    network: Aggregation,
    stacks: Sequence[Stack],
    labels: Sequence[Image],
    params: TrainKernelParams,
    *,
    checkpoint: Checkpoint,
) -> pd.DataFrame:
    """Teach `network` in place to make the label of all predictions together.

    Its step is halved every hundred epochs; an epoch is one patch of every map.

    Parameters
    ----------
    network
        ``(patch, bootstrap, y, x)`` to ``(patch, 1, y, x)``.
    stacks
        From `to_stack`, one per map.
    labels
        ``(y, x)`` mean of all frames, one per map.
    params
        Epochs, patches, steps.
    checkpoint
        See `stemedx.learn.training.fit`; its `rng` is the source of the patches.

    Returns
    -------
    losses
        Columns ``step, loss``; see `stemedx.learn.training.fit`.
    """
    rng = checkpoint.rng

    def draw_loss() -> Scalar:
        number = int(rng.integers(len(stacks)))
        (values, mask), label = stacks[number], labels[number]
        scaled = (mask * label / max(float(label.max()), TINY)).astype(np.float32)
        layers = np.concatenate([values[:, 0], scaled[None]])
        return _loss(network, _draw(layers, params.crop_px, rng)[None])

    optimiser = torch.optim.Adam(network.parameters(), lr=params.aggregation_learning_rate)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, HALVE_EVERY * len(stacks), 0.5)
    n_steps = params.n_aggregation_epochs * len(stacks)
    return fit(network, draw_loss, optimiser, n_steps, schedule=schedule, checkpoint=checkpoint)


@torch.no_grad()
def aggregate(network: Aggregation, stack: Stack, label: Image) -> Image:
    """Return the rate of one element, ``(y, x)`` counts per frame >= 0.

    It holds the counts that the mean of all frames holds within the mask: neither
    network keeps the scale, the regression can only add.

    Parameters
    ----------
    network
        ``(patch, bootstrap, y, x)`` to ``(patch, 1, y, x)``.
    stack
        From `to_stack`.
    label
        ``(y, x)`` mean of all frames.

    Raises
    ------
    ValueError
        If nothing is left.
    """
    device = next(network.parameters()).device
    made = network(to_patches(stack.values.swapaxes(0, 1), device))[0, 0].cpu().numpy()
    rate = np.maximum(made, 0)
    wanted = float((stack.mask * label).sum(dtype=np.float64))
    found = float(rate.sum(dtype=np.float64))
    if wanted > 0 and found == 0:
        raise ValueError(
            "kernel: expected rates above 0, found none: the aggregation has not learned enough. "
            "Raise train_kernel.n_aggregation_epochs."
        )
    return (rate * (wanted / max(found, TINY))).astype(np.float32)


def _loss(network: nn.Module, drawn: PatchArray) -> Scalar:
    """Return the mean squared error of the label, the last channel of what was drawn.

    As published: in units of the largest value of the label.
    """
    device = next(network.parameters()).device
    patches = to_patches(drawn, device)  # (patch, channel + 1, y, x)
    unit = patches[:, -1:].amax((2, 3), keepdim=True)
    patches = patches / torch.where(unit > 0, unit, 1.0)
    return functional.mse_loss(network(patches[:, :-1]), patches[:, -1:])


def _draw(layers: Layers, crop_px: int, rng: np.random.Generator) -> Layers:
    """Cut one square out of all layers, mirror and turn it.

    Its side is the largest multiple of 16 that fits; smaller fields are mirrored at
    their edges first.
    """
    multiple = 2**N_LEVELS
    missing = [max(0, multiple - n) for n in layers.shape[1:]]
    wider = np.pad(layers, ((0, 0), *((0, n) for n in missing)), "symmetric")
    side = min(crop_px, *wider.shape[1:]) // multiple * multiple
    first_y, first_x = (int(rng.integers(n - side + 1)) for n in wider.shape[1:])
    patch = wider[:, first_y : first_y + side, first_x : first_x + side]
    for axis, often in ((2, FLIP_RIGHT), (1, FLIP_DOWN)):
        if rng.random() < often:
            patch = np.flip(patch, axis)
    return np.rot90(patch, axes=(1, 2)) if rng.random() < TURN else patch
