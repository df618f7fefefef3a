"""Q^S as published: reprojections made like denoised maps by an adversarial network."""

from collections.abc import Sequence

import numpy as np
from torch import nn

from stemedx.arrays import Rates, Series, Volumes
from stemedx.learn.adversarial import Pair, apply
from stemedx.learn.enhancing import level_gains
from stemedx.project.projector import project

EVERY_DEG = 10.0  # views in which the largest value is looked for


def units_of(volumes: Volumes, target: Rates) -> list[float]:
    """Return the largest value of each element, in any view, which the network knows as 1.

    More than it makes nothing: views between the measured tilts may be brighter.

    Parameters
    ----------
    volumes
        ``(element, z, y, x)`` per pixel of path.
    target
        ``(element, tilt, y, x)`` denoised maps in the aligned frame.
    """
    views = project(volumes, np.arange(0.0, 180.0, EVERY_DEG))
    largest = np.maximum(views.max(axis=(1, 2, 3)), target.max(axis=(1, 2, 3)))
    return [float(value) or 1.0 for value in largest]


def to_pairs(
    projected: Rates, denoised: Rates, coverage: Series, units: Sequence[float]
) -> list[Pair]:
    """Return reprojections and what they should become, from 0 to 1, tilt by tilt.

    At the measured tilts only. Where nothing was measured a map is to stay as it is.

    Parameters
    ----------
    projected
        ``(element, tilt, y, x)`` reprojections at the measured tilts.
    denoised
        The denoised maps in the same frame.
    coverage
        ``(tilt, y, x)`` from 0 (the denoised maps know nothing there) to 1.
    units
        From `units_of`.
    """
    known = np.where(coverage < 1, projected, level_gains(denoised, projected, coverage))
    scale = np.array(units, np.float32)[:, None, None]
    return [
        Pair(projected[:, tilt] / scale, known[:, tilt] / scale)
        for tilt in range(projected.shape[1])
    ]


def enhance_published(
    generator: nn.Module, projected: Rates, units: Sequence[float], side: int
) -> Rates:
    """Return enhanced maps >= 0, one view at a time.

    Parameters
    ----------
    generator
        ``(patch, element, y, x)`` to the same shape, from 0 to 1.
    projected
        ``(element, tilt, y, x)`` reprojections.
    units
        From `units_of`.
    side
        Of the squares that the network has learned from, pixels.
    """
    scale = np.array(units, np.float32)[:, None, None]
    views = [scale * apply(generator, view / scale, side) for view in projected.swapaxes(0, 1)]
    return np.stack(views, axis=1)
