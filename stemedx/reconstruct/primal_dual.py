"""Penalised likelihood over non-negative volumes, by a primal-dual method."""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from stemedx.arrays import Block, Mask
from stemedx.project.operators import LinearOperator
from stemedx.project.parallel import for_each
from stemedx.reconstruct import directional, kernels
from stemedx.reconstruct.problem import Problem

log = logging.getLogger(__name__)
RELAXATION = 1.8  # over-relaxed: any value below 2 converges
EVERY = 20  # iterations from one look at the gap to the next
TV_BALANCE = 3.0  # steps of the total variation: edges are about 1 high
SECONDS_BETWEEN_LINES = 30.0


@dataclass
class State:
    """Where a solution stands: a start for the next, similar problem.

    Attributes
    ----------
    volume
        ``(z, x, y, element)`` in units of the scale.
    dual
        ``(tilt, x, y, element)``: slopes of the likelihood; None to take them at `volume`.
    tv_dual
        ``(axis, z, x, y, element)``; None to start from 0.
    balance
        Of the steps; None to find it on the way.
    """

    volume: Block
    dual: Block | None = None
    tv_dual: Block | None = None
    balance: "Balance | None" = None


@dataclass(frozen=True)
class Balance:
    """How long the dual steps are, relative to the primal one.

    That of the likelihood follows the distances that both have moved: a ratio that is
    right for one dose is a hundred times off for another. That of the total variation
    is known beforehand: volumes are scaled to edges of about 1.

    Attributes
    ----------
    data
        ``(element)``, of the likelihood.
    tv
        Of the total variation.
    """

    data: np.ndarray
    tv: float


@dataclass(frozen=True)
class Check:
    """One look at the convergence, in nat: the least objective is between the two."""

    iteration: int
    objective: float
    bound: float

    @property
    def gap(self) -> float:
        """How far the objective can be from its least value, at most."""
        return self.objective - self.bound


def minimise(
    problem: Problem,
    state: State,
    *,
    gap_per_photon: float,
    max_iterations: int,
    min_iterations: int = 0,
    enough: int = 0,
) -> tuple[State, list[Check]]:
    """Minimise likelihood plus total variation over ``0 <= x <= LARGEST``.

    Stops when the duality gap, an upper bound of what is left to gain, is below
    `gap_per_photon` times the photons. Primal and dual steps are preconditioned by the
    sums of columns and rows, and balanced, see `Balance`.

    Parameters
    ----------
    problem
        What to minimise.
    state
        Where to start; its arrays are used up.
    gap_per_photon
        Of the objective, nat.
    max_iterations
        Stop here in any case, with a warning.
    min_iterations
        Not before: where a start meets the gap, but the problem is to move it.
    enough
        Iterations that will do whatever the gap; 0 if none will.

    Returns
    -------
    state, checks
        The solution, and how the gap fell.

    References
    ----------
    Chambolle & Pock (2011), J. Math. Imaging Vis. 40, 120-145; Pock & Chambolle (2011),
    Proc. IEEE ICCV, 1762-1769 (preconditioning); Condat (2013), J. Optim. Theory Appl.
    158, 460-479 (relaxation).
    """
    photons = max(problem.photons, 1.0)
    wanted = gap_per_photon * photons
    iteration, checks = _Iteration(problem, state), []
    for check in iteration.run(max_iterations):
        checks.append(check)
        is_near = check.gap <= wanted and check.iteration >= min_iterations
        if is_near or 0 < enough <= check.iteration:
            break
    else:
        log.warning(
            "not converged after %d iterations: %.3g nat per photon may be left to gain, wanted "
            "%.3g. Raise max_iterations.", max_iterations, checks[-1].gap / photons, gap_per_photon,
        )  # fmt: skip
    return iteration.state(), checks


class _Iteration:
    """The arrays of the iteration, in memory taken once."""

    def __init__(self, problem: Problem, state: State) -> None:
        self._problem = problem
        operator, factor = problem.operator, problem.factor
        shape = operator.domain_shape[:-1]
        self._inside = np.ones(shape, bool) if problem.inside is None else problem.inside
        self._touched = _or_next(self._inside)
        self._volume = state.volume * self._inside[..., None]
        self._start = self._volume.copy()
        self._extrapolated = self._volume.copy()
        self._of_volume = operator.forward(self._volume) * factor[:, None, None]
        self._projected = np.empty_like(self._of_volume)
        self._scaled = np.empty_like(self._of_volume)
        self._back = np.empty_like(self._volume)
        ones = np.repeat(self._inside[..., None], operator.domain_shape[-1], -1)
        self._path = np.ascontiguousarray(operator.forward(ones.astype(np.float32))[..., 0])
        self._dual = self._first_dual(state.dual)
        self._dual_start = self._dual.copy()
        shape = (3, *self._volume.shape)
        self._tv_dual = np.zeros(shape, np.float32) if state.tv_dual is None else state.tv_dual
        # no next voxel at the ends of a box that may be cut out of another
        self._tv_dual[0, -1], self._tv_dual[1, :, -1], self._tv_dual[2, :, :, -1] = 0, 0, 0
        self._columns = _largest_columns(operator, factor)
        self._move_tv_dual, self._tv = kernels.tv_dual_plane, kernels.tv_plane
        if problem.edges is not None:
            self._move_tv_dual = partial(directional.tv_dual_plane, problem.edges)
            self._tv = partial(directional.tv_plane, problem.edges)
        self._balance = state.balance or self._first_balance()
        self._adapts, self._next_balance = state.balance is None, EVERY

    def state(self) -> State:
        """Return where the iteration stands."""
        return State(self._volume, self._dual, self._tv_dual, self._balance)

    def run(self, max_iterations: int) -> Iterator[Check]:
        """Iterate, and look at the gap now and then."""
        told = time.monotonic()
        for iteration in range(max_iterations + 1):
            np.multiply(self._dual, self._problem.factor[:, None, None], out=self._scaled)
            self._problem.operator.adjoint(self._scaled, self._back)
            if self._problem.slope is not None:
                self._back += self._problem.slope
            if iteration % EVERY == 0 or iteration == max_iterations:
                check = self._check(iteration)
                if time.monotonic() - told > SECONDS_BETWEEN_LINES:
                    told = time.monotonic()
                    log.info("iteration %d: objective %.6g, gap %.3g nat", iteration,
                             check.objective, check.gap)  # fmt: skip
                yield check
                self._rebalance(iteration)
            # before a look, the plain step: its point meets the constraints exactly
            is_plain = (iteration + 1) % EVERY == 0 or iteration + 1 == max_iterations
            self._step(1.0 if is_plain else RELAXATION)

    def _step(self, relaxation: float) -> None:
        problem, balance = self._problem, self._balance
        relax = np.float32(relaxation)
        step = (1 / (balance.data @ self._columns + 6 * balance.tv)).astype(np.float32)
        tv_step, tv_weight = np.float32(balance.tv / 2), np.float32(problem.tv_weight)
        given = (problem.counts, problem.weight, problem.background, problem.factor, self._path)
        steps = (balance.data.astype(np.float32), relax)
        planes, n_values = range(len(self._volume)), self._volume.size
        for_each(lambda z: problem.constraint.move_plane(
            z, self._volume, self._extrapolated, self._back, self._tv_dual, self._inside,
            np.float32(problem.constraint.largest), (step, relax)), planes, n_values)  # fmt: skip
        problem.operator.forward(self._extrapolated, self._projected)
        for_each(lambda t: problem.likelihood.step_plane(
            t, self._dual, self._of_volume, self._projected, given, steps),
            range(len(self._dual)), self._dual.size)  # fmt: skip
        for_each(lambda z: self._move_tv_dual(
            z, self._extrapolated, self._tv_dual, self._touched, (tv_step, relax), problem.group,
            tv_weight), planes, n_values)  # fmt: skip

    def _check(self, iteration: int) -> Check:
        problem, sums = self._problem, np.zeros((2, len(self._volume)))

        def look(z: int) -> None:
            sums[0, z] = self._tv(z, self._volume, problem.group)
            sums[1, z] = problem.constraint.unmet_plane(z, self._back, self._tv_dual, self._inside)

        for_each(look, range(len(self._volume)), self._volume.size)
        total_variation, unmet = sums.sum(axis=1)
        weight = problem.weight[..., None]
        likelihood = problem.likelihood
        expected = self._of_volume + problem.background[:, None, None]
        misfit = likelihood.value(expected, problem.counts, weight)
        conjugate = likelihood.conjugate(self._dual, problem.counts, weight)
        conjugate -= self._dual * problem.background[:, None, None]
        objective = misfit.sum(dtype=np.float64) + problem.tv_weight * total_variation
        if problem.slope is not None:
            objective += np.vdot(problem.slope, self._volume)
        bound = -conjugate.sum(dtype=np.float64) - problem.constraint.largest * unmet
        return Check(iteration, float(objective), float(bound))

    def _first_dual(self, dual: Block | None) -> Block:
        """Return the dual to start from; that of rays that miss all voxels is known."""
        slope = self._slope()
        return slope if dual is None else np.where(self._path[..., None] > 0, dual, slope)

    def _slope(self) -> Block:
        problem = self._problem
        expected = self._of_volume + problem.background[:, None, None]
        slope = problem.likelihood.slope(expected, problem.counts, problem.weight[..., None])
        return slope.astype(np.float32)

    def _first_balance(self) -> Balance:
        """Return the steps for moves as large as the start itself."""
        size = _sums(self._volume**2) + 1e-3 * self._volume[..., 0].size
        # an image that fits exactly at the start will move by its noise, which is 1
        least = (
            np.arange(len(self._columns)) >= len(self._columns) - self._problem.likelihood.n_images
        )
        moved = _sums(
            (self._dual**2 + least.astype(np.float32))
            * self._path[..., None]
            * self._problem.factor[:, None, None]
        )
        data = np.sqrt(moved / (self._columns @ size))
        return Balance(np.maximum(data, 1e-6), max(TV_BALANCE * self._problem.tv_weight, 1e-6))

    def _rebalance(self, iteration: int) -> None:
        """Balance the steps by how far each part has moved: less and less often."""
        if iteration != self._next_balance or not self._adapts:
            return
        self._next_balance *= 2
        size = _sums((self._volume - self._start) ** 2)
        lengths = self._path[..., None] * self._problem.factor[:, None, None]
        data = _sums((self._dual - self._dual_start) ** 2 * lengths)
        still = np.zeros(len(data))
        expected = self._columns @ size
        wanted = np.sqrt(np.divide(data, expected, out=still, where=expected > 0))
        moved = np.where(wanted > 0, wanted, self._balance.data)
        self._balance = replace(self._balance, data=np.sqrt(self._balance.data * moved))


def _or_next(inside: Mask) -> Mask:
    """Return where a voxel, or the next one along any axis, is inside."""
    touched = inside.copy()
    touched[:-1] |= inside[1:]
    touched[:, :-1] |= inside[:, 1:]
    touched[:, :, :-1] |= inside[:, :, 1:]
    return touched


def _sums(block: Block) -> np.ndarray:
    """Return the sum of each element, ``(element,)`` float64."""
    return block.sum(axis=(0, 1, 2), dtype=np.float64)


def _largest_columns(operator: LinearOperator, factor: np.ndarray) -> np.ndarray:
    """Return ``(element of the maps, element of the volume)`` the largest column sum.

    The largest, for one step for all voxels of an element; not 0, which would be endless.
    """
    n_of_maps = operator.range_shape[-1]
    columns = np.empty((n_of_maps, operator.domain_shape[-1]))
    for element in range(n_of_maps):
        maps = np.zeros(operator.range_shape, np.float32)
        maps[..., element] = factor[:, None, None, element]
        columns[element] = operator.adjoint(maps).max(axis=(0, 1, 2))
    # each element of the volume is seen by some, if ever so little
    return np.maximum(columns, 1e-6 * (columns.max() or 1.0) * np.eye(*columns.shape))
