"""The method `sirt`: SIRT of box-filtered maps."""

from stemedx.arrays import MeasuredMaps, Volumes
from stemedx.params import SirtParams
from stemedx.project.blocks import block_to_volumes, maps_to_block
from stemedx.project.geometry import Geometry
from stemedx.project.projector import projector
from stemedx.reconstruct.filters import box_mean
from stemedx.reconstruct.simultaneous import sirt


def reconstruct(maps: MeasuredMaps, geometry: Geometry, params: SirtParams) -> Volumes:
    """Return the SIRT of box-filtered maps, per voxel.

    Parameters
    ----------
    maps
        ``(element, tilt, y, x)`` counts or intensities in the measured frame.
    geometry
        Tilts, and how each map is aligned.
    params
        Width of the filter and number of iterations.

    Returns
    -------
    volumes
        ``(element, z, y, x)`` per voxel, >= 0, in the aligned frame.
    """
    operator = projector(geometry, len(maps))
    data = maps_to_block(box_mean(maps, params.filter_px))
    return block_to_volumes(sirt(operator, data, params.n_iterations))
