"""Where a specimen can be: significant matter and a margin; what lies around is vacuum.

With next to no background, a single photon in vacuum is all but impossible unless a
bright voxel is put in its ray: no smoothness that suits the specimen keeps a likelihood
from doing so. Only where there is no voxel can a photon be one of the background.
"""

import numpy as np
from scipy.ndimage import binary_dilation, binary_fill_holes, label, uniform_filter

from stemedx.arrays import Block, Mask, Volume
from stemedx.project.operators import LinearOperator

FAINT = 0.1  # share of solid matter, smoothed, above which a voxel is of the specimen
SMOOTH_PX = 3
MARGIN_PX = 1  # around it: voxels of the coarse grid
SIGMAS = 10.0  # by which a part must stand out of chance: noise was chosen for being bright
SOLID = 0.999  # of all voxels are darker than the bright ones


def find_support(photons: Block, background: np.ndarray, operator: LinearOperator) -> Mask:
    """Return ``(z, x, y)`` where the specimen is, with a margin; everywhere if nothing is.

    Connected parts above a tenth of solid matter count if the photons they hold stand
    out of the noise of their own and of those of the background in their shadows.

    Parameters
    ----------
    photons
        ``(z, x, y, element)`` per voxel and map, smoothed or not.
    background
        ``(tilt, element)`` photons per pixel.
    operator
        From such blocks to maps.

    References
    ----------
    Rose (1948), J. Opt. Soc. Am. 38, 196-208: what stands out of noise by five standard
    deviations is seen. Here twice that, since parts are chosen by their brightness.
    """
    total = photons.sum(axis=-1)
    smooth = uniform_filter(total, SMOOTH_PX, mode="constant")
    parts, n_parts = label(smooth > FAINT * _solid(smooth))
    found = np.zeros(total.shape, bool)
    for part in range(1, n_parts + 1):
        inside = parts == part
        if total[inside].sum() * len(background) > SIGMAS**2 and _stands_out(
            photons * inside[..., None], background, operator
        ):
            found |= inside
    if not found.any():
        return np.ones_like(found)
    near = np.ones((3, 3, 3), bool)
    return binary_dilation(binary_fill_holes(found), near, iterations=MARGIN_PX)


def _solid(smooth: Volume) -> float:
    """Return the mean of the voxels above half the brightest."""
    half = np.quantile(smooth, SOLID) / 2
    bright = smooth[smooth > half]
    return float(bright.mean()) if bright.size else 0.0


def _stands_out(part: Block, background: np.ndarray, operator: LinearOperator) -> bool:
    """Return whether the photons of a part exceed their noise so many times."""
    shadow = operator.forward(part)
    own = shadow.sum(dtype=np.float64)
    behind = ((shadow.max(axis=-1, keepdims=True) > 0) * background[:, None, None]).sum()
    return bool(own > SIGMAS * np.sqrt(own + behind))
