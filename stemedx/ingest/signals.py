"""The signals of raw files: their values, axes, and what the file says of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stemedx.ingest.photons import Photons, from_streams
from stemedx.ingest.units import to_keV
from stemedx.ingest.vendor import mapped, number, symbols, velox_current_nA, velox_seconds

# A part of a spectrum image that is in memory as a whole, at least one row of it.
PART_BYTES = 128 * 2**20
REMEDY = (
    "It may be truncated, or not what its name says: copy it again from the microscope, "
    "or name the other files by a glob in the column raw."
)


@dataclass(frozen=True)
class Axis:
    """One axis of a signal: its name, unit, and value at each index."""

    name: str
    units: str
    values: np.ndarray

    @property
    def scale(self) -> float:
        """Step from one index to the next, in `units`."""
        return float(self.values[1] - self.values[0]) if len(self.values) > 1 else 1.0


@dataclass(frozen=True)
class Signal:
    """One signal of a file, as its reader gives it.

    Attributes
    ----------
    file
        Where it was read.
    title
        As the vendor's software calls it.
    values
        An array, or a lazy one, or photons; `load` gives an array in memory.
    axes
        In the order of the array.
    is_eels
        Whether it is an energy-loss signal.
    stage_deg, beam_keV, resolution_eV
        Tilt of the stage, beam energy, detector resolution at Mn Ka; None where the
        file does not say.
    elements
        Symbols that the file names.
    beam_nA, live_s, real_s
        Beam current, live time of the detector and time of the acquisition; None where
        the file does not say.
    """

    file: Path
    title: str
    values: Any
    axes: tuple[Axis, ...]
    is_eels: bool
    stage_deg: float | None
    beam_keV: float | None  # noqa: N815
    resolution_eV: float | None  # noqa: N815
    elements: tuple[str, ...] = ()
    beam_nA: float | None = None  # noqa: N815
    live_s: float | None = None
    real_s: float | None = None

    @property
    def energy_axis(self) -> int | None:
        """Index of the axis of energies; None if there is none."""
        if self.is_eels:
            return None
        found = [n for n, axis in enumerate(self.axes) if to_keV(axis.units) is not None]
        return found[0] if len(found) == 1 else None

    def parts(self, index: int | None, energy: int) -> Iterator[np.ndarray]:
        """Yield ``(row, x, energy)`` parts of a spectrum image, rows rising.

        Parameters
        ----------
        index
            Of the first axis of a stack; None for a single spectrum image.
        energy
            Index of the axis of energies.

        Raises
        ------
        ValueError
            If they cannot be read.
        """
        with readable(self.file):
            image = self.values if index is None else self.values[index]
            image = np.moveaxis(image, energy - len(self.axes), -1)
            step = max(1, PART_BYTES // max(1, image[0].size * image.dtype.itemsize))
        for first in range(0, image.shape[0], step):
            with readable(self.file):
                part = np.asarray(image[first : first + step])
            yield part

    def load(self, index: int | None = None) -> np.ndarray:
        """Return the values, or those at one index of the first axis, in memory.

        Raises
        ------
        ValueError
            If they cannot be read.
        """
        with readable(self.file):
            return np.asarray(self.values if index is None else self.values[index])


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn whatever a reader raises into one line that names the file."""
    try:
        yield
    except ImportError as error:
        raise ValueError(f"{path}: its reader lacks a package ({error}). Install it.") from error
    # readers fail in every way there is on a file that is cut short
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ValueError(
            f"{path}: expected a raw file that can be read, the reader failed ({reason}). {REMEDY}"
        ) from error


def is_stream(found: dict[str, Any]) -> bool:
    """Tell whether a signal is made of single photons: (frame, y, x, energy)."""
    return len(found["axes"]) == 4 and found["axes"][0].get("name") in ("Time", "Frame")


def signal_of_streams(path: Path, found: list[dict[str, Any]]) -> Signal:
    """Return the photons of the detectors of one measurement as one signal."""
    by_name = sorted((_detector(one, n), n) for n, one in enumerate(found, start=1))
    streams = [_sparse_of(found[n - 1]["data"]) for _, n in by_name]
    return signal_of_photons(path, found[0], from_streams(streams, [name for name, _ in by_name]))


def signal_of_photons(path: Path, found: dict[str, Any], photons: Photons) -> Signal:
    """Return photons as a signal, with the axes and metadata that their stream has."""
    first = {**found, "axes": found["axes"][1:], "data": photons}
    original = first.get("original_metadata")
    n_pixels = photons.shape[0] * photons.shape[1]
    current = velox_current_nA(original)
    return to_signal(path, first, current, velox_seconds(original, n_pixels, photons.n_frames))


def _detector(found: dict[str, Any], n: int) -> str:
    original = found.get("original_metadata") or {}
    return str(original.get("BinaryResult", {}).get("Detector", f"detector {n}"))


def _sparse_of(lazy: Any) -> Any:
    """Return the sparse array that a reader of photons has wrapped: its slices are dense.

    Raises
    ------
    TypeError
        If it has not done so.
    """
    found = [one for one in lazy.dask.values() if hasattr(one, "coords") and hasattr(one, "data")]
    if len(found) != 1:
        raise TypeError(f"expected one sparse array behind a stream, found {len(found)}")
    return found[0]


def to_signal(
    path: Path,
    found: dict[str, Any],
    beam_nA: float | None = None,  # noqa: N803
    seconds: float | None = None,
) -> Signal:
    """Return a signal; its current and time where the caller knows them better."""
    metadata = found.get("metadata") or {}
    vendor = mapped(found)
    microscope = metadata.get("Acquisition_instrument", {})
    instrument = microscope.get("TEM") or microscope.get("SEM") or {}
    detector = instrument.get("Detector", {}).get("EDS", {})
    stage_deg = instrument.get("Stage", {}).get("tilt_alpha", vendor.get("tilt_alpha"))
    beam_keV = instrument.get("beam_energy", vendor.get("beam_energy"))  # noqa: N806
    return Signal(
        path,
        str(metadata.get("General", {}).get("title", "")),
        found["data"],
        tuple(_axis(axis) for axis in found["axes"]),
        "EELS" in str(metadata.get("Signal", {}).get("signal_type", "")),
        number(stage_deg),
        number(beam_keV),
        number(detector.get("energy_resolution_MnKa")),
        symbols(metadata.get("Sample", {})),
        beam_nA or number(instrument.get("beam_current")),
        number(detector.get("live_time")),
        seconds or number(detector.get("real_time")),
    )


def _axis(axis: dict[str, Any]) -> Axis:
    if "axis" in axis:
        values = np.asarray(axis["axis"], np.float64)
    else:
        steps = np.arange(int(axis["size"]), dtype=np.float64)
        offset, scale = (number(axis.get(key)) for key in ("offset", "scale"))
        # a scale of 0 is kept: it shows that nothing was calibrated
        values = (offset or 0.0) + (1.0 if scale is None else scale) * steps
    units, name = (axis.get(key) for key in ("units", "name"))
    return Axis(
        name if isinstance(name, str) else "", units if isinstance(units, str) else "", values
    )
