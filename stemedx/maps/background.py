"""Background of a line from windows beside it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stemedx.arrays import ChannelWeights, PerElement, Shares, Spectrum
from stemedx.maps.lines import Family
from stemedx.maps.response import FWHM_PER_SIGMA, Response, line_columns
from stemedx.maps.windows import Window

NEAREST_FWHM, FARTHEST_FWHM, STEP_FWHM = 1.25, 5.0, 0.125
HALF_WIDTH_FWHM = 0.25
LEAK = 0.05  # share of a family's photons in a foreign window that is told


@dataclass(frozen=True)
class Flanks:
    """Channels below and above a line from which its background is interpolated."""

    below: tuple[int, int]
    above: tuple[int, int]


def find_flanks(total: Spectrum, window: Window, response: Response, first: int) -> Flanks:
    """Return the bands on both sides of a line where the sum spectrum is lowest.

    Bands of half a line's width (FWHM), between 1.25 and 5 widths away from the line:
    the valleys between lines, wherever the neighbours leave them.

    Parameters
    ----------
    total
        ``(channel)`` photons of the whole series.
    window
        Of the line.
    response
        Of the detector.
    first
        Channel below which there are none.
    """
    width = FWHM_PER_SIGMA * response.sigma_keV(window.line.energy_keV) / response.scale_keV
    seen_keV = response.seen_keV(window.line.energy_keV)  # noqa: N806
    centre = (seen_keV - response.offset_keV) / response.scale_keV
    half = max(1, round(HALF_WIDTH_FWHM * width))
    away = np.arange(NEAREST_FWHM, FARTHEST_FWHM + STEP_FWHM / 2, STEP_FWHM) * width
    return Flanks(
        _lowest(total, np.rint(centre - away).astype(int), half, first),
        _lowest(total, np.rint(centre + away).astype(int), half, first),
    )


def _lowest(total: Spectrum, centres: np.ndarray, half: int, first: int) -> tuple[int, int]:
    """Return the first and end channel of the band with the fewest photons."""
    inside = np.unique(np.clip(centres, first + half, len(total) - half - 1))
    means = [total[n - half : n + half + 1].mean() for n in inside]
    best = int(inside[int(np.argmin(means))])
    return best - half, best + half + 1


def window_weights(
    windows: Sequence[Window], flanks: Sequence[Flanks], n_channels: int, heights: PerElement
) -> ChannelWeights:
    """Return ``(channel, element)`` weights whose sum over a spectrum is the net counts.

    1 in the window; in the flanks what makes a background vanish that is so many times as
    high as the straight line from one to the other.

    Parameters
    ----------
    windows, flanks
        One per element.
    n_channels
        Of the detector.
    heights
        ``(element)`` of the background under each line, 1 for a straight one.
    """
    weights = np.zeros((n_channels, len(windows)))
    for n, (window, beside) in enumerate(zip(windows, flanks, strict=True)):
        centres = [(first + end - 1) / 2 for first, end in (beside.below, beside.above)]
        middle = (window.first + window.end - 1) / 2
        upper = (
            (middle - centres[0]) / (centres[1] - centres[0]) if centres[1] > centres[0] else 0.5
        )
        size = heights[n] * (window.end - window.first)
        for (first, end), share in ((beside.below, 1 - upper), (beside.above, upper)):
            weights[first:end, n] -= share * size / (end - first)
        weights[window.first : window.end, n] += 1
    return weights


def shares_in_windows(
    windows: Sequence[Window], families: Sequence[Family], response: Response, n_channels: int
) -> Shares:
    """Return ``(window, family)`` shares of the photons of families by window."""
    columns = line_columns(families, response, 0, n_channels)
    shares = [columns[window.first : window.end].sum(axis=0) for window in windows]
    return np.reshape(np.array(shares, np.float64), (len(windows), len(families)))


def find_overlaps(
    windows: Sequence[Window], families: Sequence[Family], shares: Shares, remedy: str
) -> list[str]:
    """Return which windows hold photons of other elements, and what to do about it.

    Parameters
    ----------
    windows
        Of the lines that were asked for.
    families
        Of these elements and of others that are known to be there.
    shares
        Of `shares_in_windows`.
    remedy
        Ends each sentence.
    """
    return [
        f"the window of {window.line.name} holds {100 * share:.0f} % of the photons of "
        f"{family.name}{remedy}"
        for window, of_window in zip(windows, shares, strict=True)
        for family, share in zip(families, of_window, strict=True)
        if family.symbol != window.line.symbol and share >= LEAK
    ]
