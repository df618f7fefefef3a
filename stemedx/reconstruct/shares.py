"""Shares of a mixture, from element maps and HAADF together."""

import logging
from dataclasses import dataclass, field, replace

import numpy as np

from stemedx.arrays import Block, ByShare, Mask, Series
from stemedx.params import FusionParams
from stemedx.project.blocks import maps_to_block
from stemedx.project.cropped import Crop, cropped_projector
from stemedx.project.operators import LinearOperator
from stemedx.reconstruct.likelihoods import BERNOULLI_AND_IMAGE, POISSON_AND_IMAGE
from stemedx.reconstruct.measured import Measured
from stemedx.reconstruct.mixture import (
    Mixture,
    mixed,
    noise_of,
    voxels_told,
    with_haadf_refit,
)
from stemedx.reconstruct.primal_dual import Check, State, minimise
from stemedx.reconstruct.problem import Constraint, Problem

log = logging.getLogger(__name__)
MOVE = 20  # iterations at least in each step: its tangent moves with the shares
LOOSE = 2.0  # in all steps but the last, the gap may be this much larger
LARGEST_PULL = 0.7  # by which a pull changes in one step


@dataclass(frozen=True)
class Steps:
    """How the preference for pure voxels is raised: first steps without it, then a ramp.

    Attributes
    ----------
    plain, rising, full
        Number of steps without it, while it rises, and at its full strength.
    """

    plain: int
    rising: int
    full: int

    def strengths(self) -> list[float]:
        """Return the share of the full strength, step by step."""
        rising = [(n + 1) / (self.rising + 1) for n in range(self.rising)]
        return [*[0.0] * self.plain, *rising, *[1.0] * self.full]


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
    inside
        ``(z, x, y)`` voxels that may hold something; None for all.
    """

    measured: Measured
    images: Block
    operator: LinearOperator
    tv_weight: float
    constraint: Constraint
    params: FusionParams
    inside: Mask | None = None

    def loose(self, factor: float) -> "Level":
        """Return the same, stopped while `factor` times as much is left to gain."""
        wider = self.params.model_copy(update={"gap": factor * self.params.gap})
        return replace(self, params=wider)


@dataclass(frozen=True, eq=False)
class Settled:
    """A mixture with its shares.

    Attributes
    ----------
    mixture
        What maps and HAADF see.
    state
        Of the solver: the shares.
    pull
        ``(share)`` what a voxel costs beside its total variation, in units of `tv_weight`.
    checks
        How the solver converged, the last time; none of a start.
    """

    mixture: Mixture
    state: State
    pull: ByShare
    checks: list[Check] = field(default_factory=list)


def level_of(
    measured: Measured, images: Series, crop: Crop, *, n_shares: int, tv_weight: float,
    constraint: Constraint, params: FusionParams,
) -> Level:  # fmt: skip
    """Return a level, its projector made."""
    operator = cropped_projector(measured.geometry, n_shares, crop, measured.place)
    block = maps_to_block(np.asarray(images, np.float32)[None])[..., 0]
    return Level(measured, np.ascontiguousarray(block), operator, tv_weight, constraint, params)


def fitted(level: Level, mixture: Mixture, state: State, slope: Block) -> tuple[State, list[Check]]:
    """Return the likeliest shares for a mixture, total variation and a slope included."""
    state, checks = minimise(
        problem_of(level, mixture, slope),
        state,
        gap_per_photon=level.params.gap,
        max_iterations=level.params.max_iterations,
        min_iterations=MOVE,
    )
    last = checks[-1]
    log.info("objective %.6g, gap %.3g nat after %d iterations", last.objective, last.gap,
             last.iteration)  # fmt: skip
    return state, checks


def settled(level: Level, start: Settled, steps: Steps) -> Settled:
    """Return shares that hold as much of each phase as the photons tell, close to 0 and 1.

    Total variation makes edges lower, and takes most from what is thin: a shell of the
    likeliest shares can lack a third of its photons. So a linear term, the pull, is
    raised after each solution on phases that have more voxels than their photons tell,
    and lowered on those that have less. A penalty for being between, ``purity *
    tv_weight * p (1 - p) / 2``, is raised in steps, and replaced by its tangent in each.
    Each problem is convex, and starts from the solution before; HAADF weights and noise
    are refitted between.
    """
    mixture, state, pull, checks = start.mixture, start.state, start.pull, start.checks
    strengths = steps.strengths()
    for n, strength in enumerate(strengths, 1):
        now = level if n == len(strengths) else level.loose(LOOSE)
        slope = (0.5 - state.volume) * np.float32(strength * level.params.purity)
        slope = (slope + pull.astype(np.float32)) * np.float32(level.tv_weight)
        state, checks = fitted(now, mixture, state, slope)
        projected = level.operator.forward(state.volume)
        has = state.volume.sum(axis=(0, 1, 2), dtype=np.float64)
        pull = pull + _surplus(mixture, has, projected, level.measured)
        mixture = with_haadf_refit(mixture, projected, level.images)
    log.info("HAADF weights %s, pulls %s", mixture.haadf.tolist(), pull.tolist())
    return Settled(mixture, state, pull, checks)


def _surplus(mixture: Mixture, voxels: ByShare, projected: Block, measured: Measured) -> ByShare:
    """Return by what share the voxels of each phase are too many; 0 if that is not told."""
    told = voxels_told(mixture, voxels, projected, measured)
    surplus = np.clip((voxels - told) / np.maximum(told, 1), -LARGEST_PULL, LARGEST_PULL)
    return np.where(mixture.is_mapped, surplus, 0)


def cost(level: Level, found: Settled) -> float:
    """Return the objective of shares: what they are less likely, their edges, their mixing.

    HAADF counts by the noise of the images, not by what a solution leaves of them; pulls are
    left out. So solutions from other starts compare.
    """
    shares = found.state.volume
    mixture = replace(found.mixture, noise=noise_of(level.images))
    mixing = (1 - shares) * np.float32(level.params.purity * level.tv_weight / 2)
    problem = problem_of(level, mixture, mixing)
    _, checks = minimise(problem, State(shares), gap_per_photon=np.inf, max_iterations=0)
    return checks[0].objective


def problem_of(level: Level, mixture: Mixture, slope: Block) -> Problem:
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
        level.inside,
    )
