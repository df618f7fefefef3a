"""Soft masks around the specimen, for comparing two reconstructions of it."""

import numpy as np
from scipy import ndimage

from stemedx.arrays import Volume

BRIGHT_SHARE = 1e-3
SMOOTH_PX = 2.0


def soft_mask(total: Volume, *, threshold: float, dilation_px: float, edge_px: float) -> Volume:
    """Return a mask that is 1 around the specimen and falls smoothly to 0.

    Parameters
    ----------
    total
        ``(z, y, x)`` sum over elements, of both halves if both are to be masked alike.
    threshold
        The specimen is where the smoothed sum exceeds this share of the median of its
        brightest thousandth.
    dilation_px
        The mask is 1 up to this distance from the specimen, voxels.
    edge_px
        It falls as a cosine over this distance, voxels.

    Returns
    -------
    mask
        ``(z, y, x)`` from 0 to 1; 1 everywhere where nothing is brighter than 0.
    """
    smooth = ndimage.gaussian_filter(total, SMOOTH_PX)
    n_bright = max(1, round(BRIGHT_SHARE * smooth.size))
    bright = np.median(np.partition(smooth, smooth.size - n_bright, axis=None)[-n_bright:])
    outside = smooth <= threshold * bright
    if bright <= 0:
        return _taper(total.shape, edge_px)
    distance = ndimage.distance_transform_edt(outside).astype(np.float32)
    fall = np.clip((distance - dilation_px) / edge_px, 0, 1)
    return 0.5 * (1 + np.cos(np.pi * fall)) * _taper(total.shape, edge_px)


def _taper(shape: tuple[int, ...], edge_px: float) -> Volume:
    """Return a volume of 1 that falls to 0 at its borders.

    Opposite borders do not match; the step between them has all frequencies.
    """
    sides = []
    for n in shape:
        depth = np.minimum(np.arange(n), np.arange(n)[::-1]) + 0.5
        sides.append(0.5 * (1 - np.cos(np.pi * np.clip(depth / edge_px, 0, 1))))
    z, y, x = sides
    return (z[:, None, None] * y[:, None] * x).astype(np.float32)


def apply_mask(volume: Volume, mask: Volume) -> Volume:
    """Return the volume within the mask, after subtracting its mean there.

    A mean that is left in place gives the mask's own shape to every volume.
    """
    mean = np.sum(volume * mask, dtype=np.float64) / np.sum(mask, dtype=np.float64)
    return (volume - np.float32(mean)) * mask


def effective_share(mask: Volume) -> float:
    """Return the share of the Fourier coefficients that stay independent.

    Multiplying noise by a mask ties neighbouring coefficients together.
    """
    squares = mask.astype(np.float64) ** 2
    return float(squares.sum() ** 2 / (mask.size * np.sum(squares**2)))
