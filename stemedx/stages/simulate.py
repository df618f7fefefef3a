"""Stage `simulate`: phantom -> raw files, and the truth behind them."""

import logging
import shutil
from pathlib import Path

import numpy as np

from stemedx import store
from stemedx.ingest.raw_writer import write_haadf, write_spectrum_image
from stemedx.logs import progress
from stemedx.params import SimulateParams
from stemedx.provenance import made_by
from stemedx.simulate import spectra
from stemedx.simulate.phantoms import Acquisition, Specimen, acquire, make_specimen, truth_volumes

log = logging.getLogger(__name__)


def run(params: SimulateParams, *, phantom: str, raw: Path, truth: Path) -> None:
    """Write the raw files of a phantom to the folder `raw`, its volumes to `truth`.

    Each tilt gives a spectrum image ``EDX_{tilt}.hspy`` and an image
    ``HAADF_{tilt}.hspy``. The truth is ``(element, z, y, x)`` expected counts per nm of
    path.
    """
    # the name counts too: phantoms of one shape shall not be copies of each other
    rng = np.random.default_rng([params.seed, *phantom.encode()])
    chosen = params.phantoms[phantom]
    specimen = make_specimen(chosen, rng)
    recorded = acquire(specimen, rng)
    log.info("%s: %s, %d photons", phantom, chosen.shape, recorded.counts.sum())
    _write_raw(raw, specimen, recorded, rng)
    store.write_volumes(
        truth,
        truth_volumes(specimen) / np.float32(chosen.pixel_nm),
        elements=list(specimen.elements),
        pixel_nm=chosen.pixel_nm,
        units="count/nm",
        tilt_deg=specimen.tilt_deg.tolist(),
        method="truth",
        made_by=made_by("simulate", params, {}, phantom=phantom, **_facts(specimen, recorded)),
    )


def _write_raw(
    folder: Path, specimen: Specimen, recorded: Acquisition, rng: np.random.Generator
) -> None:
    """Fill the folder beside its place; it appears when it is whole."""
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    pixel_nm, tilts = specimen.phantom.pixel_nm, specimen.tilt_deg.tolist()
    for n, tilt in progress(enumerate(tilts), "tilts", len(tilts)):
        write_spectrum_image(
            partial / f"EDX_{tilt:g}.hspy",
            spectra.draw_spectra(recorded.counts[:, n], specimen.elements, rng),
            pixel_nm=pixel_nm,
            tilt_deg=tilt,
            energy_offset_keV=spectra.OFFSET_KEV,
            energy_scale_keV=spectra.SCALE_KEV,
            detector={"energy_resolution_MnKa": spectra.RESOLUTION_MNKA_EV},
        )
        image = partial / f"HAADF_{tilt:g}.hspy"
        write_haadf(image, recorded.haadf[n], pixel_nm=pixel_nm, tilt_deg=tilt)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    log.info("wrote %s: %d tilts", folder, len(tilts))


def _facts(specimen: Specimen, recorded: Acquisition) -> dict[str, object]:
    """Return what was drawn: the shape's numbers, shifts, gains and totals."""
    return {
        "shape": specimen.body.facts,
        "shifts_px": recorded.shifts_px.tolist(),
        "gains": recorded.gains.tolist(),
        "counts": dict(
            zip(specimen.elements, recorded.counts.sum((1, 2, 3)).tolist(), strict=True)
        ),
    }
