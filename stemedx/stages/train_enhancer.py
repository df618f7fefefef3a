"""Stage `train_enhancer`: a volume and the denoised maps -> weights of Q^S."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from stemedx import store, tables
from stemedx.alignment import read_geometry
from stemedx.learn.adversarial import make_networks, train_adversarial
from stemedx.learn.checkpoints import Checkpoint
from stemedx.learn.enhancing import make_enhancer, train
from stemedx.learn.published_enhancing import to_pairs, units_of
from stemedx.learn.weights import start_from, write_weights
from stemedx.networks.device import to_device
from stemedx.params import TrainEnhancerParams
from stemedx.project.projector import project
from stemedx.project.warp import align_maps
from stemedx.provenance import made_by

log = logging.getLogger(__name__)
ARCHITECTURE = {"method", "base_channels", "n_levels", "crop_px"}


def run(  # noqa: PLR0913 - one keyword per file of the rule
    params: TrainEnhancerParams,
    *,
    device: str,
    checkpoint: Path,
    denoised: Path,
    volume: Path,
    alignment: Path,
    start: Path | None = None,
    weights: Path,
    losses: Path,
) -> None:
    """Train Q^S to turn reprojections of `volume` into the denoised maps.

    At the measured tilts only: no view is made up.

    Parameters
    ----------
    params
        Of the stage.
    device
        ``auto``, ``cpu`` or ``cuda``.
    checkpoint
        File that the training is kept in; it goes on from there if it was killed.
    denoised, volume, alignment
        Stores to read.
    start
        Weights of an earlier batch to start from; None for random ones.
    weights, losses
        Safetensors and CSV files to write.

    Raises
    ------
    ValueError
        If CUDA is asked for and there is none, or the stores or the weights to
        start from are of different elements.
    """
    chosen = to_device(device)
    maps, attrs = store.read(
        denoised, axes=("element", "tilt", "y", "x"), units=("count", "intensity")
    )
    volumes, volume_attrs = store.read_volumes(volume)
    if volume_attrs["elements"] != attrs["elements"]:
        raise ValueError(
            f"{volume}: expected volumes of {attrs['elements']} as in {denoised}, found "
            f"{volume_attrs['elements']}. Delete both and run the workflow again."
        )
    geometry = read_geometry(alignment, attrs["tilt_deg"], maps.shape[-2:])
    aligned, coverage = align_maps(maps, geometry)
    log.info("%s: %.0f %% of the aligned maps are measured", denoised, 100 * coverage.mean())
    projected = project(volumes * np.float32(attrs["pixel_nm"]), geometry.tilt_deg)
    rng = np.random.default_rng(params.seed)
    inputs = {"denoised": denoised, "volume": volume, "alignment": alignment}
    inputs |= {} if start is None else {"start": start}
    origin = made_by("train_enhancer", params, inputs, device=chosen.type)
    kept = Checkpoint(checkpoint, origin, rng)
    series = (projected, aligned, coverage)
    architecture: dict[str, Any] = {"network": "enhancer", "elements": attrs["elements"]}
    architecture |= params.model_dump(include=ARCHITECTURE)
    if params.method == "paper":
        units = units_of(volumes * np.float32(attrs["pixel_nm"]), aligned)
        architecture["units"] = units
        networks = make_networks(len(maps), params, chosen)
        network = networks["generator"]
        start_from(start, network, architecture)
        pairs = to_pairs(*series, units)
        table = train_adversarial(networks, pairs, params, rng=rng, checkpoint=kept)
    else:
        network = make_enhancer(len(maps), params, chosen)
        start_from(start, network, architecture)
        table = train(network, *series, params, rng=rng, checkpoint=kept)
    write_weights(weights, network, architecture, origin)
    tables.write(losses, table)
    kept.remove()
