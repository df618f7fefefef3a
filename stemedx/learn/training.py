"""The loop that every network is trained with."""

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd
import torch
from torch import nn

from stemedx.learn.checkpoints import Checkpoint, Training
from stemedx.logs import progress
from stemedx.params import TrainParams
from stemedx.tensors import Scalar

log = logging.getLogger(__name__)
N_ROWS = 25  # of the table of losses
# Standard errors by which held-out data are predicted worse than at best. Two are no reason: the
# best of many rows is good by chance, too.
CLEAR = 4.0
TINY = 1e-12


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
    *,
    held_out_losses: Callable[[], list[float]] | None = None,
    schedule: torch.optim.lr_scheduler.LRScheduler | None = None,
    checkpoint: Checkpoint | None = None,
) -> pd.DataFrame:
    """Train `network` in place.

    Where data are set apart, training ends early when they are predicted clearly worse
    than before; the network is then as it was at best.

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
    held_out_losses
        Losses on parts of data that `draw_loss` never shows to `network`.
    schedule
        How the step size goes; down to zero along a cosine where none is given.
    checkpoint
        Where the training is kept, and goes on from if it was killed: on a CPU to
        the same weights, bit for bit.

    Returns
    -------
    losses
        Columns ``step``, ``loss`` (mean over the updates since the row before) and,
        where data are set apart, ``held_out_loss``.

    Raises
    ------
    ValueError
        If the loss stops being a finite number.
    """
    schedule = schedule or torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, n_steps)
    training = Training(network, optimiser, schedule)
    if checkpoint is not None:
        checkpoint.restore(training)
    every = -(-n_steps // N_ROWS)
    network.train()
    steps = range(training.step + 1, n_steps + 1)
    for step in progress(steps, "updates", n_steps, done=training.step):
        if training.rise > CLEAR:
            break
        training.losses.append(_update(draw_loss, training))
        training.step = step
        if step % every == 0 or step == n_steps:
            _add_row(training, held_out_losses)
        if checkpoint is not None:
            checkpoint.keep(training)
    if checkpoint is not None:
        checkpoint.write(training)  # what follows may be killed too
    if training.rise > CLEAR:
        network.load_state_dict(training.best)
    network.eval()
    log.info("trained with %d updates: %s", training.step, training.rows[-1])
    return pd.DataFrame(training.rows)


def _update(draw_loss: Callable[[], Scalar], training: Training) -> float:
    device = next(training.network.parameters()).device.type
    # Half of the memory and time of a GPU; sums and logarithms stay in float32.
    with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
        loss = draw_loss()
    training.optimiser.zero_grad()
    loss.backward()
    training.optimiser.step()
    training.schedule.step()
    return loss.item()


def _add_row(training: Training, held_out_losses: Callable[[], list[float]] | None) -> None:
    row = {"step": training.step, "loss": _mean(training.losses, training.step)}
    training.losses.clear()
    training.rows.append(row)
    if held_out_losses is None:
        return
    losses = held_out_losses()
    row["held_out_loss"] = sum(losses) / len(losses)
    best = training.best_losses
    if not best or sum(losses) < sum(best):
        weights = training.network.state_dict()
        training.best = {name: value.detach().clone() for name, value in weights.items()}
        training.best_losses, training.rise = losses, 0.0
    elif len(losses) > 1:
        rise = np.subtract(losses, best)
        standard_error = rise.std(ddof=1) / math.sqrt(len(rise))
        training.rise = float(rise.mean() / max(standard_error, TINY))


def _mean(losses: list[float], step: int) -> float:
    mean = sum(losses) / len(losses)
    if not abs(mean) < float("inf"):
        raise ValueError(
            f"training: expected a finite loss, found {mean} by update {step}. Lower "
            "learning_rate of this stage."
        )
    return mean
