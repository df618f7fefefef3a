"""The method `poisson_tv`: likelihood of the photons and total variation."""

import numpy as np

from stemedx.params import PoissonTvParams
from stemedx.project.blocks import block_to_volumes
from stemedx.project.cropped import pad
from stemedx.reconstruct.measured import Measured, Reconstruction, binned, without_hot_pixels
from stemedx.reconstruct.penalised import (
    Fit,
    Penalty,
    coarse_factor,
    coarser,
    dose_scaled_weight,
    first_fit,
    solve,
    to_fine,
    with_dose,
)


def reconstruct(measured: Measured, params: PoissonTvParams) -> Reconstruction:
    """Return the non-negative volumes of largest penalised likelihood.

    The likelihood is that of the signal: Poisson for counts, Bernoulli for hits clipped
    to 0 or 1. Gain and background of each map are fitted along. The penalty is the
    total variation in units of each element's solid matter; in its joint form the
    elements share their edges.

    Parameters
    ----------
    measured
        The maps in the measured frame, with what is known of them.
    params
        Weight and coupling of the penalty, and when to stop.

    Returns
    -------
    reconstruction
        ``(element, z, y, x)`` photons per voxel at gain 1, in the aligned frame; and what
        was found along.

    References
    ----------
    Sawatzky et al. (2008), IEEE Nucl. Sci. Symp. Conf. Rec., 5133-5137 (Poisson and total
    variation); Blomgren & Chan (1998), IEEE Trans. Image Process. 7, 304-309 (the joint
    form).
    """
    measured = without_hot_pixels(measured)
    n = coarse_factor(measured)
    coarse = binned(measured, n)
    fit = first_fit(coarse)
    weight = params.tv_weight or dose_scaled_weight(coarse, fit, n)
    penalty = Penalty(weight, groups(params, len(measured.maps)), params.gap, params.max_iterations)
    fit = to_fine(solve(coarse, fit, coarser(penalty, n)), measured, n)
    fit = with_dose(measured, solve(measured, fit, penalty))
    return Reconstruction(_volumes(fit, measured), facts(fit, penalty))


def groups(params: PoissonTvParams, n_elements: int) -> tuple[int, ...]:
    """Return which elements share their edges: all, or each has its own."""
    return tuple(range(n_elements)) if params.coupling == "separate" else (0,) * n_elements


def facts(fit: Fit, penalty: Penalty) -> dict[str, object]:
    """Return what a reader of the volume wants to know of the solution."""
    checks = [[c.iteration, c.objective, c.bound] for c in fit.checks]
    return {
        "tv_weight": penalty.tv_weight,
        "gain": fit.calibration.gain.tolist(),
        "background": fit.calibration.background.tolist(),
        "convergence": {"columns": ["iteration", "objective", "bound"], "rows": checks},
    }


def _volumes(fit: Fit, measured: Measured) -> np.ndarray:
    block = fit.state.volume * fit.scale.astype(np.float32)
    return block_to_volumes(pad(block, fit.crop, measured.geometry))
