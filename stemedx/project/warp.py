"""Rotation and shift of each projection, as exact sparse matrices.

Counts are never moved: the expected maps are sampled where the scan measured.
Matrices act on maps flattened as ``(x, y)``, the order of a block.
"""

import numpy as np
from scipy.sparse import csr_array

from stemedx.arrays import Rates, Series
from stemedx.project.geometry import Geometry
from stemedx.project.parallel import for_each


def warp_matrix(geometry: Geometry, tilt: int) -> csr_array | None:
    """Return the matrix that samples an aligned map at the measured pixels.

    A measured pixel at ``p`` from the centre takes the aligned map's value at
    ``R p + s``, bilinear between its four neighbours, zero outside.

    Parameters
    ----------
    geometry
        Says how the map is aligned.
    tilt
        Number of the projection.

    Returns
    -------
    matrix
        ``(x y, x y)`` float32; None where the map is aligned already.
    """
    if not geometry.is_moved(tilt):
        return None
    return _bilinear(geometry, *geometry.motion(tilt))


def align_maps(maps: Rates, geometry: Geometry) -> tuple[Rates, Series]:
    """Return maps in the aligned frame, and the share of each pixel they cover.

    Interpolates (bilinear, zero outside): for expected rates only, never for counts.

    Parameters
    ----------
    maps
        ``(element, tilt, y, x)`` rates in the measured frame.
    geometry
        Says how each map is aligned.

    Returns
    -------
    aligned
        ``(element, tilt, y, x)`` float32. Where the coverage is below 1, a part of
        the value is missing.
    coverage
        ``(tilt, y, x)`` float32, from 0 (never measured) to 1.
    """
    aligned = np.array(maps)
    coverage = np.ones(maps.shape[1:], np.float32)

    def align(tilt: int) -> None:
        if not geometry.is_moved(tilt):
            return
        rotation, shift = geometry.motion(tilt)
        matrix = _bilinear(geometry, rotation.T, -rotation.T @ shift)
        for image in (*aligned[:, tilt], coverage[tilt]):
            image[:] = (matrix @ image.T.ravel()).reshape(image.T.shape).T

    for_each(align, range(geometry.n_tilts), maps.size)
    return aligned, coverage


def _bilinear(geometry: Geometry, rotation: np.ndarray, shift: np.ndarray) -> csr_array:
    """Return the matrix whose row ``p`` samples an image at ``rotation p + shift``."""
    n_y, n_x = geometry.n_y, geometry.n_x
    centre = (np.array([n_y, n_x]) - 1) / 2
    x, y = (axis.ravel() for axis in np.mgrid[:n_x, :n_y])
    points = rotation @ (np.stack([y, x]) - centre[:, None]) + (shift + centre)[:, None]
    corner = np.floor(points).astype(int)
    beyond = points - corner
    rows, columns, weights = [], [], []
    for step_y in (0, 1):
        for step_x in (0, 1):
            to_y, to_x = corner[0] + step_y, corner[1] + step_x
            weight = np.abs(1 - step_y - beyond[0]) * np.abs(1 - step_x - beyond[1])
            inside = (to_y >= 0) & (to_y < n_y) & (to_x >= 0) & (to_x < n_x) & (weight > 0)
            rows.append(np.flatnonzero(inside))
            columns.append((to_x * n_y + to_y)[inside])
            weights.append(weight[inside].astype(np.float32))
    entries = np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))
    return csr_array(entries, shape=(n_y * n_x, n_y * n_x))
