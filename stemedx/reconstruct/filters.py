"""Smoothing of measured maps before a linear reconstruction."""

import numpy as np

from stemedx.arrays import MeasuredMaps, Rates


def box_mean(maps: MeasuredMaps, size_px: int) -> Rates:
    """Return the mean of the square of pixels around each pixel.

    At the edges the mean is taken over the part of the square that was scanned, so
    that a constant map stays as it is.

    Parameters
    ----------
    maps
        ``(element, tilt, y, x)`` counts or intensities.
    size_px
        Side of the square, pixels; odd.

    Returns
    -------
    rates
        ``(element, tilt, y, x)`` expected photons per pixel.
    """
    n_y, n_x = maps.shape[-2:]
    mean_y, mean_x = _mean_matrix(n_y, size_px), _mean_matrix(n_x, size_px)
    rates = np.empty(maps.shape, np.float32)
    for element, tilt in np.ndindex(*maps.shape[:2]):
        rates[element, tilt] = mean_y @ maps[element, tilt].astype(np.float32) @ mean_x.T
    return rates


def _mean_matrix(n: int, size_px: int) -> np.ndarray:
    """Return the matrix whose row is the mean of the pixels around its own."""
    pixel = np.arange(n)
    near = np.abs(pixel[:, None] - pixel) <= size_px // 2
    return (near / near.sum(axis=1, keepdims=True)).astype(np.float32)
