"""Stage `train_kernel`: frames of a map -> weights of its CNN-based kernel."""

import logging
from pathlib import Path

import numpy as np

from stemedx import store, tables
from stemedx.learn.bootstraps import draw_frames
from stemedx.learn.checkpoints import Checkpoint
from stemedx.learn.kernels import as_module, train_kernels
from stemedx.learn.weights import write_weights
from stemedx.maps.common_field import on_common_field
from stemedx.networks.device import to_device
from stemedx.params import TrainKernelParams
from stemedx.provenance import made_by

log = logging.getLogger(__name__)
MAP_AXES = ("element", "frame", "y", "x")


def run(  # noqa: PLR0913 - one keyword per file of the rule
    params: TrainKernelParams,
    *,
    device: str,
    checkpoint: Path,
    drift: Path,
    weights: Path,
    losses: Path,
) -> None:
    """Read the store `drift`, train the networks of each element, write weights and losses.

    Reads ``(element, frame, y, x)`` counts that lie on each other.

    Parameters
    ----------
    params
        Of the stage.
    device
        ``auto``, ``cpu`` or ``cuda``.
    checkpoint
        Its parts keep the training of each network; it goes on from there if it was killed.
    drift
        Store to read.
    weights, losses
        Safetensors and CSV files to write.

    Raises
    ------
    ValueError
        If CUDA is asked for and there is none, or there are too few frames.
    """
    chosen = to_device(device)
    attrs = store.read_attrs(drift)
    elements = [line.split("_")[0] for line in attrs["lines"]]
    frames = on_common_field(
        store.read_layer(drift, "maps", axes=MAP_AXES, units="count"),
        store.read_layer(drift, "scanned", axes=MAP_AXES[1:], units="1"),
    )
    rng = np.random.default_rng(params.seed)
    drawn = draw_frames(frames.shape[1], params, rng)
    log.info("%s: %d bootstraps of %d frames each", drift, len(drawn), params.n_drawn)
    origin = made_by("train_kernel", params, {"drift": drift}, device=chosen.type)
    kept = Checkpoint(checkpoint, origin, rng)
    kernels, table = train_kernels(
        [frames], elements, drawn, params, device=chosen, checkpoint=kept
    )
    architecture = {
        "network": "kernel",
        "elements": elements,
        "base_channels": params.base_channels,
        "n_channels": [kernels[element].n_channels for element in elements],
        "drawn": drawn,
        "label": params.label,
    }
    write_weights(weights, as_module(kernels), architecture, origin)
    tables.write(losses, table)
    kept.remove()
