"""Penalised likelihood over non-negative volumes, by a primal-dual method."""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from stemedx.arrays import Block, Held, HeldAny, Mask
from stemedx.project.operators import LinearOperator
from stemedx.project.place import HOST
from stemedx.reconstruct.compiled_steps import CompiledSteps
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
    """The arrays of the iteration, in memory taken once, where the operator works."""

    def __init__(self, problem: Problem, state: State) -> None:
        self._problem = problem = problem.at_its_place()
        operator, factor = problem.operator, problem.factor
        self._place = place = operator.place
        shape = operator.domain_shape[:-1]
        mask = np.ones(shape, bool) if problem.inside is None else problem.inside
        inside, touched = place.put(mask), place.put(_or_next(mask))
        self._volume = place.put(state.volume) * inside[..., None]
        self._start = place.copy(self._volume)
        self._extrapolated = place.copy(self._volume)
        self._of_volume = operator.forward(self._volume) * factor[:, None, None]
        self._projected = place.empty(operator.range_shape)
        self._scaled = place.empty(operator.range_shape)
        self._back = place.empty(operator.domain_shape)
        ones = place.full(operator.domain_shape, 1.0) * inside[..., None]
        self._path = place.copy(operator.forward(ones)[..., 0])
        self._dual = self._first_dual(state.dual)
        self._dual_start = place.copy(self._dual)
        shape = (3, *operator.domain_shape)
        tv_dual = state.tv_dual
        self._tv_dual = place.full(shape, 0.0) if tv_dual is None else place.put(tv_dual)
        # no next voxel at the ends of a box that may be cut out of another
        self._tv_dual[0, -1], self._tv_dual[1, :, -1], self._tv_dual[2, :, :, -1] = 0, 0, 0
        self._columns = _largest_columns(operator, factor)
        self._steps = _steps(problem, inside, touched, self._path)
        self._balance = state.balance or self._first_balance()
        self._adapts, self._next_balance = state.balance is None, EVERY

    def state(self) -> State:
        """Return where the iteration stands."""
        volume, dual, tv_dual = map(self._place.take, (self._volume, self._dual, self._tv_dual))
        return State(volume, dual, tv_dual, self._balance)

    def run(self, max_iterations: int) -> Iterator[Check]:
        """Iterate, and look at the gap now and then."""
        told = time.monotonic()
        for iteration in range(max_iterations + 1):
            factor = self._problem.factor[:, None, None]
            self._place.xp.multiply(self._dual, factor, out=self._scaled)
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
        tv, data = self._balance.tv, self._balance.data
        step = 1 / (data @ self._columns + 6 * tv)
        self._steps.move_volume(
            self._volume, self._extrapolated, self._back, self._tv_dual, (step, relaxation)
        )
        self._problem.operator.forward(self._extrapolated, self._projected)
        self._steps.move_dual(self._dual, self._of_volume, self._projected, (data, relaxation))
        self._steps.move_tv_dual(self._extrapolated, self._tv_dual, (tv / 2, relaxation))

    def _check(self, iteration: int) -> Check:
        problem, place = self._problem, self._place
        total_variation, unmet = self._steps.look(self._volume, self._back, self._tv_dual)
        weight = problem.weight[..., None]
        likelihood = problem.likelihood
        expected = self._of_volume + problem.background[:, None, None]
        misfit = likelihood.value(expected, problem.counts, weight)
        conjugate = likelihood.conjugate(self._dual, problem.counts, weight)
        conjugate -= self._dual * problem.background[:, None, None]
        objective = place.sum(misfit) + problem.tv_weight * total_variation
        if problem.slope is not None:
            slope, volume = problem.slope.reshape(-1), self._volume.reshape(-1)
            objective += float(place.xp.vdot(slope, volume))
        bound = -place.sum(conjugate) - problem.constraint.largest * unmet
        return Check(iteration, float(objective), float(bound))

    def _first_dual(self, dual: Block | None) -> Held:
        """Return the dual to start from; that of rays that miss all voxels is known."""
        problem, place = self._problem, self._place
        expected = self._of_volume + problem.background[:, None, None]
        slope = problem.likelihood.slope(expected, problem.counts, problem.weight[..., None])
        is_seen = self._path[..., None] > 0
        return slope if dual is None else place.xp.where(is_seen, place.put(dual), slope)

    def _first_balance(self) -> Balance:
        """Return the steps for moves as large as the start itself."""
        n_voxels = np.prod(self._volume.shape[:-1])
        size = self._sums(self._volume**2) + 1e-3 * n_voxels
        # an image that fits exactly at the start will move by its noise, which is 1
        n, n_images = len(self._columns), self._problem.likelihood.n_images
        least = self._place.put((np.arange(n) >= n - n_images).astype(np.float32))
        moved = (self._dual**2 + least) * self._path[..., None]
        moved = self._sums(moved * self._problem.factor[:, None, None])
        data = np.sqrt(moved / (self._columns @ size))
        return Balance(np.maximum(data, 1e-6), max(TV_BALANCE * self._problem.tv_weight, 1e-6))

    def _rebalance(self, iteration: int) -> None:
        """Balance the steps by how far each part has moved: less and less often."""
        if iteration != self._next_balance or not self._adapts:
            return
        self._next_balance *= 2
        size = self._sums((self._volume - self._start) ** 2)
        lengths = self._path[..., None] * self._problem.factor[:, None, None]
        data = self._sums((self._dual - self._dual_start) ** 2 * lengths)
        still = np.zeros(len(data))
        expected = self._columns @ size
        wanted = np.sqrt(np.divide(data, expected, out=still, where=expected > 0))
        moved = np.where(wanted > 0, wanted, self._balance.data)
        self._balance = replace(self._balance, data=np.sqrt(self._balance.data * moved))

    def _sums(self, block: Held) -> np.ndarray:
        """Return the sum of each element, ``(element,)`` float64."""
        return self._place.sum(block, (0, 1, 2))  # type: ignore[no-any-return]


def _or_next(inside: Mask) -> Mask:
    """Return where a voxel, or the next one along any axis, is inside."""
    touched = inside.copy()
    touched[:-1] |= inside[1:]
    touched[:, :-1] |= inside[:, 1:]
    touched[:, :, :-1] |= inside[:, :, 1:]
    return touched


def _steps(problem: Problem, inside: HeldAny, touched: HeldAny, path: Held) -> Any:
    """Return the steps for the arrays of the problem's place."""
    if problem.operator.place is HOST:
        return CompiledSteps(problem, inside, touched, path)
    from stemedx.reconstruct.tensor_steps import TensorSteps  # noqa: PLC0415 # it imports torch

    return TensorSteps(problem, inside, touched, path)


def _largest_columns(operator: LinearOperator, factor: Held) -> np.ndarray:
    """Return ``(element of the maps, element of the volume)`` the largest column sum.

    The largest, for one step for all voxels of an element; not 0, which would be endless.
    """
    n_of_maps, place = operator.range_shape[-1], operator.place
    columns = np.empty((n_of_maps, operator.domain_shape[-1]))
    for element in range(n_of_maps):
        maps = place.full(operator.range_shape, 0.0)
        maps[..., element] = factor[:, None, None, element]
        columns[element] = place.take(place.xp.amax(operator.adjoint(maps), (0, 1, 2)))
    # each element of the volume is seen by some, if ever so little
    return np.maximum(columns, 1e-6 * (columns.max() or 1.0) * np.eye(*columns.shape))
