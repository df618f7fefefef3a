"""Spectrum images, one file per tilt or one of several tilts -> a tilt series."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stemedx.ingest.calibration import insist_equal_energies, one_pixel_nm
from stemedx.ingest.contents import Read
from stemedx.ingest.haadf import Picture, is_haadf, read_pictures, to_pictures, to_series
from stemedx.ingest.series import (
    ManifestRow,
    TiltSeries,
    ignored_row,
    insist_equal_shapes,
    manifest_row,
)
from stemedx.ingest.signals import Signal
from stemedx.ingest.tilts import Tilts, View, tilts_of
from stemedx.ingest.view_spectra import ViewSpectra, acquisition, join, view_spectra
from stemedx.ingest.views import is_spectrum_image
from stemedx.logs import progress
from stemedx.sheet import SheetRow

log = logging.getLogger(__name__)


@dataclass
class Found:
    """What the raw files hold, as they are read one by one."""

    spectra: list[ViewSpectra] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    others: list[tuple[Path, str]] = field(default_factory=list)


def gather_spectra(
    files: Sequence[Path],
    row: SheetRow,
    min_keV: float,  # noqa: N803
    read: Read,
) -> TiltSeries:
    """Return the tilt series of a specimen whose raw files are spectrum images.

    One file at a time is read; of its spectra only what was counted stays.

    Parameters
    ----------
    files
        Raw files in natural order.
    row
        What the sheet says.
    min_keV
        Channels below are left out.
    read
        Reads one file.

    Raises
    ------
    ValueError
        If there is no spectrum image, or the files do not fit each other.
    """
    found = Found()
    for path in progress(files, "raw files", len(files)):
        signals, said = (contents := read(path)).signals, contents.said
        images = _images(path, signals, said)
        for signal in images:
            found.spectra += view_spectra(signal, min_keV, row.frame_range, tuple(said))
        _add_pictures(path, signals, said, found)
    if not found.spectra:
        what = "; ".join(f"{path.name}: {why}" for path, why in found.others) or "HAADF only"
        raise ValueError(
            f"{row.raw}: expected spectrum images (y, x, energy), or element maps named "
            f"{', '.join(row.elements)}, found none ({what}). Correct the column raw of the sheet."
        )
    views = [one.view for one in found.spectra]
    tilts = tilts_of(views, row.tilts)
    order = np.argsort(tilts.deg)
    spectra = [found.spectra[n] for n in order]
    tilt_deg = np.array(tilts.deg)[order]
    shape = _insist_alike(spectra)
    in_files = [one.view.file for one in spectra]
    pixel_nm, doubt = one_pixel_nm([one.pixel_nm for one in spectra], in_files, row.pixel_nm)
    known = dict(zip(views, tilts.deg, strict=True))
    haadf, unused = _haadf(found.pictures, known, tilt_deg, shape, pixel_nm, row, read)
    rows = _manifest(spectra, tilt_deg, tilts, doubt, pixel_nm)
    rows += [ignored_row(path, why) for path, why in found.others + unused]
    return TiltSeries(tilt_deg, pixel_nm, shape, join(spectra), haadf, rows)


def _images(path: Path, signals: Sequence[Signal], said: Sequence[str]) -> list[Signal]:
    """Return the spectrum image of a file, or nothing if it holds other signals."""
    images = [signal for signal in signals if is_spectrum_image(signal)]
    if len(images) > 1:
        raise ValueError(
            f"{path}: expected one spectrum image, found {len(images)} "
            f"({', '.join(repr(one.title) for one in images)}). Export the sum of the detectors "
            "alone, or name other files in the column raw."
        )
    if not images and any("pruned" in text for text in said):
        raise ValueError(
            f"{path}: expected a spectrum image, found a pruned Velox file: its spectra were "
            "removed when it was saved. Use the file as it was acquired."
        )
    return images


def _add_pictures(path: Path, signals: Sequence[Signal], said: Sequence[str], found: Found) -> None:
    """Add the HAADF images of a file; or, if it holds neither them nor spectra, what it does."""
    pictures = [signal for signal in signals if is_haadf(signal)]
    found.pictures += [picture for one in pictures[:1] for picture in to_pictures(one)]
    if not pictures and not any(map(is_spectrum_image, signals)):
        found.others.append((path, "; ".join([*map(_text, signals), *said]) or "no signal"))


def _text(signal: Signal) -> str:
    shape = " x ".join(str(len(axis.values)) for axis in signal.axes)
    return f"{signal.title or 'untitled'} ({shape})"


def _insist_alike(spectra: Sequence[ViewSpectra]) -> tuple[int, int]:
    files = [one.view.file for one in spectra]
    insist_equal_energies([one.axis for one in spectra], files)
    return insist_equal_shapes([one.shape for one in spectra], files, "maps")


def _haadf(
    pictures: list[Picture],
    known: dict[View, float],
    tilt_deg: np.ndarray,
    shape: tuple[int, int],
    pixel_nm: float,
    row: SheetRow,
    read: Read,
) -> tuple[np.ndarray | None, list[tuple[Path, str]]]:
    """Return the HAADF series (None without), and the pictures that are not used.

    What the sheet names must fit; what lies beside the spectra is used if it fits.
    """
    if row.haadf:
        named = read_pictures(row.haadf, read)
        return to_series(named, known, tilt_deg, shape, pixel_nm, row.tilts), []
    together = [picture for picture in pictures if picture.view in known]
    chosen = together if len(together) == len(known) else pictures
    unused = [(one.view.file, "not of the series") for one in pictures if one not in chosen]
    if not chosen:
        return None, unused
    try:
        return to_series(chosen, known, tilt_deg, shape, pixel_nm, row.tilts), unused
    except ValueError as misfit:
        log.warning("HAADF left out: %s", misfit)
        return None, [*unused, (chosen[0].view.file, f"HAADF does not fit: {misfit}")]


def _manifest(
    spectra: Sequence[ViewSpectra],
    tilt_deg: np.ndarray,
    tilts: Tilts,
    doubt: str,
    pixel_nm: float,
) -> list[ManifestRow]:
    return [
        manifest_row(
            one.view.name,
            tilt,
            tilts.origin,
            float(one.photons.counts.sum(dtype=np.int64)),
            [*one.warnings, *tilts.warnings, doubt],
        )
        | acquisition(one, pixel_nm)
        for one, tilt in zip(spectra, tilt_deg.tolist(), strict=True)
    ]
