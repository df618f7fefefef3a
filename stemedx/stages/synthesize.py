"""Stage `synthesize`: enhanced views of the full circle -> volumes (`two_step`)."""

import logging
from pathlib import Path

import numpy as np

from stemedx import store
from stemedx.params import SynthesizeParams
from stemedx.provenance import made_by
from stemedx.reconstruct.filtered import fbp

log = logging.getLogger(__name__)


def run(params: SynthesizeParams, *, projections: Path, volume: Path) -> None:
    """Read the enhanced views, project them back, write the store `volume`.

    Reads ``(element, tilt, y, x)`` rates in the aligned frame; writes
    ``(element, z, y, x)`` per nm of path, negative voxels set to 0.
    """
    axes, units = ("element", "tilt", "y", "x"), ("count", "intensity")
    views = store.read_layer(projections, "enhanced", axes=axes, units=units)
    found = store.read_attrs(projections / "enhanced")["units"]
    attrs = store.read_attrs(projections)
    log.info("%s: %d views of %s", projections, views.shape[1], attrs["elements"])
    volumes = fbp(views, np.array(attrs["tilt_deg"], np.float64))
    np.maximum(volumes, 0, out=volumes)
    volumes /= attrs["pixel_nm"]
    store.write_volumes(
        volume,
        volumes,
        elements=attrs["elements"],
        pixel_nm=attrs["pixel_nm"],
        units=f"{found}/nm",
        tilt_deg=attrs["tilt_deg"],
        method="two_step",
        made_by=made_by("synthesize", params, {"projections": projections}),
    )
