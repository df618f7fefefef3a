"""The method `sirt`: SIRT of box-filtered maps."""

from functools import partial

from stemedx.arrays import MeasuredMaps, Volumes
from stemedx.params import SirtParams
from stemedx.project.geometry import Geometry
from stemedx.project.place import HOST, Place
from stemedx.reconstruct.filters import box_mean
from stemedx.reconstruct.simultaneous import sirt
from stemedx.reconstruct.slabs import solve_by_slabs


def reconstruct(
    maps: MeasuredMaps, geometry: Geometry, params: SirtParams, place: Place = HOST
) -> Volumes:
    """Return the SIRT of box-filtered maps, per voxel.

    Parameters
    ----------
    maps
        ``(element, tilt, y, x)`` counts or intensities in the measured frame.
    geometry
        Tilts, and how each map is aligned.
    params
        Width of the filter and number of iterations.
    place
        Where to solve.

    Returns
    -------
    volumes
        ``(element, z, y, x)`` per voxel, >= 0, in the aligned frame.
    """
    solve = partial(sirt, n_iterations=params.n_iterations)
    return solve_by_slabs(solve, box_mean(maps, params.filter_px), geometry, place)
