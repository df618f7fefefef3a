"""The steps of the primal-dual solver on arrays of numpy, by compiled kernels."""

from functools import partial

import numpy as np

from stemedx.arrays import Block, Mask
from stemedx.project.parallel import for_each
from stemedx.reconstruct import directional, kernels
from stemedx.reconstruct.problem import Problem


class CompiledSteps:
    """One plane per call, the planes shared among threads.

    Parameters
    ----------
    problem
        What is minimised.
    inside, touched
        ``(z, x, y)`` voxels that may differ from 0, and those with one as themselves or next.
    path
        ``(tilt, x, y)`` length of the rays within.
    """

    def __init__(self, problem: Problem, inside: Mask, touched: Mask, path: Block) -> None:
        self._problem, self._inside, self._touched = problem, inside, touched
        self._given = (problem.counts, problem.weight, problem.background, problem.factor, path)
        self._move_tv_dual, self._tv = kernels.tv_dual_plane, kernels.tv_plane
        if problem.edges is not None:
            self._move_tv_dual = partial(directional.tv_dual_plane, problem.edges)
            self._tv = partial(directional.tv_plane, problem.edges)

    def move_volume(
        self, volume: Block, extrapolated: Block, back: Block, tv_dual: Block,
        steps: tuple[np.ndarray, float],
    ) -> None:  # fmt: skip
        """Move the volume against its gradient, into its set; `extrapolated` goes as far again."""
        constraint, (step, relaxation) = self._problem.constraint, steps
        rounded = step.astype(np.float32), np.float32(relaxation)
        for_each(lambda z: constraint.move_plane(
            z, volume, extrapolated, back, tv_dual, self._inside, np.float32(constraint.largest),
            rounded), range(len(volume)), volume.size)  # fmt: skip

    def move_dual(
        self, dual: Block, of_volume: Block, projected: Block, steps: tuple[np.ndarray, float]
    ) -> None:
        """Move the dual of the likelihood; `of_volume` follows the volume."""
        strength, relaxation = steps
        rounded = strength.astype(np.float32), np.float32(relaxation)
        for_each(lambda t: self._problem.likelihood.step_plane(
            t, dual, of_volume, projected, self._given, rounded), range(len(dual)),
            dual.size)  # fmt: skip

    def move_tv_dual(self, extrapolated: Block, tv_dual: Block, steps: tuple[float, float]) -> None:
        """Move the dual of the total variation, into its balls."""
        rounded = np.float32(steps[0]), np.float32(steps[1])
        group, weight = self._problem.group, np.float32(self._problem.tv_weight)
        for_each(lambda z: self._move_tv_dual(
            z, extrapolated, tv_dual, self._touched, rounded, group, weight),
            range(len(extrapolated)), extrapolated.size)  # fmt: skip

    def look(self, volume: Block, back: Block, tv_dual: Block) -> tuple[float, float]:
        """Return the total variation, and what the constraint takes from the bound."""
        sums = np.zeros((2, len(volume)))

        def look(z: int) -> None:
            sums[0, z] = self._tv(z, volume, self._problem.group)
            sums[1, z] = self._problem.constraint.unmet_plane(z, back, tv_dual, self._inside)

        for_each(look, range(len(volume)), volume.size)
        total_variation, unmet = sums.sum(axis=1)
        return total_variation, unmet
