"""Spectra of one view as a sparse matrix: most channels of most pixels hold nothing."""

from collections.abc import Iterable

import numpy as np
from scipy.sparse import csr_array, vstack

from stemedx.ingest.calibration import EnergyAxis
from stemedx.ingest.tilts import View
from stemedx.maps.checks import insist_counts_or_rates, to_integers


def to_sparse(
    parts: Iterable[np.ndarray],
    view: View,
    axis: EnergyAxis,
    min_keV: float,  # noqa: N803
) -> csr_array:
    """Return ``(pixel, channel)`` counts without the channels below `min_keV`.

    One part of the rows at a time is in memory as a dense array.
    """
    rows, first_row = [], 0
    for part in parts:
        rows.append(_part_to_sparse(part, view, axis.first_above(min_keV), first_row))
        first_row += len(part)
    return vstack(rows, format="csr")


def _part_to_sparse(spectra: np.ndarray, view: View, first: int, first_row: int) -> csr_array:
    insist_counts_or_rates(spectra, view.file, ("y", "x", "channel"), (first_row, 0, 0))
    counts = spectra if spectra.dtype.kind in "u" else to_integers(spectra)
    if counts is None:
        raise ValueError(
            f"{view.file}: expected spectra of counted photons, found fractions such as "
            f"{spectra[spectra != np.floor(spectra)][0]:g} in {view.name}. Export spectra that "
            "are not normalised or filtered."
        )
    n_channels = counts.shape[-1]
    # the flat order of a part whose energies came first is not that of its memory
    pixels, channels = np.divmod(np.flatnonzero(counts), n_channels)
    is_kept = channels >= first
    pixels, channels = pixels[is_kept], channels[is_kept]
    values = counts.reshape(-1, n_channels)[pixels, channels]
    ends = np.searchsorted(pixels, np.arange(counts.size // n_channels + 1))
    return csr_array((values, channels, ends), shape=(len(ends) - 1, n_channels))
