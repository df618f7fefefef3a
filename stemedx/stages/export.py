"""Stage `export`: the volume of one element -> MRC."""

import logging
from pathlib import Path

import mrcfile
import numpy as np

from stemedx import store
from stemedx.arrays import Volume
from stemedx.params import ExportParams

log = logging.getLogger(__name__)
ANGSTROM_PER_NM = 10.0


def run(params: ExportParams, *, element: str, volume: Path, mrc: Path) -> None:
    """Read the store `volume`, write the volume of `element` as MRC2014.

    Sections are planes along z (the beam), rows y (the tilt axis), columns x; voxels
    in angstrom, values as in the store.

    Raises
    ------
    ValueError
        If the store has no such element.
    """
    volumes, attrs = store.read_volumes(volume)
    if element not in attrs["elements"]:
        raise ValueError(
            f"{volume}: expected a volume of {element}, found {', '.join(attrs['elements'])}. "
            "Check the column elements of the sample sheet."
        )
    label = f"stemedx: {element}, {attrs['method']}, {attrs['units']}"
    _write(mrc, volumes[attrs["elements"].index(element)], attrs["pixel_nm"], label)
    log.info("wrote %s: %s", mrc, label)


def _write(path: Path, volume: Volume, pixel_nm: float, label: str) -> None:
    """Write beside `path` and rename, so that a killed run leaves nothing half done."""
    partial = path.with_name(f".{path.name}.partial")
    with mrcfile.new(partial, overwrite=True) as file:
        file.set_data(np.ascontiguousarray(volume, np.float32))
        file.voxel_size = pixel_nm * ANGSTROM_PER_NM
        # Replaces a label that holds the time: the same volume gives the same bytes.
        file.header.label[0] = label
    partial.rename(path)
