"""What the pixels of maps are: counts, hits, or intensities."""

import logging
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter

from stemedx.arrays import ElementMaps, MeasuredMaps, Series
from stemedx.maps.checks import insist_counts_or_rates, to_integers
from stemedx.maps.intensity import estimate_variance_to_mean
from stemedx.maps.scaled import unscale

log = logging.getLogger(__name__)
NEIGHBOURHOOD_PX = 11
CERTAIN = 10  # so many pixels above 1 are expected, and none is found: clipped
REMEDY = "Correct the column signal of the sheet, or export the maps again"


@dataclass(frozen=True)
class SignalMaps:
    """``(element, tilt, y, x)`` maps, what they are, and variance over mean by element."""

    values: MeasuredMaps
    signal: str
    variance_to_mean: list[float]


def to_signal(maps: MeasuredMaps, elements: list[str], said: str | None) -> SignalMaps:
    """Return maps of the type that their signal has, checked.

    Whole numbers are counts; hits if none is above 1 and 10 or more were expected to
    be. What has fractions is an intensity, if the sheet says so; else its scale is
    inverted if that is certain (`unscale`).

    Parameters
    ----------
    maps
        ``(element, tilt, y, x)`` as they were exported or counted.
    elements
        Symbols, for messages.
    said
        ``counts``, ``hits`` or ``intensity`` by the sheet; None to tell from the data.

    Raises
    ------
    ValueError
        If a value is negative or not finite; if the maps have fractions and the sheet
        does not call them intensities; if hits are above 1; if the noise of
        intensities cannot be told.
    """
    for element, of_element in zip(elements, maps, strict=True):
        insist_counts_or_rates(of_element, element, ("tilt", "y", "x"))
    if said == "intensity":
        values = maps.astype(np.float32)
        factors = [_factor(*pair) for pair in zip(elements, values, strict=True)]
        log.info("variance over mean: %s", dict(zip(elements, factors, strict=True)))
        return SignalMaps(values, said, factors)
    counts = to_integers(maps)
    if counts is None and said != "hits":
        counts = unscale(maps)
        if counts is not None:
            log.warning("the maps were scaled; one photon is one again, up to %d", counts.max())
    if counts is None:
        raise ValueError(_fractions(maps, elements, said))
    if said == "hits" and counts.max(initial=0) > 1:
        element, place = _first(counts > 1, elements)
        raise ValueError(
            f"{element}: expected hits of 0 or 1 as the sheet says, found "
            f"{int(counts.max())} as the largest value, the first above 1 at {place}. {REMEDY}."
        )
    signal = said or ("hits" if is_clipped(counts) else "counts")
    return SignalMaps(counts, signal, [1.0] * len(elements))


def is_clipped(counts: ElementMaps) -> bool:
    """Tell whether no pixel is above 1 although 10 or more should be."""
    return bool(counts.max(initial=0) == 1 and expected_above_one(counts) >= CERTAIN)


def expected_above_one(hits: ElementMaps) -> float:
    """Return how many pixels of Poisson counts would be above 1, from hits of 0 or 1.

    Of a pixel that was hit, the chance of a second photon is taken from the share of
    hits among its neighbours, itself left out: so noise does not add to it.
    """
    size = (1, 1, NEIGHBOURHOOD_PX, NEIGHBOURHOOD_PX)
    n = NEIGHBOURHOOD_PX**2
    around = uniform_filter(hits.astype(np.float64), size, mode="constant")
    weight = uniform_filter(np.ones(hits.shape[-2:]), size[-2:], mode="constant")
    share = (around * n - hits) / np.maximum(weight * n - 1, 1)
    rate = -np.log1p(-np.clip(share, 0, 0.999))[hits > 0]
    # P(2 or more | 1 or more) of a Poisson variable
    second = 1 - np.divide(rate, np.expm1(rate), out=np.ones_like(rate), where=rate > 1e-9)
    return float(second.sum())


def _factor(element: str, maps: Series) -> float:
    try:
        return estimate_variance_to_mean(maps)
    except ValueError as fault:
        raise ValueError(f"{element}: {fault}") from None


def _fractions(maps: MeasuredMaps, elements: list[str], said: str | None) -> str:
    element, place = _first(maps != np.floor(maps), elements)
    wanted = f"{said} as the sheet says" if said else "whole numbers of photons"
    return (
        f"{element}: expected {wanted}, found fractions, the first at {place}. Export maps of "
        "counts; if these are resampled or scaled, set signal to intensity in the sheet."
    )


def _first(is_found: np.ndarray, elements: list[str]) -> tuple[str, str]:
    """Return element and place of the first True."""
    element, tilt, y, x = np.unravel_index(int(np.argmax(is_found)), is_found.shape)
    return elements[element], f"tilt {int(tilt)}, y {int(y)}, x {int(x)}"
