"""`fusion` without phases: edges of the HAADF guide those of the elements."""

from dataclasses import replace

import numpy as np

from stemedx.arrays import Block, Series
from stemedx.params import FusionParams
from stemedx.project.cropped import cropped_projector, pad
from stemedx.reconstruct.calibration import Calibration
from stemedx.reconstruct.edges import Edges
from stemedx.reconstruct.haadf import without_vacuum
from stemedx.reconstruct.measured import (
    Guide,
    Measured,
    Reconstruction,
    binned,
    without_hot_pixels,
)
from stemedx.reconstruct.mixture import noise_of
from stemedx.reconstruct.overlapping import facts_of, solve_by_rows
from stemedx.reconstruct.penalised import (
    N_ROUNDS,
    Penalty,
    coarse_factor,
    coarser,
    dose_scaled_weight,
    fine_box,
    first_fit,
    solution,
    solve,
    to_fine,
)

# Edges are where they will be long before the last of the gap is closed, which misfits of a real
# HAADF (diffraction, a field that it fills) keep open: so many iterations on the coarse grid and
# on the full one.
ENOUGH = (200, 60)
SIGMAS = 2.0  # of the noise of a voxel's slope: what the total variation of the HAADF stands up to
NO_PHASES = (
    "the sheet names no phases of this specimen: only the edges of the HAADF guide, not how bright "
    "it is"
)


def reconstruct(measured: Measured, guide: Guide, params: FusionParams) -> Reconstruction:
    """Return the volumes of largest penalised likelihood, whose edges the HAADF shows.

    As `poisson_tv` of a given weight in its joint form, but steps cost next to nothing
    across edges of the HAADF's own volume, if they are as steep as there. Nothing is taken
    for granted about how bright the HAADF of a material is, and an edge that it shows need
    not be one of the elements, which may have others; those cost as much as ever.

    Parameters
    ----------
    measured
        The maps in the measured frame, with what is known of them.
    guide
        HAADF.
    params
        Weight of the total variation, and when to stop; what phases would need is not read.

    Returns
    -------
    reconstruction
        ``(element, z, y, x)`` photons per voxel at gain 1, in the aligned frame; and what
        was found along.

    References
    ----------
    Ehrhardt & Betcke (2016), SIAM J. Imaging Sci. 9, 1084-1106 (directional total
    variation); Ehrhardt et al. (2016), Phys. Med. Biol. 61, 8023 (in emission tomography).
    """
    measured = without_hot_pixels(measured)
    n = coarse_factor(measured)
    coarse = binned(measured, n)
    fit = first_fit(coarse)
    weight = params.tv_weight or dose_scaled_weight(coarse, fit, n)
    elements = (0,) * len(measured.maps)
    edges = Edges(haadf_volume(measured, guide.images, params))
    penalty = Penalty(weight, elements, params.gap, params.max_iterations, edges)
    fit = solve(coarse, fit, coarser(penalty, n), N_ROUNDS)
    found = solve_by_rows(measured, fit, penalty, n)
    facts = {"shared_by_halves": "HAADF", "tv_weight": weight, "warnings": [NO_PHASES]}
    return Reconstruction(found.volumes, {**facts, **facts_of(found)})


def haadf_volume(measured: Measured, images: Series, params: FusionParams) -> Block:
    """Return ``(z, x, y)`` HAADF in units of its solid matter, by total variation.

    Least squares in units of the noise. The weight follows from the slope that noise
    gives the misfit at a voxel.

    Parameters
    ----------
    measured
        What was taken with the images: geometry, and which pixels to use.
    images
        ``(tilt, y, x)`` HAADF.
    params
        When to stop, and how vacuum is found.
    """
    geometry, n = measured.geometry, coarse_factor(measured)
    above = without_vacuum(images[None], params.vacuum_px)
    none = np.zeros((1, geometry.n_tilts))
    maps = above / np.float32(noise_of(above[0]))
    place = measured.place
    fine = Measured(maps, geometry, "image", none + 1, none, measured.weight, place)
    coarse = binned(fine, n)
    # the noise of a sum of n x n pixels is n times as high
    coarse = replace(coarse, weight=coarse.weight / np.float32(n**2))
    start = first_fit(coarse.with_maps(np.maximum(coarse.maps, 0)))
    fit = replace(start, calibration=Calibration(none + 1, none), inside=None)
    weight = SIGMAS * float(fit.scale[0]) / n**3 * np.sqrt(geometry.n_tilts)
    penalty = Penalty(weight, (0,), params.gap, params.max_iterations)
    operator = cropped_projector(coarse.geometry, 1, fit.crop, place)
    fit = solution(coarse, fit, coarser(penalty, n), operator, enough=ENOUGH[0])
    fit = to_fine(fit, fine, n, fine_box(fit, fine, n))
    operator = cropped_projector(geometry, 1, fit.crop, place)
    fit = solution(fine, fit, penalty, operator, enough=ENOUGH[1])
    return pad(fit.state.volume, fit.crop, geometry)[..., 0]
