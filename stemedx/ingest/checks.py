"""Checks that every raw array has to pass."""

from pathlib import Path

import numpy as np


def insist_counts_or_rates(values: np.ndarray, where: str | Path) -> None:
    """Refuse values that neither counts nor intensities can have.

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
    if values.dtype.kind == "f":
        remedy = "Export it again without masked pixels"
        _insist(values, np.isfinite(values), where, "finite values", remedy)
    if values.dtype.kind in "fi":
        remedy = "Export counts before background subtraction and resampling"
        _insist(values, values >= 0, where, "values >= 0", remedy)


def _insist(
    values: np.ndarray, is_fine: np.ndarray, where: str | Path, wanted: str, remedy: str
) -> None:
    if is_fine.all():
        return
    n_faults = int(is_fine.size - is_fine.sum())
    place = np.unravel_index(int(np.argmin(is_fine)), is_fine.shape)
    index = ", ".join(str(int(n)) for n in place)
    raise ValueError(
        f"{where}: expected {wanted}, found {float(values[place]):g} at index ({index}) and "
        f"{n_faults} such values in all. {remedy}."
    )


def to_integers(values: np.ndarray) -> np.ndarray | None:
    """Return the values as the smallest unsigned integers that hold them, 16 bits or more.

    None if there are fractions. The values must be >= 0.
    """
    if values.dtype.kind == "f" and not (values == np.floor(values)).all():
        return None
    largest = values.max(initial=0)
    return values.astype(np.uint16 if largest < 2**16 else np.uint32)
