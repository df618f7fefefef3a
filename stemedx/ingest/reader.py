"""The door to RosettaSciIO, HyperSpy's readers of vendor files.

The readers are called themselves, not `hyperspy.load`: that fills in what a file does
not say (a stage tilt of 0, a detector at 35 degrees), and it can then not be told from
what was measured.
"""

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from rsciio import IO_PLUGINS

from stemedx.ingest.probe import mapped, read_apart
from stemedx.ingest.truncation import missing_bytes
from stemedx.ingest.units import to_keV

# Readers that share an extension with another one.
PREFERRED = {"mrc": "MRC", "hdf5": "HSPY", "img": "JEOL", "map": "JEOL"}
# Only what is asked for is read; spectra of a sparse stream are unpacked part by part.
LAZY = ("HSPY", "ZSPY", "EMD", "JEOL", "EDAX", "MRC")
STREAMS = ("EMD", "JEOL")  # lists of photons, which their readers count
COMPILED = ("Bruker",)  # readers that may take the process with them
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
        An array, or a lazy one; `load` gives it in memory.
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
        with _readable(self.file):
            image = self.values if index is None else self.values[index]
            image = np.moveaxis(image, energy - len(self.axes), -1)
            step = max(1, PART_BYTES // max(1, image[0].size * image.dtype.itemsize))
        for first in range(0, image.shape[0], step):
            with _readable(self.file):
                part = np.asarray(image[first : first + step])
            yield part

    def load(self, index: int | None = None) -> np.ndarray:
        """Return the values, or those at one index of the first axis, in memory.

        Raises
        ------
        ValueError
            If they cannot be read.
        """
        with _readable(self.file):
            return np.asarray(self.values if index is None else self.values[index])


def read_signals(path: Path) -> tuple[list[Signal], list[str]]:
    """Return the signals of a file, and what its reader warned of.

    Raises
    ------
    ValueError
        If there is no reader for it, it is shorter than it says, or the reader fails.
    """
    if missing := missing_bytes(path):
        raise ValueError(
            f"{path}: expected a whole file, found {path.stat().st_size} bytes, {missing} fewer "
            f"than its header announces. {REMEDY}"
        )
    name, api = _plugin(path)
    options: dict[str, Any] = {"lazy": True} if name in LAZY else {}
    if name in STREAMS:
        options["SI_dtype"] = np.uint16  # JEOL's default of 8 bits would wrap in silence
    with _readable(path), _overheard() as said:
        if name in COMPILED:
            found = read_apart(api, path)
        else:
            found = import_module(api).file_reader(str(path), **options)
    return [_signal(path, one) for one in found], said


def _plugin(path: Path) -> tuple[str, str]:
    candidates = _candidates(path)
    preferred = PREFERRED.get(_extension(path))
    for name, api in candidates.items():
        if len(candidates) == 1 or name == preferred:
            return name, api
    if _extension(path) in ("zip", "gz", "7z", "tar"):
        raise ValueError(
            f"{path}: expected a raw file, found an archive. Unpack it; for EDAX keep .spd, .spc "
            "and .ipr in one folder."
        )
    found = f"{len(candidates)} readers ({', '.join(candidates)})" if candidates else "no reader"
    raise ValueError(
        f"{path}: expected a file that one reader of RosettaSciIO knows by its extension, found "
        f"{found}. Save it as .hspy, or name other files in the column raw."
    )


def _candidates(path: Path) -> dict[str, str]:
    extension = _extension(path)
    return {
        plugin["name"]: plugin["api"]
        for plugin in IO_PLUGINS
        if extension in {known.lower() for known in plugin["file_extensions"]}
    }


def _extension(path: Path) -> str:
    return path.suffix.removeprefix(".").lower()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
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


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """Collect the warnings of the readers, which would be noise on a terminal."""
    said: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("rsciio")
    before = logger.handlers, logger.propagate
    logger.handlers, logger.propagate = [handler], False
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield said
        said.extend(str(item.message) for item in caught if item.category is UserWarning)
        said[:] = dict.fromkeys(text for text in said if "numba" not in text)
    finally:
        logger.handlers, logger.propagate = before


def _signal(path: Path, found: dict[str, Any]) -> Signal:
    metadata = found.get("metadata") or {}
    vendor = found["mapped"] if "mapped" in found else mapped(found)
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
        _number(stage_deg),
        _number(beam_keV),
        _number(detector.get("energy_resolution_MnKa")),
        _symbols(metadata.get("Sample", {})),
        _number(instrument.get("beam_current")),
        _number(detector.get("live_time")),
        _number(detector.get("real_time")),
    )


def _symbols(sample: dict[str, Any]) -> tuple[str, ...]:
    """Return the elements that a file names, by themselves or by their lines."""
    lines = [str(line).split("_")[0] for line in _texts(sample, "xray_lines")]
    found = _texts(sample, "elements") + lines
    return tuple(sorted({symbol for symbol in found if re.fullmatch("[A-Z][a-z]?", symbol)}))


def _texts(sample: dict[str, Any], key: str) -> list[str]:
    """Return a list of the metadata, which a file may hold as an array or not at all."""
    return [str(one) for one in np.atleast_1d(np.asarray(sample.get(key, ()), dtype=object))]


def _axis(axis: dict[str, Any]) -> Axis:
    if "axis" in axis:
        values = np.asarray(axis["axis"], np.float64)
    else:
        steps = np.arange(int(axis["size"]), dtype=np.float64)
        offset, scale = (_number(axis.get(key)) for key in ("offset", "scale"))
        # a scale of 0 is kept: it shows that nothing was calibrated
        values = (offset or 0.0) + (1.0 if scale is None else scale) * steps
    units, name = (axis.get(key) for key in ("units", "name"))
    return Axis(
        name if isinstance(name, str) else "", units if isinstance(units, str) else "", values
    )


def _number(value: Any) -> float | None:
    """Return a number; None where a file has none, or one for each image of a stack."""
    is_number = isinstance(value, int | float | np.number) or np.shape(value) == (1,)
    return float(np.ravel(value)[0]) if is_number else None
