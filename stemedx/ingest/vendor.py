"""What the metadata of a file really say: no default of a reader, no guess."""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np

WANTED = ("tilt_alpha", "beam_energy")
AMPERE_PER_NA = 1e-9


def mapped(found: dict[str, Any]) -> dict[str, Any]:
    """Return what the vendor's own metadata say, where the reader knows their place."""
    values = {}
    for place, (target, convert) in (found.get("mapping") or {}).items():
        name = target.rsplit(".", 1)[-1]
        value = _at(found.get("original_metadata"), place)
        if value is not None and name in WANTED:
            values[name] = convert(value) if convert else value
    return values


def velox_current_nA(original: Any) -> float | None:  # noqa: N802
    """Return the beam current (nA) of a Velox file: the screen current measured last.

    None where the file has none, or 0: the screen was never read.
    """
    current = number(_at(original, "Optics.LastMeasuredScreenCurrent"))
    return current / AMPERE_PER_NA if current else None


def velox_seconds(original: Any, n_pixels: int, n_frames: int) -> float | None:
    """Return how long the beam was on the pixels of a Velox map: dwell times all frames.

    The times that Velox tells of its detectors are those of one poll, not of the map.
    """
    dwell = number(_at(original, "Scan.DwellTime"))
    return dwell * n_pixels * n_frames if dwell else None


def symbols(sample: dict[str, Any]) -> tuple[str, ...]:
    """Return the elements that a file names, by themselves or by their lines."""
    lines = [str(line).split("_")[0] for line in _texts(sample, "xray_lines")]
    found = _texts(sample, "elements") + lines
    return tuple(sorted({symbol for symbol in found if re.fullmatch("[A-Z][a-z]?", symbol)}))


def number(value: Any) -> float | None:
    """Return a number; None where a file has none, or one for each image of a stack."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    is_number = isinstance(value, int | float | np.number) or np.shape(value) == (1,)
    return float(np.ravel(value)[0]) if is_number else None


def _texts(sample: dict[str, Any], key: str) -> list[str]:
    """Return a list of the metadata, which a file may hold as an array or not at all."""
    values: Iterable[Any] = np.atleast_1d(np.asarray(sample.get(key, ()), dtype=object))
    return [str(one) for one in values]


def _at(tree: Any, place: str) -> Any:
    """Return the value at ``a.b.c`` of nested dictionaries; None where there is none."""
    for key in place.split("."):
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree
