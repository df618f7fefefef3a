"""T: from the limited-angle FBP of denoised maps straight to the two-step volumes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from stemedx.arrays import Volumes
from stemedx.learn.boxes import Box, draw_box, middle_box, over_boxes, to_volume_patch
from stemedx.learn.checkpoints import Checkpoint
from stemedx.learn.training import fit, seeded
from stemedx.learn.weights import read_architecture, read_weights
from stemedx.networks.volume_unet import VolumeUNet
from stemedx.params import TrainEndToEndParams
from stemedx.tensors import Scalar, VolumePatches

LATER_STEP = 0.1  # factor on the size of a step once the first epochs are over


class Pair(NamedTuple):
    """What T sees of a specimen, and what it should make of it, ``(element, z, y, x)``."""

    seen: Volumes
    target: Volumes


def make_network(n_elements: int, params: TrainEndToEndParams, device: torch.device) -> VolumeUNet:
    """Return an untrained network."""
    with seeded(params.seed):
        network = VolumeUNet(n_elements, params.base_channels)
    return network.to(device)


def read_network(
    path: Path, elements: list[str], device: torch.device
) -> tuple[VolumeUNet, dict[str, Any]]:
    """Return the network in `path`, and what it says of itself.

    Raises
    ------
    ValueError
        If the file holds no such network of these elements.
    """
    found = read_architecture(path, "end_to_end", elements)
    network = VolumeUNet(len(elements), found["base_channels"])
    read_weights(path, network)
    return network.to(device), found


def train(
    network: VolumeUNet,
    pairs: Sequence[Pair],
    held_out: Sequence[Pair],
    params: TrainEndToEndParams,
    *,
    rng: np.random.Generator,
    checkpoint: Checkpoint | None = None,
) -> pd.DataFrame:
    """Teach `network` in place to make the targets of `pairs` of what is seen.

    In each epoch one part of every specimen is drawn.

    Parameters
    ----------
    network
        ``(patch, element, z, y, x)`` to the same shape.
    pairs
        One per specimen.
    held_out
        Specimens that it never learns from; none leaves the loss on others unknown.
    params
        Epochs, size of the parts, steps.
    rng
        Source of the parts.
    checkpoint
        See `stemedx.learn.training.fit`.

    Returns
    -------
    losses
        Columns ``step, loss`` and, where specimens are held out, ``held_out_loss``:
        that on the cubes in the middle of their volumes.
    """

    def loss_on(pair: Pair, box: Box) -> Scalar:
        unit = level(pair.seen)
        device = next(network.parameters()).device
        seen, target = (to_volume_patch(part[:, *box] / unit).to(device) for part in pair)
        return functional.mse_loss(network(seen), target)

    optimiser = torch.optim.Adam(network.parameters(), lr=params.learning_rate)
    first = params.n_first_epochs * len(pairs)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, [first], LATER_STEP)
    order = [n for _ in range(params.n_epochs) for n in rng.permutation(len(pairs))]

    def draw_loss() -> Scalar:
        # the schedule knows how many updates are done, also after a kill
        pair = pairs[order[schedule.last_epoch]]
        return loss_on(pair, draw_box(pair.seen.shape, params.patch_px, rng))

    @torch.no_grad()
    def held_out_losses() -> list[float]:
        boxes = [middle_box(pair.seen.shape, params.patch_px) for pair in held_out]
        return [loss_on(pair, box).item() for pair, box in zip(held_out, boxes, strict=True)]

    return fit(
        network,
        draw_loss,
        optimiser,
        len(order),
        held_out_losses=held_out_losses if held_out else None,
        schedule=schedule,
        checkpoint=checkpoint,
    )


def predict_volumes(network: VolumeUNet, seen: Volumes, patch_px: int) -> Volumes:
    """Return the volumes >= 0 that `network` makes of what is seen.

    Parameters
    ----------
    network
        ``(patch, element, z, y, x)`` to the same shape.
    seen
        ``(element, z, y, x)``; twice the values give twice the volumes.
    patch_px
        Of the training.
    """
    device = next(network.parameters()).device

    @torch.no_grad()
    def predict(part: VolumePatches) -> VolumePatches:
        return network(part.to(device)).cpu()

    unit = level(seen)
    return np.maximum(over_boxes(predict, seen / unit, patch_px) * unit, 0)


def level(seen: Volumes) -> np.float32:
    """Return the standard deviation over all elements together, in which T works."""
    deviation = np.float32(seen.std(dtype=np.float64))
    return deviation if deviation > 0 else np.float32(1)


def doubts(architecture: dict[str, Any], tilt_deg: list[float], pixel_nm: float) -> list[str]:
    """Return how a tilt series differs from all that the network has learned from."""
    said = []
    known = architecture["trained_on"]
    if not any(len(one["tilt_deg"]) == len(tilt_deg) for one in known):
        numbers = ", ".join(str(len(one["tilt_deg"])) for one in known)
        said.append(f"it has {len(tilt_deg)} tilts, those it was trained on {numbers}")
    if not any(0.5 < one["pixel_nm"] / pixel_nm < 2 for one in known):
        sizes = ", ".join(f"{one['pixel_nm']:g}" for one in known)
        said.append(f"its pixels are {pixel_nm:g} nm, those it was trained on {sizes}")
    return said
