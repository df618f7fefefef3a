"""The method `fbp`: filtered back-projection of box-filtered maps."""

from stemedx.arrays import MeasuredMaps, Volumes
from stemedx.params import FbpParams
from stemedx.project.geometry import Geometry
from stemedx.project.warp import align_maps
from stemedx.reconstruct.filtered import fbp
from stemedx.reconstruct.filters import box_mean


def reconstruct(maps: MeasuredMaps, geometry: Geometry, params: FbpParams) -> Volumes:
    """Return the filtered backprojection of box-filtered maps, per voxel.

    Linear in the maps: negative voxels are kept.

    Parameters
    ----------
    maps
        ``(element, tilt, y, x)`` counts or intensities in the measured frame.
    geometry
        Tilts, and how each map is aligned.
    params
        Width of the filter.

    Returns
    -------
    volumes
        ``(element, z, y, x)`` per voxel, in the aligned frame.
    """
    aligned, _ = align_maps(box_mean(maps, params.filter_px), geometry)
    return fbp(aligned, geometry.tilt_deg)
