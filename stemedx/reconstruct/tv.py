"""The method `tv`: least squares with total variation, of box-filtered maps."""

import numpy as np

from stemedx.arrays import MeasuredMaps, Volumes
from stemedx.params import TvParams
from stemedx.project.blocks import block_to_volumes, maps_to_block
from stemedx.project.cropped import cropped_projector, pad
from stemedx.project.geometry import Geometry
from stemedx.project.place import HOST, Place
from stemedx.project.projector import projector
from stemedx.reconstruct.filters import box_mean
from stemedx.reconstruct.likelihoods import GAUSSIAN
from stemedx.reconstruct.penalised import around, typical
from stemedx.reconstruct.primal_dual import Problem, State, minimise
from stemedx.reconstruct.simultaneous import sirt

N_START = 20


def reconstruct(
    maps: MeasuredMaps, geometry: Geometry, params: TvParams, place: Place = HOST
) -> Volumes:
    """Return the non-negative volumes of least squares plus total variation, per voxel.

    Each element is solved on its own scale: its maps are divided by their largest
    value, its volume by the value of its solid matter, so that one weight suits all.

    Parameters
    ----------
    maps
        ``(element, tilt, y, x)`` counts or intensities in the measured frame.
    geometry
        Tilts, and how each map is aligned.
    params
        Width of the filter, weight of the penalty, when to stop.
    place
        Where to solve.

    Returns
    -------
    volumes
        ``(element, z, y, x)`` per voxel, >= 0, in the aligned frame.

    References
    ----------
    Rudin, Osher & Fatemi (1992), Physica D 60, 259-268; Leary et al. (2013),
    Ultramicroscopy 131, 70-91 (electron tomography).
    """
    n_elements = len(maps)
    data = maps_to_block(box_mean(maps, params.filter_px))
    start = sirt(projector(geometry, n_elements, place), data, N_START)
    scale = typical(start).astype(np.float32)
    crop = around(start / scale)
    largest = data.max(axis=(0, 1, 2))
    largest[largest <= 0] = 1
    ones = np.ones((geometry.n_tilts, n_elements), np.float32)
    problem = Problem(
        cropped_projector(geometry, n_elements, crop, place),
        data / largest,
        np.ones(data.shape[:3], np.float32),
        ones * scale / largest,
        0 * ones,
        GAUSSIAN,
        params.tv_weight,
        np.arange(n_elements),
    )
    inside = np.ascontiguousarray((start / scale)[crop.z, crop.x, crop.y])
    state, _ = minimise(
        problem, State(inside), gap_per_photon=params.gap, max_iterations=params.max_iterations
    )
    return block_to_volumes(pad(state.volume * scale, crop, geometry))
