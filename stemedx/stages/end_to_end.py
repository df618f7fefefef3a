"""Stage `end_to_end`: denoised maps and the trained T -> volumes."""

import logging
from pathlib import Path

import numpy as np

from stemedx import store
from stemedx.alignment import read_geometry
from stemedx.learn.end_to_end import doubts, predict_volumes, read_network
from stemedx.networks.device import to_device
from stemedx.params import EndToEndParams
from stemedx.provenance import made_by
from stemedx.reconstruct.filtered import limited_fbp

log = logging.getLogger(__name__)


def run(  # noqa: PLR0913 - one keyword per file of the rule
    params: EndToEndParams,
    *,
    device: str,
    denoised: Path,
    alignment: Path,
    weights: Path,
    volume: Path,
) -> None:
    """Read the denoised maps, apply T to their FBP, write the store `volume`.

    Writes ``(element, z, y, x)`` per nm of path >= 0 in the aligned frame.

    Parameters
    ----------
    params
        Of the stage.
    device
        ``auto``, ``cpu`` or ``cuda``.
    denoised, alignment, weights
        Stores and safetensors file to read.
    volume
        Store to write.

    Raises
    ------
    ValueError
        If CUDA is asked for and there is none, or the weights are of another
        network or other elements.
    """
    chosen = to_device(device)
    rates, attrs = store.read(
        denoised, axes=("element", "tilt", "y", "x"), units=("count", "intensity")
    )
    network, architecture = read_network(weights, attrs["elements"], chosen)
    said = doubts(architecture, attrs["tilt_deg"], attrs["pixel_nm"])
    for doubt in said:
        log.warning("T was trained on other data than %s: %s", denoised, doubt)
    seen = limited_fbp(rates, read_geometry(alignment, attrs["tilt_deg"], rates.shape[-2:]))
    volumes = predict_volumes(network, seen, architecture["patch_px"])
    store.write_volumes(
        volume,
        volumes / np.float32(attrs["pixel_nm"]),
        elements=attrs["elements"],
        pixel_nm=attrs["pixel_nm"],
        units=f"{attrs['units']}/nm",
        tilt_deg=attrs["tilt_deg"],
        method="end_to_end",
        made_by=made_by(
            "end_to_end",
            params,
            {"denoised": denoised, "alignment": alignment, "weights": weights},
            device=chosen.type,
            trained_on=[one["specimen"] for one in architecture["trained_on"]],
            warnings=said,
        ),
    )
