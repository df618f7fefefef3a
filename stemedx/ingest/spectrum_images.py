"""Spectrum images, one file per tilt or one of several tilts -> a tilt series."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array, vstack

from stemedx.ingest.calibration import (
    EnergyAxis,
    insist_equal_energies,
    one_pixel_nm,
    to_energy_axis,
    to_pixel_nm,
)
from stemedx.ingest.haadf import Picture, is_haadf, read_pictures, to_pictures, to_series
from stemedx.ingest.reader import Axis, Signal, read_signals
from stemedx.ingest.series import (
    ManifestRow,
    SparseSpectra,
    TiltSeries,
    ignored_row,
    insist_equal_shapes,
    manifest_row,
)
from stemedx.ingest.sparse_spectra import to_sparse
from stemedx.ingest.tilts import Tilts, View, tilts_of
from stemedx.ingest.views import is_spectrum_image, views_of
from stemedx.logs import progress
from stemedx.maps.checks import to_integers
from stemedx.sheet import SheetRow

log = logging.getLogger(__name__)
AMPERE_SECOND_PER_ELECTRON = 1.602176634e-19


@dataclass(frozen=True)
class ViewSpectra:
    """The spectra of one tilt: ``(pixel, channel)`` counts, and their calibration."""

    view: View
    counts: csr_array
    shape: tuple[int, int]
    axis: EnergyAxis
    pixel_nm: float | None
    beam_keV: float | None  # noqa: N815
    resolution_eV: float | None  # noqa: N815
    elements: tuple[str, ...]
    beam_nA: float | None  # noqa: N815
    live_s: float | None
    real_s: float | None
    warnings: tuple[str, ...]


@dataclass
class Found:
    """What the raw files hold, as they are read one by one."""

    spectra: list[ViewSpectra] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    others: list[tuple[Path, str]] = field(default_factory=list)


def gather_spectra(files: Sequence[Path], row: SheetRow, min_keV: float) -> TiltSeries:  # noqa: N803
    """Return the tilt series of a specimen whose raw files are spectrum images.

    One file at a time is in memory as a whole; its spectra stay as a sparse matrix.

    Parameters
    ----------
    files
        Raw files in natural order.
    row
        What the sheet says.
    min_keV
        Channels below are left out.

    Raises
    ------
    ValueError
        If there is no spectrum image, or the files do not fit each other.
    """
    found = Found()
    for path in progress(files, "raw files", len(files)):
        _read(path, min_keV, found)
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
    haadf, unused = _haadf(found.pictures, known, tilt_deg, shape, pixel_nm, row)
    rows = _manifest(spectra, tilt_deg, tilts, doubt, pixel_nm)
    rows += [ignored_row(path, why) for path, why in found.others + unused]
    return TiltSeries(tilt_deg, pixel_nm, shape, _join(spectra), haadf, rows)


def _read(path: Path, min_keV: float, found: Found) -> None:  # noqa: N803
    """Add what one raw file holds to `found`."""
    signals, said = read_signals(path)
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
    pictures = [signal for signal in signals if is_haadf(signal)]
    for signal in images:
        found.spectra += _view_spectra(signal, min_keV, tuple(said))
    if images or pictures:
        found.pictures += [picture for one in pictures[:1] for picture in to_pictures(one)]
    else:
        found.others.append((path, "; ".join([*map(_text, signals), *said]) or "no signal"))


def _text(signal: Signal) -> str:
    shape = " x ".join(str(len(axis.values)) for axis in signal.axes)
    return f"{signal.title or 'untitled'} ({shape})"


def _view_spectra(
    signal: Signal,
    min_keV: float,  # noqa: N803
    said: tuple[str, ...],
) -> list[ViewSpectra]:
    """Return the spectra of each view of a spectrum image or a stack of them."""
    energy = signal.energy_axis
    assert energy is not None  # only spectrum images come here
    axis = to_energy_axis(signal.axes[energy], signal.file)
    stack, y, x = _scan_axes(signal, energy)
    pixel_nm = to_pixel_nm(y, x, signal.file)
    shape = (len(y.values), len(x.values))
    return [
        ViewSpectra(
            view,
            to_sparse(signal.parts(view.index, energy), view, axis, min_keV),
            shape,
            axis,
            pixel_nm,
            signal.beam_keV,
            signal.resolution_eV,
            signal.elements,
            signal.beam_nA,
            signal.live_s,
            signal.real_s,
            said,
        )
        for view in views_of(signal, stack)
    ]


def _scan_axes(signal: Signal, energy: int) -> tuple[Axis | None, Axis, Axis]:
    """Return the axis of tilts (None without one), y and x.

    Raises
    ------
    ValueError
        If the energy comes first in a file of several tilts.
    """
    others = [axis for n, axis in enumerate(signal.axes) if n != energy]
    if len(others) == 2:
        return None, others[0], others[1]
    if energy == 0:
        raise ValueError(
            f"{signal.file}: expected the axes (tilt, y, x, energy), found the energy first. "
            "Save it with the energy last."
        )
    return others[0], others[1], others[2]


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
) -> tuple[np.ndarray | None, list[tuple[Path, str]]]:
    """Return the HAADF series (None without), and the pictures that are not used.

    What the sheet names must fit; what lies beside the spectra is used if it fits.
    """
    if row.haadf:
        named = read_pictures(row.haadf)
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


def acquisition(spectra: ViewSpectra, pixel_nm: float) -> ManifestRow:
    """Return beam energy, current, times and dose of a tilt; NaN where its file is silent.

    The dose is that of the whole time over the area of the map.
    """
    current = np.nan if spectra.beam_nA is None else spectra.beam_nA
    seconds = np.nan if spectra.real_s is None else spectra.real_s
    area = spectra.shape[0] * spectra.shape[1] * (10 * pixel_nm) ** 2
    return {
        "beam_keV": np.nan if spectra.beam_keV is None else spectra.beam_keV,
        "beam_nA": current,
        "live_s": np.nan if spectra.live_s is None else spectra.live_s,
        "real_s": seconds,
        "dose_e_per_A2": current * seconds / AMPERE_SECOND_PER_ELECTRON / 1e9 / area,
    }


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
            float(one.counts.sum(dtype=np.int64)),
            [*one.warnings, *tilts.warnings, doubt],
        )
        | acquisition(one, pixel_nm)
        for one, tilt in zip(spectra, tilt_deg.tolist(), strict=True)
    ]


def _join(spectra: Sequence[ViewSpectra]) -> SparseSpectra:
    whole = vstack([one.counts for one in spectra], format="csr")
    first = spectra[0]
    counts = to_integers(whole.data)
    assert counts is not None  # they were integers tilt by tilt
    return SparseSpectra(
        counts,
        whole.indices.astype(np.uint16),
        whole.indptr.astype(np.int64),
        first.axis,
        first.beam_keV,
        first.resolution_eV,
        tuple(sorted({symbol for one in spectra for symbol in one.elements})),
    )
