"""The CNN-based kernels of all elements of a map, or of many maps alike."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import nn

from stemedx.arrays import ElementRates, FrameMaps, Image
from stemedx.learn.bootstraps import BOOTSTRAPS, Bootstraps, Drawn
from stemedx.learn.checkpoints import Checkpoint
from stemedx.learn.kernel import (
    Kernel,
    Stack,
    aggregate,
    channels_of,
    make_kernel,
    predict,
    to_stack,
    train_aggregation,
    train_regression,
)
from stemedx.params import TrainKernelParams


def train_kernels(
    maps: Sequence[FrameMaps],
    elements: Sequence[str],
    drawn: Drawn,
    params: TrainKernelParams,
    *,
    device: torch.device,
    checkpoint: Checkpoint,
) -> tuple[dict[str, Kernel], pd.DataFrame]:
    """Train the networks of each element on the frames of all maps.

    Parameters
    ----------
    maps
        ``(element, frame, y, x)`` counts of each map; all have as many frames and the
        same extent.
    elements
        Their symbols.
    drawn
        The frames of each bootstrap, from `draw_frames`.
    params
        Of the training.
    device
        Where.
    checkpoint
        Each network has a part of it; its `rng` is the source of the patches.

    Returns
    -------
    kernels
        A `Kernel` by element.
    losses
        Columns ``step`` and, for each network, one that names it.
    """
    pairs = [BOOTSTRAPS[params.label](frames, drawn) for frames in maps]
    kernels, tables = {}, []
    for number, element in enumerate(elements):
        channels = channels_of(number, len(elements), element in params.helped)
        kernels[element] = make_kernel(len(channels), len(drawn), params, device)
        tables += _train(
            kernels[element],
            [only(pair, channels) for pair in pairs],
            [mean_of(frames, number) for frames in maps],
            params,
            named=f"loss of {element}",
            checkpoint=checkpoint.part(element),
        )
    return kernels, pd.concat(tables, axis=1).sort_index().reset_index(names="step")


def _train(
    kernel: Kernel,
    pairs: Sequence[Bootstraps],
    labels: Sequence[Image],
    params: TrainKernelParams,
    *,
    named: str,
    checkpoint: Checkpoint,
) -> list[pd.Series]:
    """Train the networks of one element, one after the other; return their losses."""
    joined = Bootstraps(*(np.concatenate(part) for part in zip(*pairs, strict=True)))
    regression = train_regression(
        kernel.regression, joined, params, checkpoint=checkpoint.part("regression")
    )
    stacks = [
        to_stack(predict(kernel.regression, pair), label)
        for pair, label in zip(pairs, labels, strict=True)
    ]
    aggregation = train_aggregation(
        kernel.aggregation, stacks, labels, params, checkpoint=checkpoint.part("aggregation")
    )
    tables = {named: regression, f"{named}, aggregation": aggregation}
    return [table.set_index("step")["loss"].rename(name) for name, table in tables.items()]


def apply_kernels(
    kernels: Sequence[Kernel], frames: FrameMaps, drawn: Drawn, label: str
) -> tuple[ElementRates, list[Stack]]:
    """Return the rates of all elements of a map, and the predictions that they are made of.

    Parameters
    ----------
    kernels
        One per element.
    frames
        ``(element, frame, y, x)`` counts.
    drawn
        The frames of each bootstrap.
    label
        Of the training.

    Returns
    -------
    rates
        ``(element, y, x)`` counts per frame >= 0.
    stacks
        One per element.
    """
    pairs = BOOTSTRAPS[label](frames, drawn)
    rates, stacks = [], []
    for number, kernel in enumerate(kernels):
        channels = channels_of(number, len(kernels), kernel.n_channels > 1)
        stack = to_stack(predict(kernel.regression, only(pairs, channels)), mean_of(frames, number))
        rates.append(aggregate(kernel.aggregation, stack, mean_of(frames, number)))
        stacks.append(stack)
    return np.stack(rates), stacks


def as_module(kernels: dict[str, Kernel]) -> nn.ModuleDict:
    """Return the networks of all elements as one."""
    return nn.ModuleDict(kernels)


def only(pairs: Bootstraps, channels: list[int]) -> Bootstraps:
    """Return the bootstraps of some elements."""
    return Bootstraps(pairs.seen[:, channels], pairs.labels[:, channels])


def mean_of(frames: FrameMaps, number: int) -> np.ndarray:
    """Return the mean over the frames of one element, ``(y, x)``."""
    return frames[number].mean(axis=0, dtype=np.float32)
