"""Counting photons in windows of energy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from stemedx.arrays import ElementMaps
from stemedx.maps.lines import Line

MNKA_EV = 5898.7
# Spread of the charge that a photon of 1 eV sets free in silicon (Fano), eV of FWHM^2.
FANO_EV = 2.5


@dataclass(frozen=True)
class Window:
    """The channels, last one excluded, that count as one line."""

    line: Line
    first: int
    end: int


def fwhm_keV(energy_keV: float, resolution_eV: float) -> float:  # noqa: N802, N803
    """Return the full width at half maximum of a line, keV.

    Its square is that of the electronics plus 2.5 eV times the energy, such that it is
    `resolution_eV` at Mn Ka.

    Goldstein et al. (2003), Scanning Electron Microscopy and X-ray Microanalysis,
    3rd ed.
    """
    electronics = max(resolution_eV**2 - FANO_EV * MNKA_EV, 0.0)
    return float(np.sqrt(electronics + FANO_EV * energy_keV * 1e3)) / 1e3


def to_window(
    line: Line,
    half_width_keV: float,  # noqa: N803
    offset_keV: float,  # noqa: N803
    scale_keV: float,  # noqa: N803
    n_channels: int,
) -> Window:
    """Return the channels whose centres lie within a line's window.

    The nearest channel is always one of them; channels beyond the axis are not.
    """
    centre = (line.energy_keV - offset_keV) / scale_keV
    half = half_width_keV / scale_keV
    first = min(int(np.ceil(centre - half)), int(np.rint(centre)))
    last = max(int(np.floor(centre + half)), int(np.rint(centre)))
    return Window(line, max(first, 0), min(last + 1, n_channels))


def count_windows(
    spectra: csr_array, windows: Sequence[Window], shape: tuple[int, int, int]
) -> ElementMaps:
    """Return the photons of each pixel in each window.

    Parameters
    ----------
    spectra
        ``(pixel, channel)`` counts, pixels in the order (tilt, y, x).
    windows
        One per element.
    shape
        Number of tilts, rows and columns.

    Returns
    -------
    maps
        ``(element, tilt, y, x)`` photons.
    """
    channels = np.zeros((spectra.shape[1], len(windows)), np.int64)
    for n, window in enumerate(windows):
        channels[window.first : window.end, n] = 1
    counted = spectra.astype(np.int64) @ channels
    return np.moveaxis(counted.reshape(*shape, len(windows)), -1, 0)
