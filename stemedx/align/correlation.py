"""The shift between two images that are alike but for noise, below a pixel."""

import numpy as np
from scipy import fft

from stemedx.arrays import Pixels, Profile


def profile_shift(profile: Profile, reference: Profile, max_shift_px: float) -> float:
    """Return by how much `profile` must move to lie on `reference`, samples.

    Both should fall to 0 at their ends; moves beyond `max_shift_px` are not searched.
    """
    row = image_shift(profile[None], reference[None], (0.0, max_shift_px))
    return row[1]


def image_shift(
    image: Pixels, reference: Pixels, max_shift_px: tuple[float, float]
) -> tuple[float, float]:
    """Return by how much `image` must move to lie on `reference`, (rows, columns).

    The maximum of the correlation, between samples by a parabola along each axis. Of
    several images that move alike, correlations are summed.

    Parameters
    ----------
    image, reference
        ``(..., y, x)``; both should fall to 0 at their borders.
    max_shift_px
        Largest move that is searched along each axis, pixels.
    """
    shape = tuple(fft.next_fast_len(2 * n, real=True) for n in image.shape[-2:])
    spectrum = fft.rfft2(reference, shape) * np.conj(fft.rfft2(image, shape))
    correlation = fft.irfft2(spectrum.reshape(-1, *spectrum.shape[-2:]).sum(axis=0), shape)
    reach = [
        min(int(np.ceil(most)), n - 1)
        for most, n in zip(max_shift_px, image.shape[-2:], strict=True)
    ]
    near = np.ix_(*(np.arange(-most, most + 1) for most in reach))
    window = correlation[near]
    y, x = np.unravel_index(window.argmax(), window.shape)
    return (
        float(y - reach[0] + vertex(window[:, x], int(y))),
        float(x - reach[1] + vertex(window[y], int(x))),
    )


def vertex(values: Profile, peak: int) -> float:
    """Return where a parabola through the peak and its neighbours has its top."""
    if peak in (0, len(values) - 1):
        return 0.0
    before, top, after = values[peak - 1 : peak + 2]
    curvature = before - 2 * top + after
    return float(0.5 * (before - after) / curvature) if curvature < 0 else 0.0
