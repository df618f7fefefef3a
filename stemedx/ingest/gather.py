"""Raw files of a specimen -> one checked tilt series."""

from pathlib import Path

from stemedx.ingest.contents import Read
from stemedx.ingest.exported_maps import gather_maps, map_files
from stemedx.ingest.series import TiltSeries
from stemedx.ingest.spectrum_images import gather_spectra
from stemedx.sheet import SheetRow


def gather(files: list[Path], row: SheetRow, min_keV: float, read: Read) -> TiltSeries:  # noqa: N803
    """Return the tilt series of one specimen.

    Files that are named after elements of the sheet are exported maps; else spectrum
    images are looked for.

    Parameters
    ----------
    files
        Raw files in natural order.
    row
        What the sheet says.
    min_keV
        Channels of spectra below are left out.
    read
        Reads one file; `reading_apart` lends such a function.

    Raises
    ------
    ValueError
        If the files are not one complete tilt series; with file, value and remedy.
    """
    named = map_files(files, row.elements)
    if named:
        return gather_maps(files, named, row, read)
    return gather_spectra(files, row, min_keV, read)
