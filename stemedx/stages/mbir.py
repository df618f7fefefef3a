"""Stage `mbir`: denoised maps -> volumes by the paper's l1 method (M)."""

import logging
from pathlib import Path

from stemedx import store
from stemedx.alignment import read_geometry
from stemedx.params import MbirParams
from stemedx.provenance import made_by
from stemedx.reconstruct.bregman import split_bregman

log = logging.getLogger(__name__)


def run(params: MbirParams, *, denoised: Path, alignment: Path, volume: Path) -> None:
    """Read the denoised maps, reconstruct them, write the store `volume`.

    Reads ``(element, tilt, y, x)`` rates in the measured frame; writes
    ``(element, z, y, x)`` per nm of path in the aligned one. Each element is scaled
    to a largest value of its own while solving, and back.
    """
    axes, units = ("element", "tilt", "y", "x"), ("count", "intensity")
    rates, attrs = store.read(denoised, axes=axes, units=units)
    log.info("%s: %s, largest rate %g", denoised, rates.shape, rates.max())
    geometry = read_geometry(alignment, attrs["tilt_deg"], rates.shape[-2:])
    volumes = split_bregman(rates, geometry, params)
    volumes /= attrs["pixel_nm"]
    store.write_volumes(
        volume,
        volumes,
        elements=attrs["elements"],
        pixel_nm=attrs["pixel_nm"],
        units=f"{attrs['units']}/nm",
        tilt_deg=attrs["tilt_deg"],
        method="mbir",
        made_by=made_by("mbir", params, {"denoised": denoised, "alignment": alignment}),
    )
