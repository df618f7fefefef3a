"""The method `l1`: split Bregman of box-filtered maps."""

from stemedx.arrays import MeasuredMaps, Volumes
from stemedx.params import FilteredL1Params
from stemedx.project.geometry import Geometry
from stemedx.reconstruct.bregman import split_bregman
from stemedx.reconstruct.filters import box_mean


def reconstruct(maps: MeasuredMaps, geometry: Geometry, params: FilteredL1Params) -> Volumes:
    """Return the l1 reconstruction of box-filtered maps, per voxel.

    Parameters
    ----------
    maps
        ``(element, tilt, y, x)`` counts or intensities in the measured frame.
    geometry
        Tilts, and how each map is aligned.
    params
        Width of the filter, iterations and weights.

    Returns
    -------
    volumes
        ``(element, z, y, x)`` per voxel, >= 0, in the aligned frame.
    """
    return split_bregman(box_mean(maps, params.filter_px), geometry, params)
