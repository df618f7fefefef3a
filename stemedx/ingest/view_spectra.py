"""The spectra of single tilts, and what their files say of how they were measured."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stemedx.ingest.calibration import EnergyAxis, to_energy_axis, to_pixel_nm
from stemedx.ingest.photons import Photons
from stemedx.ingest.series import ManifestRow, SparseSpectra
from stemedx.ingest.signals import Axis, Signal
from stemedx.ingest.tilts import View
from stemedx.ingest.views import views_of
from stemedx.maps.checks import to_integers

AMPERE_SECOND_PER_ELECTRON = 1.602176634e-19


@dataclass(frozen=True, eq=False)
class ViewSpectra:
    """The spectra of one tilt, their calibration, and the signal that they are from."""

    view: View
    photons: Photons
    axis: EnergyAxis
    pixel_nm: float | None
    signal: Signal
    warnings: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.photons.shape[0], self.photons.shape[1]


def view_spectra(
    signal: Signal,
    min_keV: float,  # noqa: N803
    frames: range | None,
    said: tuple[str, ...],
) -> list[ViewSpectra]:
    """Return the spectra of each view of a spectrum image or a stack of them.

    Parameters
    ----------
    signal
        Its values are photons.
    min_keV
        Channels below are left out.
    frames
        From 0, that are wanted; None for all.
    said
        What the reader of the file warned of.

    Raises
    ------
    ValueError
        If the file has no frames or fewer than are wanted, or its axes are not in order.
    """
    energy = signal.energy_axis
    assert energy is not None  # only spectrum images come here
    axis = to_energy_axis(signal.axes[energy], signal.file)
    stack, y, x = _scan_axes(signal, energy)
    pixel_nm = to_pixel_nm(y, x, signal.file)
    photons: Photons = signal.values
    _insist_frames(signal, photons.n_frames, frames)
    first = axis.first_above(min_keV)
    doubts = (*said, *_doubts(photons))
    return [
        ViewSpectra(view, photons.chosen(view.index, first, frames), axis, pixel_nm, signal, doubts)
        for view in views_of(signal, stack)
    ]


def _doubts(photons: Photons) -> list[str]:
    """Return what looks as if a part of the file were lost."""
    run = photons.empty_run()
    if run is None:
        return []
    return [
        f"pixels {run.start} to {run.stop - 1} in the order of the scan hold no photon, though "
        "most others do: if this is no vacuum, the file is damaged"
    ]


def _insist_frames(signal: Signal, n_frames: int, frames: range | None) -> None:
    if frames is None or frames.stop <= n_frames:
        return
    found = f"{n_frames} frames" if n_frames else "the sum of its frames alone"
    raise ValueError(
        f"{signal.file}: expected frames {frames.start + 1} to {frames.stop} as the sheet says, "
        f"found {found}. Correct the column frames of the sheet, or leave it empty."
    )


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


def acquisition(spectra: ViewSpectra, pixel_nm: float) -> ManifestRow:
    """Return how a tilt was measured; NaN and nothing where its file is silent.

    Times and dose are those of the frames that are used, as a share of all. The dose is
    that of the whole time over the area of the map.
    """
    signal, photons = spectra.signal, spectra.photons
    share = photons.n_frames / max(1, signal.values.n_frames) if photons.n_frames else 1.0
    current, live, seconds = (
        np.nan if value is None else value
        for value in (signal.beam_nA, signal.live_s, signal.real_s)
    )
    area = spectra.shape[0] * spectra.shape[1] * (10 * pixel_nm) ** 2
    of_detectors = photons.per_detector().items()
    return {
        "beam_keV": np.nan if signal.beam_keV is None else signal.beam_keV,
        "beam_nA": current,
        "live_s": share * live,
        "real_s": share * seconds,
        "dose_e_per_A2": current * share * seconds / AMPERE_SECOND_PER_ELECTRON / 1e9 / area,
        "n_frames": photons.n_frames or np.nan,
        "detectors": ", ".join(f"{name} {total}" for name, total in of_detectors),
    }


def join(spectra: Sequence[ViewSpectra]) -> SparseSpectra:
    """Return the spectra of all tilts one after the other.

    Frames and detectors are kept where all files tell them.
    """
    photons = [one.photons for one in spectra]
    starts = np.cumsum([0, *(len(one.counts) for one in photons)])
    ends = [one.ends[1:] + start for one, start in zip(photons, starts[:-1], strict=True)]
    counts = to_integers(np.concatenate([one.counts for one in photons]))
    assert counts is not None  # they were integers tilt by tilt
    frames = [one.frames for one in photons if one.frames is not None]
    detectors, names = _detectors(photons)
    signals = [one.signal for one in spectra]
    return SparseSpectra(
        counts,
        np.concatenate([one.channels for one in photons]),
        np.concatenate([[0], *ends]).astype(np.int64),
        np.concatenate(frames) if len(frames) == len(photons) else None,
        detectors,
        spectra[0].axis,
        tuple(one.n_frames for one in photons),
        names,
        signals[0].beam_keV,
        signals[0].resolution_eV,
        tuple(sorted({symbol for one in signals for symbol in one.elements})),
    )


def _detectors(photons: Sequence[Photons]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Return the detector of each entry of all tilts, numbered alike, and their names."""
    if any(one.detectors is None for one in photons):
        return None, ()
    names = tuple(sorted({name for one in photons for name in one.names}))
    numbers = [np.array([names.index(name) for name in one.names], np.uint8) for one in photons]
    found = [table[one.detectors] for table, one in zip(numbers, photons, strict=True)]
    return np.concatenate(found), names
