"""A tilt series in memory: what every kind of raw files becomes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stemedx.arrays import MeasuredMaps, Series, SparseEnds, SparseValues, TiltAngles
from stemedx.ingest.calibration import EnergyAxis

ManifestRow = dict[str, str | float]


@dataclass(frozen=True)
class SparseSpectra:
    """Spectra of all pixels, only channels that counted something (CSR).

    Attributes
    ----------
    counts, channels
        ``(entry)`` photons, and the channel they are in.
    ends
        ``(row)`` where the entries of each pixel end and those of the next begin;
        pixels in the order (tilt, y, x), one more than there are pixels.
    frames, detectors
        ``(entry)`` the frame and the detector of each, from 0; None where one of the files
        holds their sum alone. The same pixel and channel then come several times.
    axis
        Energies of the channels.
    n_frames
        Of each tilt; 0 where its file does not say.
    names
        Of the detectors.
    beam_keV, resolution_eV
        Beam energy, and resolution at Mn Ka; None where the files do not say.
    elements
        Symbols that the files name.
    """

    counts: SparseValues
    channels: SparseValues
    ends: SparseEnds
    frames: SparseValues | None
    detectors: SparseValues | None
    axis: EnergyAxis
    n_frames: tuple[int, ...]
    names: tuple[str, ...]
    beam_keV: float | None  # noqa: N815
    resolution_eV: float | None  # noqa: N815
    elements: tuple[str, ...]


@dataclass(frozen=True)
class TiltSeries:
    """One checked tilt series, tilts rising.

    Attributes
    ----------
    tilt_deg
        ``(tilt)`` degrees.
    pixel_nm
        Scan step, nm.
    shape
        Rows and columns of a map.
    content
        Spectra, or ``(element, tilt, y, x)`` maps in the order of the sheet.
    haadf
        ``(tilt, y, x)``; None without.
    manifest
        One row per file and tilt: file, tilt_deg, tilt_origin, counts, warnings.
    """

    tilt_deg: TiltAngles
    pixel_nm: float
    shape: tuple[int, int]
    content: SparseSpectra | MeasuredMaps
    haadf: Series | None
    manifest: list[ManifestRow]


def insist_equal_shapes(
    shapes: Sequence[tuple[int, ...]], files: Sequence[Path], what: str
) -> tuple[int, int]:
    """Return the rows and columns that all maps have.

    Raises
    ------
    ValueError
        If two differ.
    """
    for shape, file in zip(shapes, files, strict=True):
        if shape != shapes[0]:
            raise ValueError(
                f"{file}: expected {what} of {_times(shapes[0])} pixels as in {files[0].name}, "
                f"found {_times(shape)}. Take the file out of the folder, or crop all tilts to "
                "one size."
            )
    n_y, n_x = shapes[0][-2:]
    return int(n_y), int(n_x)


def manifest_row(
    file: str, tilt_deg: float, origin: str, counts: float, warnings: Sequence[str]
) -> ManifestRow:
    """Return one line of the manifest."""
    told = "; ".join(text for text in warnings if text)
    counted = int(counts) if float(counts).is_integer() else round(float(counts), 3)
    return {
        "file": file,
        "tilt_deg": tilt_deg,
        "tilt_origin": origin,
        "counts": counted,
        "warnings": told,
    }


def ignored_row(file: Path, why: str) -> ManifestRow:
    """Return the line of a file that was read and not used."""
    return manifest_row(file.name, np.nan, "", 0.0, [f"ignored: {why}"])


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
