"""The resolution that two independent halves of the photons agree on."""

import logging
from dataclasses import dataclass

import numpy as np

from stemedx.arrays import Volume, Volumes
from stemedx.params import ResolutionParams
from stemedx.resolve.fsc import NYQUIST, Curve, crossing, shell_correlation
from stemedx.resolve.masks import apply_mask, effective_share, soft_mask

log = logging.getLogger(__name__)
FIRST_SHELLS = 3


@dataclass(frozen=True)
class Resolution:
    """What the halves agree on, for one element."""

    curve: Curve
    frequency: dict[float, float | None]  # threshold -> cycles per pixel; None: no signal


def compare_halves(a: Volumes, b: Volumes, params: ResolutionParams) -> list[Resolution]:
    """Return curve and crossings of each element for two independent halves.

    The halves are compared within one soft mask around the mean of both. A crossing
    counts only beyond the first shells, and only if the halves agree significantly up
    to there, see `significance`.

    Parameters
    ----------
    a, b
        ``(element, z, y, x)`` reconstructions of the halves.
    """
    mask = soft_mask(
        a.sum(axis=0) + b.sum(axis=0),
        threshold=params.mask_threshold,
        dilation_px=params.mask_dilation_px,
        edge_px=params.mask_edge_px,
    )
    return [_compare(one, two, mask, params) for one, two in zip(a, b, strict=True)]


def _compare(a: Volume, b: Volume, mask: Volume, params: ResolutionParams) -> Resolution:
    curve = shell_correlation(apply_mask(a, mask), apply_mask(b, mask))
    varying = [apply_mask(v - v.mean(axis=1, keepdims=True), mask) for v in (a, b)]
    evidence = shell_correlation(*varying), effective_share(mask)
    frequency: dict[float, float | None] = {}
    for threshold in params.thresholds:
        at = crossing(curve, threshold)
        # Coarser than that, there are too few coefficients to tell signal from chance.
        beyond = at > (FIRST_SHELLS + 0.5) * curve.frequency[0]
        seen = beyond and significance(*evidence, at) >= params.significance
        frequency[threshold] = at if seen else None
    return Resolution(curve, frequency)


def significance(curve: Curve, share: float, frequency: float) -> float:
    """Return the agreement of two volumes up to a frequency, in standard deviations.

    The FSC, each shell weighted by its information were the volumes independent, over
    its standard deviation in that case. The volumes must be free of what is the same
    for all y: that is how a method renders an even background and the borders of the
    field, and alike in both. A mask around the sum of two noises gives a mean of zero
    or below: there the one tends to be small where the other is large.

    Parameters
    ----------
    curve
        FSC of the volumes, masked alike.
    share
        Share of its coefficients that the mask leaves independent.
    frequency
        Up to here, cycles per pixel.
    """
    band = curve.frequency <= frequency
    information = share / curve.sigma[band] ** 2
    return float(np.sum(curve.fsc[band] * information) / np.sqrt(information.sum()))


def is_at_pixel_limit(frequency: float) -> bool:
    """Tell whether a resolution is that of the grid: the FSC never fell below."""
    return frequency >= NYQUIST
