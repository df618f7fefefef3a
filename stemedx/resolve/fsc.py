"""Fourier shell correlation of two reconstructions.

Frequencies are in cycles per pixel: 0.5 is the finest that the grid holds.
"""

from dataclasses import dataclass

import numpy as np
from scipy import fft

from stemedx.arrays import Profile, ShellCounts, Volume

NYQUIST = 0.5


@dataclass(frozen=True)
class Curve:
    """Correlation of two volumes on shells of spatial frequency."""

    frequency: Profile  # (shell,) cycles per pixel
    fsc: Profile  # (shell,)
    n: ShellCounts  # (shell,) Fourier coefficients
    sigma: Profile  # (shell,) standard deviation of the FSC, were the volumes independent


def shell_correlation(a: Volume, b: Volume) -> Curve:
    """Return the Fourier shell correlation of two volumes.

    Shells are one cycle per shortest side wide and reach to 0.5 cycles per pixel; the
    constant part of the volumes is left out. The sides may be unequal. `sigma` allows
    for the unequal power of the coefficients of a shell: what no tilt saw does not count.

    Parameters
    ----------
    a, b
        ``(z, y, x)`` the two volumes, masked alike.

    References
    ----------
    Harauz & van Heel (1986), Optik 73, 146-156.
    """
    shell, multiplicity = _shells(a.shape)
    n_shells = min(a.shape) // 2 + 1

    def total(values: np.ndarray) -> np.ndarray:
        weights = (values * multiplicity).ravel()
        return np.bincount(shell, weights, minlength=n_shells)[1:n_shells]

    one, two = fft.rfftn(a), fft.rfftn(b)
    cross = total(one.real * two.real + one.imag * two.imag)
    powers = _power(one), _power(two)
    norm = np.sqrt(total(powers[0]) * total(powers[1]))
    spread = np.sqrt(total(powers[0].astype(np.float64) * powers[1]))
    return Curve(
        frequency=np.arange(1, n_shells) / min(a.shape),
        fsc=np.divide(cross, norm, np.zeros_like(cross), where=norm > 0),
        n=np.rint(total(np.ones_like(powers[0]))).astype(np.int64),
        sigma=np.divide(spread, norm, np.ones_like(cross), where=norm > 0),
    )


def _power(spectrum: np.ndarray) -> np.ndarray:
    return spectrum.real**2 + spectrum.imag**2


def _shells(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the shell of each coefficient of ``rfftn``, flat, and its multiplicity."""
    n_z, n_y, n_x = shape
    z, y, x = fft.fftfreq(n_z), fft.fftfreq(n_y), fft.rfftfreq(n_x)
    radius = np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2)
    # rfftn holds one of each pair of conjugates, except at x frequencies 0 and n_x / 2.
    multiplicity = np.where((x == 0) | (x == NYQUIST), 1.0, 2.0).astype(np.float32)
    return np.rint(radius * min(shape)).astype(np.intp).ravel(), multiplicity


def crossing(curve: Curve, threshold: float) -> float:
    """Return the frequency at which the FSC first falls below a threshold.

    Interpolated linearly, going out from an FSC of 1 at frequency 0; 0.5 cycles per
    pixel if it never falls below.
    """
    frequency = np.concatenate([[0.0], curve.frequency])
    fsc = np.concatenate([[1.0], curve.fsc])
    below = np.flatnonzero(fsc < threshold)
    if not below.size:
        return NYQUIST
    before, after = below[0] - 1, below[0]
    part = (fsc[before] - threshold) / (fsc[before] - fsc[after])
    return float(frequency[before] + part * (frequency[after] - frequency[before]))
