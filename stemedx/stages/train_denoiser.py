"""Stage `train_denoiser`: photons of a specimen -> weights of its network Q^D."""

import logging
from pathlib import Path

import numpy as np

from stemedx import store, tables
from stemedx.counts import in_photons, unclip
from stemedx.learn.blind_spots import BLIND_SPOTS
from stemedx.learn.checkpoints import Checkpoint
from stemedx.learn.denoising import make_denoiser, train
from stemedx.learn.device import to_device
from stemedx.learn.thinning import THINNING
from stemedx.learn.weights import write_weights
from stemedx.params import TrainDenoiserParams
from stemedx.provenance import made_by

log = logging.getLogger(__name__)
ARCHITECTURE = {"base_channels", "n_levels", "crop_px"}


def run(  # noqa: PLR0913 - one keyword per file of the rule
    params: TrainDenoiserParams,
    *,
    device: str,
    checkpoint: Path,
    element_maps: Path,
    weights: Path,
    losses: Path,
) -> None:
    """Read the store `element_maps`, train Q^D on it, write `weights` and `losses`.

    Reads ``(element, tilt, y, x)`` counts, which are thinned, or intensities, whose
    neighbours share their noise and which are predicted from further away.

    Parameters
    ----------
    params
        Of the stage.
    device
        ``auto``, ``cpu`` or ``cuda``.
    checkpoint
        File that the training is kept in; it goes on from there if it was killed.
    element_maps
        Store to read.
    weights, losses
        Safetensors and CSV files to write.

    Raises
    ------
    ValueError
        If CUDA is asked for and there is none.
    """
    chosen = to_device(device)
    maps, attrs = store.read(
        element_maps, axes=("element", "tilt", "y", "x"), units=("count", "intensity")
    )
    rng = np.random.default_rng(params.seed)
    photons = in_photons(maps, attrs["variance_to_mean"])
    if attrs["signal"] == "hits":
        photons = unclip(photons, rng)
    log.info("%s: %.0f photons of %s", element_maps, photons.sum(), attrs["elements"])
    network = make_denoiser(photons, params, chosen)
    split = BLIND_SPOTS if attrs["signal"] == "intensity" else THINNING
    origin = made_by("train_denoiser", params, {"element_maps": element_maps}, device=chosen.type)
    kept = Checkpoint(checkpoint, origin, rng)
    table = train(network, photons, params, split=split, rng=rng, checkpoint=kept)
    architecture = {
        "network": "denoiser",
        "elements": attrs["elements"],
        **params.model_dump(include=ARCHITECTURE),
    }
    write_weights(weights, network, architecture, origin)
    tables.write(losses, table)
    kept.remove()
