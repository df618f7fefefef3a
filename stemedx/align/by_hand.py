"""An alignment that somebody made by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from stemedx.arrays import PerTilt, Shifts

SHIFT_KEYS = ("shift_y_px", "shift_x_px")
ROTATION_KEY = "rotation_deg"


def read_by_hand(path: Path, n_tilts: int) -> tuple[PerTilt, Shifts]:
    """Return what `parse_by_hand` finds in a file.

    Raises
    ------
    ValueError
        If there is no such file, it is not text in UTF-8, or not an alignment.
    """
    if not path.is_file():
        raise ValueError(
            f"{path}: expected an alignment made by hand, found no such file. Correct the column "
            "alignment of the sheet, or leave it empty."
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(
            f"{path}: expected JSON in UTF-8, found other bytes. Save the file as UTF-8."
        ) from None
    return parse_by_hand(text, n_tilts, str(path))


def parse_by_hand(text: str, n_tilts: int, where: str) -> tuple[PerTilt, Shifts]:
    """Return the rotations and shifts that a JSON object lists.

    To align an image, rotate it by `rotation_deg` counter-clockwise as displayed about
    its centre, then move it by `shift_x_px` columns right and `shift_y_px` rows down.
    Each is a list with one entry per tilt, in rising order of tilt; without
    `rotation_deg` nothing is rotated.

    Parameters
    ----------
    text
        JSON.
    n_tilts
        Number of tilts.
    where
        Name of the file, for messages.

    Returns
    -------
    rotation_deg, shift_px
        ``(tilt,)`` and ``(tilt, axis)``, (y, x).

    Raises
    ------
    ValueError
        If it is not a JSON object, a list is missing, has another length, or holds
        anything but finite numbers.
    """
    try:
        given = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where}: expected JSON, found {error}. Correct the file.") from None
    if not isinstance(given, dict):
        raise ValueError(
            f"{where}: expected an object with the lists {', '.join(SHIFT_KEYS)} and "
            f"{ROTATION_KEY}, found a {type(given).__name__}. Correct the file."
        )
    given.setdefault(ROTATION_KEY, n_tilts * [0.0])
    rotation, y, x = (_list(given, key, n_tilts, where) for key in (ROTATION_KEY, *SHIFT_KEYS))
    return rotation, np.stack([y, x], axis=1)


def _list(given: dict[str, Any], key: str, n_tilts: int, where: str) -> PerTilt:
    """Return one of the lists, checked."""
    values = given.get(key)
    expected = f"{where}: {key}: expected a list of {n_tilts} numbers, one per tilt"
    if not isinstance(values, list):
        found = "none" if values is None else repr(values)
        raise ValueError(f"{expected}, found {found}. Add the list.")
    if len(values) != n_tilts:
        raise ValueError(
            f"{expected}, found {len(values)}. Give one entry per tilt, in rising order of tilt."
        )
    for entry, value in enumerate(values, start=1):
        if type(value) not in (int, float) or not np.isfinite(value):
            raise ValueError(f"{expected}, found {value!r} at entry {entry}. Correct it.")
    return np.array(values, np.float64)
