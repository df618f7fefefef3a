"""The statistics of counted photons."""

import numpy as np
from scipy.ndimage import uniform_filter
from scipy.stats import poisson

from stemedx.arrays import Counts, MeasuredMaps, Rates

NEAR_PX = 11  # side of the square whose share of hits tells the rate
LARGEST_SHARE = 0.98  # where nearly every pixel is hit, the rate is only bounded
TINY = 1e-12


def split_counts(
    counts: Counts, fraction: float, rng: np.random.Generator
) -> tuple[Counts, Counts]:
    """Split counts into two statistically independent shares, photon by photon.

    Each photon goes to the first share with probability `fraction`. If `counts`
    is Poisson with mean ``m``, the shares are independent and Poisson with means
    ``fraction * m`` and ``(1 - fraction) * m``. Of clipped hits (0 or 1) each goes
    to one share: the shares are exclusive, not independent; the error is of the
    order of the rate.

    Parameters
    ----------
    counts
        Detected photons, any axes. Integers: a rescaled map is not Poisson.
    fraction
        Expected share of the first part, ``0 < fraction < 1``.
    rng
        Source of the random assignment.

    Returns
    -------
    first, second
        Same shape and dtype as `counts`; they add up to `counts` exactly.

    Raises
    ------
    ValueError
        If `fraction` is not strictly between 0 and 1.

    References
    ----------
    Neufeld et al. (2024), J. Mach. Learn. Res. 25(57), 1-35 (Poisson thinning).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> first, second = split_counts(np.array([[8, 0]], np.uint16), 0.5, rng)
    >>> first + second
    array([[8, 0]], dtype=uint16)
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must lie strictly between 0 and 1, got {fraction}.")
    first = rng.binomial(counts, fraction).astype(counts.dtype)
    return first, counts - first


def in_photons(maps: MeasuredMaps, variance_to_mean: list[float]) -> MeasuredMaps:
    """Return `maps` in units of one photon.

    Integer maps come back untouched; intensities are divided by their
    variance-to-mean factor, element by element.

    Parameters
    ----------
    maps
        ``(element, tilt, y, x)`` counts, or intensities >= 0.
    variance_to_mean
        One factor per element: the intensity of one photon. 1 for counts.

    Raises
    ------
    ValueError
        If an intensity is negative or not finite, or a factor is not above 0.
    """
    if np.issubdtype(maps.dtype, np.integer):
        return maps
    if not (np.isfinite(maps).all() and maps.min() >= 0):
        raise ValueError(
            f"expected finite intensities >= 0, found {np.nanmin(maps):g} to {maps.max():g}. "
            "Make the element maps again, from data without background subtraction."
        )
    factors = np.asarray(variance_to_mean)
    if not (factors > 0).all():
        raise ValueError(
            f"expected variance-to-mean factors above 0, found {variance_to_mean}. "
            "Make the element maps again."
        )
    return (maps / factors[:, None, None, None]).astype(np.float32)


def to_counts(
    maps: MeasuredMaps, variance_to_mean: list[float], rng: np.random.Generator
) -> Counts:
    """Return integers that stand for the photons behind `maps`.

    Integer maps come back untouched. Intensities are rounded up or down at random, in
    units of one photon, so that the expected value of every pixel is kept.

    Parameters
    ----------
    maps, variance_to_mean
        See `in_photons`.
    rng
        Source of the rounding.

    Returns
    -------
    counts
        ``(element, tilt, y, x)`` photons, or their stand-ins.
    """
    photons = in_photons(maps, variance_to_mean)
    if np.issubdtype(photons.dtype, np.integer):
        return photons
    whole = np.floor(photons)
    return (whole + (rng.random(photons.shape) < photons - whole)).astype(np.uint32)


def unclipped_rates(hits: Rates) -> Rates:
    """Return the photons per pixel at which a pixel is hit with these probabilities."""
    return -np.log1p(-np.minimum(hits, np.float32(LARGEST_SHARE)))


def unclip(hits: Counts, rng: np.random.Generator) -> Counts:
    """Draw the photons behind hits that were clipped to 1.

    A pixel with a hit held one photon or more: their number is drawn from a Poisson
    distribution without its zero, at the rate that the share of hits nearby tells. So
    the shares of `split_counts` are nearly independent, which those of clipped hits
    are not: a pixel whose hit is in one share has none left for the other.

    Parameters
    ----------
    hits
        ``(..., y, x)`` 0 or 1.
    rng
        Source of the photons.

    Returns
    -------
    counts
        Same shape; 0 where there was no hit, 1 or more where there was.
    """
    near = uniform_filter(hits.astype(np.float64), (0,) * (hits.ndim - 2) + (NEAR_PX, NEAR_PX))
    # running sums may leave -1e-18 in vacuum
    rates = -np.log1p(-np.clip(near, 0, LARGEST_SHARE))
    # the quantile of a uniform number above the probability of zero photons
    uniform = rng.uniform(np.exp(-rates), 1.0)
    photons = np.maximum(poisson.ppf(uniform, np.maximum(rates, TINY)), 1)
    return np.where(hits > 0, photons, 0).astype(np.uint16)
