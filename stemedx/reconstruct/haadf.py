"""SIRT of the HAADF series."""

from functools import partial

import numpy as np

from stemedx.arrays import MeasuredMaps, Rates, Volumes
from stemedx.params import HaadfParams
from stemedx.project.geometry import Geometry
from stemedx.project.place import HOST, Place
from stemedx.reconstruct.filters import box_mean
from stemedx.reconstruct.simultaneous import sirt
from stemedx.reconstruct.slabs import solve_by_slabs


def reconstruct(
    maps: MeasuredMaps, geometry: Geometry, params: HaadfParams, place: Place = HOST
) -> Volumes:
    """Return the SIRT of HAADF images less their vacuum level, per voxel.

    Parameters
    ----------
    maps
        ``(element, tilt, y, x)`` HAADF as the only "element", in the measured frame.
    geometry
        Tilts, and how each image is aligned.
    params
        Number of iterations, and the box whose lowest mean is the vacuum level.
    place
        Where to solve.

    Returns
    -------
    volumes
        ``(element, z, y, x)`` per voxel, >= 0, in the aligned frame.
    """
    solve = partial(sirt, n_iterations=params.n_iterations)
    return solve_by_slabs(solve, without_vacuum(maps, params.vacuum_px), geometry, place)


def without_vacuum(maps: MeasuredMaps, vacuum_px: int) -> Rates:
    """Subtract from each image the lowest mean of a square of pixels in it.

    The detector adds a level of its own, which is not a projection of anything. The
    values are otherwise kept: noise around vacuum stays positive and negative.

    Parameters
    ----------
    maps
        ``(element, tilt, y, x)`` HAADF, arbitrary units.
    vacuum_px
        Side of the square, pixels; odd.

    Returns
    -------
    maps
        ``(element, tilt, y, x)`` float32; vacuum near 0.
    """
    level = box_mean(maps, vacuum_px).min(axis=(-2, -1), keepdims=True)
    return np.asarray(maps, np.float32) - level
