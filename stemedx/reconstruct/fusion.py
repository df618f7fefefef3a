"""The method `fusion`: element maps and HAADF explained together."""

from dataclasses import replace

import numpy as np

from stemedx.arrays import Series
from stemedx.params import FusionParams
from stemedx.project.blocks import block_to_volumes
from stemedx.project.cropped import Crop, pad, whole
from stemedx.reconstruct.haadf import without_vacuum
from stemedx.reconstruct.measured import (
    Guide,
    Measured,
    Reconstruction,
    binned,
    binned_images,
    without_hot_pixels,
)
from stemedx.reconstruct.mixture import Mixture, on_finer_grid, with_yields
from stemedx.reconstruct.penalised import (
    Fit,
    Penalty,
    coarse_factor,
    coarser,
    dose_scaled_weight,
    first_fit,
    solve,
    to_fine,
)
from stemedx.reconstruct.primal_dual import State
from stemedx.reconstruct.problem import SIMPLEX
from stemedx.reconstruct.shares import Level, fitted, level_of, purified, refitted
from stemedx.reconstruct.start import phases_in

# Edges of shares cost more than those of elements: the HAADF tells where they are.
TV_FACTOR = 1.5
COARSEST = 2  # the start is sought on maps binned by this at least
N_ROUNDS = 3  # shares and HAADF weights in turn, on the coarse grid
LOOSE = 5.0  # there, the gap may be this much larger


def reconstruct(measured: Measured, guide: Guide, params: FusionParams) -> Reconstruction:
    """Return the volumes that explain photons and HAADF best.

    Each voxel holds shares of the phases, >= 0 and at most 1 together; the rest is vacuum.
    The photons of an element are proportional to its atoms, the HAADF to a weight of each
    phase, which starts from the atomic numbers and is refitted. Photons are Poisson (hits:
    Bernoulli), the HAADF Gaussian about its model, and the joint total
    variation of the shares is penalised; then voxels are drawn towards pure phases.

    The HAADF is taken as linear in the phases: diffraction contrast and thick specimens
    are not.

    Parameters
    ----------
    measured
        The maps in the measured frame, with what is known of them.
    guide
        HAADF and phases.
    params
        Weights, and when to stop.

    Returns
    -------
    reconstruction
        ``(element, z, y, x)`` photons per voxel at gain 1, in the aligned frame; and what
        was found along.

    Raises
    ------
    ValueError
        If there are no phases.

    References
    ----------
    Zhong et al. (2017), Ultramicroscopy 174, 35-45 (HAADF as a sum over elements);
    Lellmann & Schnoerr (2011), SIAM J. Imaging Sci. 4, 1049-1096 (total variation of
    shares on the simplex).
    """
    if not guide.phases:
        raise ValueError(
            "method 'fusion': expected phases of the specimen, found none. Name them in the column "
            "phases of the sheet."
        )
    measured = without_hot_pixels(measured)
    images = without_vacuum(guide.images[None], params.vacuum_px)[0]
    n = max(coarse_factor(measured), COARSEST)
    coarse, crop = binned(measured, n), whole(binned(measured, n).geometry)
    fit = first_fit(coarse)
    weight = params.tv_weight or TV_FACTOR * dose_scaled_weight(coarse, fit, n)
    penalty = Penalty(weight, (0,) * len(measured.maps), LOOSE * params.gap, params.max_iterations)
    fit = solve(coarse, fit, coarser(penalty, n), n_rounds=2)
    level = _level(coarse, binned_images(images, n), crop, guide, weight * n**2, params)
    mixture, state = phases_in(level.loose(LOOSE), fit, guide.elements, guide.phases)
    for _ in range(N_ROUNDS):
        state = purified(level.loose(LOOSE), mixture, fitted(level.loose(LOOSE), mixture, state))
        mixture = refitted(level, mixture, state)
        state = State(state.volume)
    coarse_fit = Fit(state, np.ones(len(mixture.names)), mixture.calibration, [], crop)
    fine = to_fine(coarse_fit, measured, n)
    level = _level(measured, images, fine.crop, guide, weight, params)
    mixture = _with_noise_of(level, on_finer_grid(mixture, n), fine.state)
    state = purified(level, mixture, fitted(level, mixture, fine.state))
    return _reconstruction(level, mixture, state, fine.crop)


def _level(
    measured: Measured, images: Series, crop: Crop, guide: Guide, weight: float,
    params: FusionParams,
) -> Level:  # fmt: skip
    return level_of(
        measured, images, crop, n_shares=len(guide.phases), tv_weight=weight,
        constraint=SIMPLEX, params=params,
    )  # fmt: skip


def _with_noise_of(level: Level, mixture: Mixture, state: State) -> Mixture:
    """Return the mixture with the noise that the HAADF has on the level's grid."""
    refit = refitted(level, mixture, state)
    return replace(mixture, noise=refit.noise)


def _reconstruction(level: Level, mixture: Mixture, state: State, crop: Crop) -> Reconstruction:
    geometry = level.measured.geometry
    mixture = with_yields(mixture, level.operator.forward(state.volume), level.measured)
    block = pad(mixture.element_volumes(state.volume), crop, geometry)
    facts = {
        "shared_by_halves": "HAADF",
        "tv_weight": level.tv_weight,
        "shares": list(mixture.names),
        "haadf": mixture.haadf.tolist(),
        "haadf_noise": mixture.noise,
        "gain": mixture.calibration.gain.tolist(),
        "background": mixture.calibration.background.tolist(),
    }
    return Reconstruction(block_to_volumes(block), facts)
