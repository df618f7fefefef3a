"""Q^D as published: single maps made like the output of CNN-based kernels."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from stemedx.arrays import (
    ElementImages,
    ElementMaps,
    ElementRates,
    FrameMaps,
    Layers,
    MeasuredMaps,
    Rates,
)
from stemedx.learn.adversarial import Pair, apply
from stemedx.learn.bootstraps import draw_frames
from stemedx.learn.checkpoints import Checkpoint
from stemedx.learn.kernels import apply_kernels, train_kernels
from stemedx.params import TrainKernelParams

N_FRAMES = 15  # into which the photons of a map are shared out where it has none
TINY = 1e-20  # keeps an empty map from being divided by zero


class Labelled(NamedTuple):
    """A map, and the rate that a kernel made of it.

    Attributes
    ----------
    counts, rates
        ``(element, y, x)`` photons, and those expected.
    """

    counts: ElementImages
    rates: ElementRates


def of_frames(frames: FrameMaps, rates: ElementRates, n_summed: int) -> list[Labelled]:
    """Return the sums of frames that follow each other, each with its rate.

    Parameters
    ----------
    frames
        ``(element, frame, y, x)`` counts.
    rates
        ``(element, y, x)`` expected counts per frame.
    n_summed
        Frames in each sum.

    Raises
    ------
    ValueError
        If there are fewer frames.
    """
    n_frames = frames.shape[1]
    if n_frames < n_summed:
        raise ValueError(
            f"train_denoiser: expected maps of at least {n_summed} frames (n_summed_frames), found "
            f"{n_frames}. Lower train_denoiser.n_summed_frames."
        )
    sums = [
        frames[:, first : first + n_summed].sum(axis=1, dtype=np.uint32)
        for first in range(n_frames - n_summed + 1)
    ]
    return [Labelled(counts, n_summed * rates) for counts in sums]


def of_series(
    counts: ElementMaps,
    elements: Sequence[str],
    params: TrainKernelParams,
    *,
    device: torch.device,
    checkpoint: Checkpoint,
) -> list[Labelled]:
    """Return the maps of a tilt series, each with the rate of a kernel of its own photons.

    There are no frames: photons are shared out by lot to as many as the published
    maps had, from which the kernels learn as if they were measured.

    Parameters
    ----------
    counts
        ``(element, tilt, y, x)`` photons.
    elements
        Their symbols.
    params
        Of the kernels.
    device
        Where they are trained.
    checkpoint
        Each network has a part of it; its `rng` is the source of lots and patches.
    """
    rng = checkpoint.rng
    maps = [share_out(counts[:, tilt], rng) for tilt in range(counts.shape[1])]
    drawn = draw_frames(N_FRAMES, params, rng)
    kernels, _ = train_kernels(maps, elements, drawn, params, device=device, checkpoint=checkpoint)
    made = [apply_kernels(list(kernels.values()), one, drawn, params.label)[0] for one in maps]
    return [Labelled(counts[:, tilt], N_FRAMES * rates) for tilt, rates in enumerate(made)]


def share_out(counts: ElementImages, rng: np.random.Generator) -> FrameMaps:
    """Return frames ``(element, frame, y, x)`` that add up to `counts`, by lot."""
    left = counts.astype(np.int64)
    frames = []
    for n_left in range(N_FRAMES, 0, -1):
        frames.append(rng.binomial(left, 1 / n_left))
        left = left - frames[-1]
    return np.stack(frames, axis=1).astype(counts.dtype)


def units_of(labelled: Sequence[Labelled]) -> list[float]:
    """Return the largest rate of each element, which the network knows as 1."""
    largest = [one.rates.max(axis=(1, 2)) for one in labelled]
    return [float(value) or 1.0 for value in np.max(largest, axis=0)]


def to_pairs(labelled: Sequence[Labelled], units: Sequence[float]) -> list[Pair]:
    """Return maps and their rates from 0 to 1, as the network knows them."""
    scale = np.array(units, np.float32)[:, None, None]
    return [Pair(relative(one.counts), one.rates / scale) for one in labelled]


def relative(counts: ElementImages) -> Layers:
    """Return maps in units of their own largest value; hits stay as they are."""
    largest = counts.max(axis=(1, 2), keepdims=True)
    return (counts / np.maximum(largest, TINY)).astype(np.float32)


def predict(generator: nn.Module, maps: MeasuredMaps, units: Sequence[float], side: int) -> Rates:
    """Return expected photons per pixel, as many in each map as were measured.

    The network knows what a map looks like, not how many photons it has.

    Parameters
    ----------
    generator
        ``(patch, element, y, x)`` to the same shape, from 0 to 1.
    maps
        ``(element, tilt, y, x)`` photons.
    units
        From `units_of`.
    side
        Of the squares that the network has learned from, pixels.
    """
    rates = np.empty(maps.shape, np.float32)
    for tilt in range(maps.shape[1]):
        made = apply(generator, relative(maps[:, tilt]), side)
        rates[:, tilt] = made * np.array(units, np.float32)[:, None, None]
    found, made_of = (part.sum(axis=(2, 3), dtype=np.float64) for part in (maps, rates))
    gains = (found / np.maximum(made_of, TINY)).astype(np.float32)
    return rates * gains[:, :, None, None]
