"""The loop that every network is trained with."""

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pandas as pd
import torch
from torch import nn

from stemedx.logs import progress
from stemedx.params import TrainParams
from stemedx.tensors import Scalar

log = logging.getLogger(__name__)
N_ROWS = 25  # of the table of losses


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Make the first weights of a network inside the block depend on `seed` alone.

    Torch draws them from its global state, which is as before afterwards.
    """
    # Weights are made on the CPU, whatever they are moved to later.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def n_updates(params: TrainParams, shape: tuple[int, ...]) -> int:
    """Return the updates in which each pixel is seen `n_epochs` times on average.

    Parameters
    ----------
    params
        Epochs, patches per update and their side.
    shape
        Of the maps, ``(element, tilt, y, x)``.
    """
    _, n_tilts, n_y, n_x = shape
    patch = min(params.crop_px, n_y) * min(params.crop_px, n_x)
    return math.ceil(params.n_epochs * n_tilts * n_y * n_x / (params.batch * patch))


def fit(
    network: nn.Module,
    draw_loss: Callable[[], Scalar],
    optimiser: torch.optim.Optimizer,
    n_steps: int,
    held_out_loss: Callable[[], float] | None = None,
    schedule: torch.optim.lr_scheduler.LRScheduler | None = None,
) -> pd.DataFrame:
    """Train `network` in place.

    Parameters
    ----------
    network
        Left in evaluation mode.
    draw_loss
        Draws a batch and returns the loss of `network` on it.
    optimiser
        Of the weights of `network`, with the largest step size.
    n_steps
        Number of updates.
    held_out_loss
        Loss on data that `draw_loss` never shows to `network`.
    schedule
        How the step size goes; down to zero along a cosine where none is given.

    Returns
    -------
    losses
        Columns ``step``, ``loss`` (mean over the updates since the row before) and,
        where it can be told, ``held_out_loss``.

    Raises
    ------
    ValueError
        If the loss stops being a finite number.
    """
    schedule = schedule or torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, n_steps)
    losses: list[float] = []
    rows: list[dict[str, float]] = []
    every = -(-n_steps // N_ROWS)
    network.train()
    for step in progress(range(1, n_steps + 1), "updates", n_steps):
        losses.append(_update(draw_loss, optimiser))
        schedule.step()
        if step % every == 0 or step == n_steps:
            rows.append({"step": step, "loss": _mean(losses, step)})
            if held_out_loss is not None:
                rows[-1]["held_out_loss"] = held_out_loss()
            losses.clear()
    network.eval()
    log.info("trained with %d updates: %s", n_steps, rows[-1])
    return pd.DataFrame(rows)


def _update(draw_loss: Callable[[], Scalar], optimiser: torch.optim.Optimizer) -> float:
    loss = draw_loss()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


def _mean(losses: list[float], step: int) -> float:
    mean = sum(losses) / len(losses)
    if not abs(mean) < float("inf"):
        raise ValueError(
            f"training: expected a finite loss, found {mean} by update {step}. Lower "
            "learning_rate of this stage."
        )
    return mean
