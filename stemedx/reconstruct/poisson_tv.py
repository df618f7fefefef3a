"""The method `poisson_tv`: likelihood of the photons and total variation."""

from dataclasses import replace
from typing import Any

import numpy as np

from stemedx.params import PoissonTvParams
from stemedx.reconstruct.choosing import choose_weights
from stemedx.reconstruct.measured import Measured, Reconstruction, binned, without_hot_pixels
from stemedx.reconstruct.overlapping import facts_of, solve_by_rows
from stemedx.reconstruct.penalised import (
    N_ROUNDS,
    Penalty,
    coarse_factor,
    coarser,
    dose_scaled_weight,
    first_fit,
    solve,
    weighted,
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
    fit, facts = first_fit(coarse), dict[str, Any]()
    penalty = Penalty(
        params.tv_weight or dose_scaled_weight(coarse, fit, n),
        groups(params, len(measured.maps)),
        params.gap,
        params.max_iterations,
    )
    weights = np.full(len(measured.maps), penalty.tv_weight)
    if params.tv_weight is None and params.n_splits and (measured.maps * measured.weight).any():
        rng = np.random.default_rng(params.seed)
        weights, trials = choose_weights(measured, penalty, n, n_splits=params.n_splits, rng=rng)
        penalty = replace(penalty, tv_weight=float(np.exp(np.log(weights).mean())))
        facts["trials"] = [[trial.tv_weight, *trial.nat_per_photon] for trial in trials]
    fit = solve(coarse, weighted(fit, weights / penalty.tv_weight), coarser(penalty, n), N_ROUNDS)
    found = solve_by_rows(measured, fit, penalty, n)
    facts["tv_weight"] = weights.tolist()
    return Reconstruction(found.volumes, {**facts, **facts_of(found)})


def groups(params: PoissonTvParams, n_elements: int) -> tuple[int, ...]:
    """Return which elements share their edges: all, or each has its own."""
    return tuple(range(n_elements)) if params.coupling == "separate" else (0,) * n_elements
