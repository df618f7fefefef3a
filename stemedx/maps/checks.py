"""Checks that every measured array has to pass."""

from pathlib import Path

import numpy as np


def insist_counts_or_rates(
    values: np.ndarray, where: str | Path, axes: tuple[str, ...], origin: tuple[int, ...] = ()
) -> None:
    """Refuse values that neither counts nor intensities can have.

    Parameters
    ----------
    values
        What was measured.
    where
        File or element, for the message.
    axes
        Names of the axes of `values`.
    origin
        Index of the first of `values` in a greater array; nothing if they are all.

    Raises
    ------
    ValueError
        If a value is complex, not a number, infinite, or negative; the message tells
        which and where.
    """
    if not (np.issubdtype(values.dtype, np.number) or values.dtype == bool):
        raise ValueError(f"{where}: expected numbers, found {values.dtype}. Export it again.")
    if np.iscomplexobj(values):
        raise ValueError(
            f"{where}: expected counts, found complex numbers ({values.dtype}). Export the maps "
            "themselves, not their Fourier transform."
        )
    start = origin or (0,) * len(axes)
    if values.dtype.kind == "f":
        remedy = "Export it again without masked pixels"
        _insist(
            np.isfinite(values), values, f"{where}: expected finite values", axes, remedy, start
        )
    if values.dtype.kind in "fi":
        remedy = "Export counts before background subtraction and resampling"
        _insist(values >= 0, values, f"{where}: expected values >= 0", axes, remedy, start)


def _insist(
    is_fine: np.ndarray,
    values: np.ndarray,
    wanted: str,
    axes: tuple[str, ...],
    remedy: str,
    start: tuple[int, ...],
) -> None:
    if is_fine.all():
        return
    n_faults = int(is_fine.size - is_fine.sum())
    index = np.unravel_index(int(np.argmin(is_fine)), is_fine.shape)
    places = zip(axes, index, start, strict=True)
    place = ", ".join(f"{axis} {int(n) + first}" for axis, n, first in places)
    raise ValueError(
        f"{wanted}, found {float(values[index]):g} at {place} ({n_faults} such values in all). "
        f"{remedy}."
    )


def to_integers(values: np.ndarray) -> np.ndarray | None:
    """Return the values as the smallest unsigned integers that hold them, 16 bits or more.

    None if there are fractions. The values must be >= 0.
    """
    if values.dtype.kind == "f" and not (values == np.floor(values)).all():
        return None
    largest = values.max(initial=0)
    return values.astype(np.uint16 if largest < 2**16 else np.uint32)
