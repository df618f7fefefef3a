"""Counts back from maps that an export has scaled."""

import numpy as np

from stemedx.arrays import ElementMaps, Image, MeasuredMaps

# How far a level may be from a whole number of counts, as a share of the largest value,
# and how many counts can be told then: float32; a picture of 8 bits; one that was
# rounded several times (colours that were added).
SLACKS = ((1e-5, 10_000), (0.5 / 255, 30), (3.1 / 255, 20))
BY_CHANCE = 1e-4


def unscale(maps: MeasuredMaps) -> ElementMaps | None:
    """Return the counts of maps that are counts times one factor per map.

    Exports divide by the maximum, often by way of 8 bits. The counts of the brightest
    pixel are the smallest number that makes every level whole; they are certain if
    chance does not make so many levels whole, and every number from one photon to the
    median of the pixels that are not 0 occurs.

    Parameters
    ----------
    maps
        ``(element, tilt, y, x)`` values >= 0, with fractions.

    Returns
    -------
    counts
        The same as integers; None if one map has no certain factor.
    """
    found = [_unscale_map(one) for of_element in maps for one in of_element]
    counts = [one for one in found if one is not None]
    if len(counts) < len(found):
        return None
    largest = max(int(one.max(initial=0)) for one in counts)
    dtype = np.uint16 if largest < 2**16 else np.uint32
    return np.stack(counts).reshape(maps.shape).astype(dtype)


def largest_counts(maps: Image) -> int | None:
    """Return the counts of the brightest pixel of one scaled map; None if not certain."""
    lit = maps[maps > 0].astype(np.float64)
    if not lit.size:
        return 0
    lit /= lit.max()
    levels = np.unique(lit)
    typical = float(np.median(lit))
    for slack, highest in SLACKS:
        for most in range(1, highest + 1):
            counts = np.rint(levels * most)
            is_whole = np.abs(levels * most - counts).max() <= most * slack + 1e-9
            if is_whole and np.isin(np.arange(1, max(2, round(typical * most) + 1)), counts).all():
                # what chance makes whole, of levels that tell: the last is whole by itself
                chance = (2 * most * slack) ** (len(levels) - 1) * most
                return most if chance < BY_CHANCE or most == 1 else None
    return None


def _unscale_map(image: Image) -> np.ndarray | None:
    most = largest_counts(image)
    if most is None:
        return None
    largest = image.max(initial=0)
    return np.rint(image.astype(np.float64) * (most / largest if largest > 0 else 0.0))
