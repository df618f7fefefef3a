"""Shares of a mixture, from element maps and HAADF together."""

import logging
from dataclasses import dataclass, replace

import numpy as np

from stemedx.arrays import Block, Series
from stemedx.params import FusionParams
from stemedx.project.blocks import maps_to_block
from stemedx.project.cropped import Crop, cropped_projector
from stemedx.project.operators import LinearOperator
from stemedx.reconstruct.likelihoods import BERNOULLI_AND_IMAGE, POISSON_AND_IMAGE
from stemedx.reconstruct.measured import Measured
from stemedx.reconstruct.mixture import Mixture, mixed, with_haadf_refit
from stemedx.reconstruct.primal_dual import Check, State, minimise
from stemedx.reconstruct.problem import Constraint, Problem

log = logging.getLogger(__name__)
N_PURER = 3  # steps in which the preference for pure voxels is raised
MOVE = 40  # iterations at least after each of them: its tangent moves with the shares


@dataclass(frozen=True, eq=False)
class Level:
    """Maps and HAADF on one grid, and how they are fitted there.

    Attributes
    ----------
    measured
        Element maps with what is known of them.
    images
        ``(tilt, x, y)`` HAADF.
    operator
        Projects the shares within a box.
    tv_weight
        Nat per pixel of edge on this grid.
    constraint
        On the shares of a voxel.
    params
        Weights, and when to stop.
    """

    measured: Measured
    images: Block
    operator: LinearOperator
    tv_weight: float
    constraint: Constraint
    params: FusionParams

    def loose(self, factor: float) -> "Level":
        """Return the same, stopped while `factor` times as much is left to gain."""
        wider = self.params.model_copy(update={"gap": factor * self.params.gap})
        return replace(self, params=wider)


def level_of(
    measured: Measured, images: Series, crop: Crop, *, n_shares: int, tv_weight: float,
    constraint: Constraint, params: FusionParams,
) -> Level:  # fmt: skip
    """Return a level, its projector made."""
    operator = cropped_projector(measured.geometry, n_shares, crop)
    block = maps_to_block(np.asarray(images, np.float32)[None])[..., 0]
    return Level(measured, np.ascontiguousarray(block), operator, tv_weight, constraint, params)


def fitted(
    level: Level,
    mixture: Mixture,
    state: State,
    slope: Block | None = None,
    min_iterations: int = 0,
) -> State:
    """Return the likeliest shares for a mixture, total variation included."""
    params = level.params
    state, checks = minimise(
        problem_of(level, mixture, slope),
        state,
        gap_per_photon=params.gap,
        max_iterations=params.max_iterations,
        min_iterations=min_iterations,
    )
    _tell(checks)
    return state


def purified(level: Level, mixture: Mixture, state: State, move: int = MOVE) -> State:
    """Return shares closer to 0 and 1.

    A penalty for being between, ``purity * tv_weight * p (1 - p) / 2``, is raised in steps
    and replaced by its tangent in each, so that each step is convex.
    """
    strength = level.params.purity * level.tv_weight
    for n in range(1, N_PURER + 1) if strength else ():
        slope = (0.5 - state.volume) * np.float32(strength * n / N_PURER)
        state = fitted(level, mixture, state, slope, move)
    return state


def refitted(level: Level, mixture: Mixture, state: State) -> Mixture:
    """Return the mixture with the HAADF of its shares fitted to the images."""
    return with_haadf_refit(mixture, level.operator.forward(state.volume), level.images)


def problem_of(level: Level, mixture: Mixture, slope: Block | None) -> Problem:
    """Return what is minimised for a mixture."""
    measured, haadf_weight = level.measured, level.params.haadf_weight
    counts = maps_to_block(np.asarray(measured.maps, np.float32))
    images = mixture.scaled_images(level.images, haadf_weight)
    background = mixture.calibration.background.T
    none = np.zeros((len(background), 1))
    return Problem(
        mixed(level.operator, mixture.seen()),
        np.concatenate((counts, images[..., None]), axis=-1),
        np.ascontiguousarray(measured.weight.transpose(0, 2, 1), np.float32),
        mixture.factor(haadf_weight),
        np.hstack([background, none]).astype(np.float32),
        BERNOULLI_AND_IMAGE if measured.signal == "hits" else POISSON_AND_IMAGE,
        level.tv_weight,
        np.zeros(len(mixture.names), np.int64),
        level.constraint,
        slope,
    )


def _tell(checks: list[Check]) -> None:
    last = checks[-1]
    log.info("objective %.6g, gap %.3g nat after %d iterations", last.objective, last.gap,
             last.iteration)  # fmt: skip
