"""The steps of the primal-dual solver on tensors of a device: all planes at once.

The same as those of `stemedx.reconstruct.compiled_steps`, to rounding.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from stemedx.arrays import Held, HeldAny
from stemedx.reconstruct.kernels import primal_plane, simplex_plane
from stemedx.reconstruct.likelihoods import (
    BERNOULLI,
    BERNOULLI_AND_IMAGE,
    GAUSSIAN,
    N_NEWTON,
    POISSON,
    POISSON_AND_IMAGE,
)
from stemedx.reconstruct.problem import Problem


class TensorSteps:
    """Whole blocks at a time.

    Parameters
    ----------
    problem
        What is minimised, its arrays on the device.
    inside, touched
        ``(z, x, y)`` voxels that may differ from 0, and those with one as themselves or next.
    path
        ``(tilt, x, y)`` length of the rays within.
    """

    def __init__(self, problem: Problem, inside: HeldAny, touched: HeldAny, path: Held) -> None:
        self._problem, self._inside, self._touched = problem, inside[..., None], touched[..., None]
        length = problem.factor[:, None, None] * path[..., None]
        self._is_seen = (length > 0) & (problem.weight[..., None] > 0)
        self._length = torch.where(self._is_seen, length, 1)
        self._into_set = INTO_SET[problem.constraint.move_plane]
        self._step, self._step_of_last = STEPS[problem.likelihood]
        # (element, group): 1 where one is of the other
        group = torch.as_tensor(problem.group, device=path.device)
        self._members = functional.one_hot(group).to(torch.float32)
        self._edges = None if problem.edges is None else problem.edges[..., None]

    def move_volume(
        self, volume: Tensor, extrapolated: Tensor, back: Tensor, tv_dual: Tensor,
        steps: tuple[np.ndarray, float],
    ) -> None:  # fmt: skip
        """Move the volume against its gradient, into its set; `extrapolated` goes as far again."""
        step, relaxation = self._like(steps[0], volume), float(steps[1])
        slope = back + slope_of_tv(tv_dual)
        moved = self._into_set(volume, slope, step, self._problem.constraint.largest)
        moved *= self._inside
        torch.sub(2 * moved, volume, out=extrapolated)
        volume.add_(moved.sub_(volume), alpha=relaxation)

    def move_dual(
        self, dual: Tensor, of_volume: Tensor, projected: Tensor, steps: tuple[np.ndarray, float]
    ) -> None:
        """Move the dual of the likelihood; `of_volume` follows the volume."""
        problem, (strength, relaxation) = self._problem, steps
        here = projected * problem.factor[:, None, None]
        sigma = self._like(strength, dual) / self._length
        v = dual + sigma * (here + problem.background[:, None, None])
        given = v, problem.counts, problem.weight[..., None].expand_as(v), sigma
        photons = self._step(*(part[..., :-1] for part in given))
        last = self._step_of_last(*(part[..., -1:] for part in given))
        moved = torch.cat((photons, last), dim=-1)
        dual.add_(torch.where(self._is_seen, moved - dual, 0), alpha=float(relaxation))
        of_volume.add_(here.sub_(of_volume), alpha=0.5 * float(relaxation))

    def move_tv_dual(
        self, extrapolated: Tensor, tv_dual: Tensor, steps: tuple[float, float]
    ) -> None:
        """Move the dual of the total variation, into its balls."""
        step, relaxation = map(float, steps)
        moved = self._differences(extrapolated).mul_(step).add_(self._lengthened(tv_dual))
        length = self._lengths(moved)
        shrink = torch.where(length > self._problem.tv_weight, self._problem.tv_weight / length, 1)
        moved *= shrink @ self._members.T
        moved = self._shortened(moved).sub_(tv_dual)
        tv_dual.add_(moved.mul_(self._touched), alpha=relaxation)

    def look(self, volume: Tensor, back: Tensor, tv_dual: Tensor) -> tuple[float, float]:
        """Return the total variation, and what the constraint takes from the bound."""
        total = self._lengths(self._differences(volume)).sum(dtype=torch.float64)
        below = (back + slope_of_tv(tv_dual)).mul_(self._inside).clip_(max=0)
        if self._into_set is into_simplex:
            below = below.amin(dim=-1)
        return float(total), -float(below.sum(dtype=torch.float64))

    def _like(self, values: np.ndarray, other: Tensor) -> Tensor:
        return torch.tensor(values, dtype=other.dtype, device=other.device)

    def _lengths(self, steps: Tensor) -> Tensor:
        """Return ``(z, x, y, group)`` lengths of ``(axis, z, x, y, element)`` vectors."""
        squares = steps[0] ** 2
        for along in steps[1:]:
            squares += along**2
        return (squares @ self._members).sqrt_()

    def _differences(self, volume: Tensor) -> Tensor:
        """Return ``(axis, z, x, y, element)`` differences to the next voxels; 0 at the end."""
        steps = volume.new_zeros((3, *volume.shape))
        for axis in range(3):
            n = volume.shape[axis] - 1
            steps[axis].narrow(axis, 0, n).copy_(torch.diff(volume, dim=axis))
        return self._shortened(steps)

    def _shortened(self, steps: Tensor) -> Tensor:
        """Return steps less what lies along known edges, times their square."""
        if self._edges is None:
            return steps
        return steps.sub_((self._edges * steps).sum(dim=0) * self._edges)

    def _lengthened(self, tv_dual: Tensor) -> Tensor:
        """Return what is the dual once it is shortened."""
        if self._edges is None:
            return tv_dual
        factor = 1 / (1 - (self._edges**2).sum(dim=0))
        return tv_dual + factor * (self._edges * tv_dual).sum(dim=0) * self._edges


def slope_of_tv(tv_dual: Tensor) -> Tensor:
    """Return the transpose of the differences."""
    slope = -tv_dual[0] - tv_dual[1] - tv_dual[2]
    for axis in range(3):
        n = slope.shape[axis] - 1
        slope.narrow(axis, 1, n).add_(tv_dual[axis].narrow(axis, 0, n))
    return slope


def into_box(volume: Tensor, slope: Tensor, step: Tensor, largest: float) -> Tensor:
    """Return the volume after a step, from 0 to `largest`."""
    return (volume - step * slope).clip_(0, largest)


def into_simplex(volume: Tensor, slope: Tensor, step: Tensor, largest: float) -> Tensor:
    """Return shares after the shortest step, >= 0 and adding up to `largest` at most.

    What is taken from each is the largest, over n, of what the n largest shares have
    too much, divided by n.

    References
    ----------
    Duchi et al. (2008), Proc. ICML, 272-279.
    """
    moved = volume - step.min() * slope
    falling = moved.sort(dim=-1, descending=True).values
    n = torch.arange(1, moved.shape[-1] + 1, device=moved.device)
    surplus = ((falling.cumsum(dim=-1) - largest) / n).amax(dim=-1, keepdim=True)
    return (moved - surplus.clip_(min=0)).clip_(min=0)


def poisson_step(v: Tensor, y: Tensor, w: Tensor, sigma: Tensor) -> Tensor:
    """Return the proximal point of the conjugate, see `stemedx.reconstruct.likelihoods`."""
    return 0.5 * (v + w - ((v - w) ** 2 + 4 * sigma * w * y).sqrt())


def bernoulli_step(v: Tensor, y: Tensor, w: Tensor, sigma: Tensor) -> Tensor:
    """Return the same for hits."""
    a = v - 0.5 * w
    q = ((a + (a * a + 4 * sigma * w).sqrt()) / (2 * sigma)).clip_(min=1e-9)
    for _ in range(N_NEWTON):
        grown = q.expm1()
        q = q - (sigma * q - v - w / grown) / (sigma + w * (grown + 1) / (grown * grown))
    return torch.where(y == 0, torch.minimum(v, w), -w / q.expm1())


def gaussian_step(v: Tensor, y: Tensor, w: Tensor, sigma: Tensor) -> Tensor:
    """Return the same for values of an image."""
    return (v - sigma * y) * w / (w + sigma)


Step = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
INTO_SET = {primal_plane: into_box, simplex_plane: into_simplex}
STEPS: dict[object, tuple[Step, Step]] = {
    POISSON: (poisson_step, poisson_step),
    BERNOULLI: (bernoulli_step, bernoulli_step),
    GAUSSIAN: (gaussian_step, gaussian_step),
    POISSON_AND_IMAGE: (poisson_step, gaussian_step),
    BERNOULLI_AND_IMAGE: (bernoulli_step, gaussian_step),
}
