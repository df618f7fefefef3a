"""The primal-dual solver against other solvers of the same problem."""

import logging
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from skimage.restoration import denoise_tv_chambolle

from stemedx.project import parallel
from stemedx.project.operators import LinearOperator
from stemedx.reconstruct.kernels import surplus_over
from stemedx.reconstruct.likelihoods import BERNOULLI, GAUSSIAN, POISSON, POISSON_AND_IMAGE
from stemedx.reconstruct.primal_dual import State, minimise
from stemedx.reconstruct.problem import SIMPLEX, Problem

JOINT = np.zeros(2, np.int64)


@pytest.fixture
def problem(operator, volume, rng):
    """Two elements of some tens of photons per pixel, gains and backgrounds of their own."""
    factor = rng.uniform(20, 40, (4, 2)).astype(np.float32)
    background = rng.uniform(0.5, 2, (4, 2)).astype(np.float32)
    expected = operator.forward(volume) * factor[:, None, None] + background[:, None, None]
    counts = rng.poisson(expected).astype(np.float32)
    weight = rng.uniform(0.3, 1, counts.shape[:3]).astype(np.float32)
    return Problem(operator, counts, weight, factor, background, POISSON, 2.0, JOINT)


def start(problem):
    return State(np.full(problem.operator.domain_shape, 0.1, np.float32))


def solved(problem, gap=1e-4):
    return minimise(problem, start(problem), gap_per_photon=gap, max_iterations=400)


@pytest.mark.parametrize("likelihood", [POISSON, BERNOULLI, GAUSSIAN], ids=["p", "b", "g"])
def test_without_penalty_it_agrees_with_a_quasi_newton_method(problem, dense, likelihood):
    counts = problem.counts
    if likelihood is BERNOULLI:
        counts = np.minimum(counts * (np.arange(counts.size).reshape(counts.shape) % 3), 1)
        problem = replace(problem, factor=problem.factor / 20, background=problem.background / 9)
    problem = replace(
        problem, likelihood=likelihood, counts=counts.astype(np.float32), tv_weight=0.0
    )
    shape, weight = problem.operator.range_shape, problem.weight[..., None]
    factor, background = problem.factor[:, None, None], problem.background[:, None, None]

    def merit(x):
        expected = (dense @ x).reshape(shape) * factor + background
        value = likelihood.value(expected, problem.counts, weight).sum()
        slope = likelihood.slope(expected, problem.counts, weight) * factor
        return value, dense.T @ slope.ravel()

    bounds = [(0, 10)] * dense.shape[1]
    reference = minimize(merit, np.full(dense.shape[1], 0.1), jac=True, bounds=bounds,
                         options={"maxiter": 1000, "maxfun": 2000, "ftol": 1e-13})  # fmt: skip
    state, checks = solved(problem)
    # of the objective: the solution itself is not unique
    span = merit(np.full(dense.shape[1], 0.1))[0] - reference.fun
    last = checks[-1]
    # hits say little about where photons come from: a flat valley
    near = 1e-2 if likelihood is BERNOULLI else 1e-3
    assert last.objective == pytest.approx(reference.fun, abs=near * span)
    assert last.bound <= reference.fun + 1e-5 * span
    assert merit(state.volume.ravel())[0] == pytest.approx(last.objective, abs=1e-4 * span)


def test_voxels_outside_stay_empty_and_the_rest_is_solved_without_them(problem, rng):
    inside = rng.random(problem.operator.domain_shape[:3]) < 0.6
    whole = problem.operator

    def forward(volume, out=None):
        return whole.forward(volume * inside[..., None], out)

    def adjoint(maps, out=None):
        back = whole.adjoint(maps, out)
        back *= inside[..., None]
        return back

    problem = replace(problem, tv_weight=0.0, inside=inside)
    state, checks = solved(problem, 5e-3)
    assert not state.volume[~inside].any()
    masked = LinearOperator(forward, adjoint, whole.domain_shape, whole.range_shape)
    _, expected = solved(replace(problem, operator=masked, inside=None), 5e-3)
    assert checks[-1].gap < 5e-3 * problem.photons
    assert checks[-1].objective == pytest.approx(expected[-1].objective, abs=5e-3 * problem.photons)


def test_edges_between_inside_and_outside_count(problem):
    inside = np.zeros(problem.operator.domain_shape[:3], bool)
    inside[2:5, 2:5, 1:3] = True
    strong = replace(problem, tv_weight=1e5, inside=inside)
    flat, _ = minimise(strong, start(problem), gap_per_photon=1e-3, max_iterations=300)
    # all of space could be even at no cost; a box within vacuum costs its faces
    assert flat.volume.max() < 1e-3


def test_total_variation_agrees_with_that_of_scikit_image(rng):
    """With A the identity and a Gaussian likelihood it denoises a volume, one per element."""
    shape = (6, 7, 5, 1)
    truth = np.ones(shape) + (np.arange(6) > 2)[:, None, None, None]
    noisy = (truth + 0.3 * rng.standard_normal(shape)).astype(np.float32)
    one = np.ones((6, 1), np.float32)
    problem = Problem(
        copying(shape), noisy, np.ones(shape[:3], np.float32), one,
        0 * one, GAUSSIAN, 0.2, np.zeros(1, np.int64),
    )  # fmt: skip
    state, _ = solved(problem, gap=1e-4)
    expected = denoise_tv_chambolle(noisy[..., 0], weight=0.2, eps=1e-9, max_num_iter=3000)
    assert state.volume[..., 0] == pytest.approx(expected, abs=5e-3)


def copying(shape):
    """A the identity."""

    def copy(values, out=None):
        if out is None:
            return values.copy()
        out[:] = values
        return out

    return LinearOperator(copy, copy, shape, shape)


def test_steps_along_known_edges_cost_less_as_projected_gradients_find(rng):
    """Two elements that share their edges are denoised; the reference solves the dual."""
    shape, weight = (3, 4, 3, 2), 0.5
    noisy = rng.standard_normal(shape).astype(np.float32) + 5
    edges = rng.standard_normal((3, *shape[:3])).astype(np.float32)
    edges *= rng.uniform(0, 0.97, shape[:3]).astype(np.float32) / np.linalg.norm(edges, axis=0)
    edges[0, -1], edges[1, :, -1], edges[2, :, :, -1] = 0, 0, 0
    one = np.ones((3, 2), np.float32)
    problem = Problem(
        copying(shape), noisy, np.ones(shape[:3], np.float32), one, 0 * one, GAUSSIAN, weight,
        JOINT, edges=edges,
    )  # fmt: skip

    def shortened(x):
        x = x.reshape(shape)
        steps = [np.diff(x, axis=axis, append=x.take([-1], axis)) for axis in range(3)]
        along = (edges[..., None] * steps).sum(axis=0)
        return steps - edges[..., None] * along

    def merit(x):
        lengths = np.sqrt((shortened(x) ** 2).sum(axis=(0, -1)))
        return ((x - noisy) ** 2).sum() / 2 + weight * lengths.sum()

    matrix = np.stack([shortened(unit).ravel() for unit in np.eye(noisy.size)], axis=1)
    dual = np.zeros((3, *shape))
    for _ in range(3000):
        reference = noisy - (matrix.T @ dual.ravel()).reshape(shape)
        dual += shortened(reference) / 12  # the squared norm of differences is 12 at most
        lengths = np.sqrt((dual**2).sum(axis=(0, -1), keepdims=True))
        dual *= weight / np.maximum(lengths, weight)
    state, checks = solved(problem, 1e-6)
    assert -1e-4 < checks[-1].gap < 2e-3
    assert state.volume == pytest.approx(reference, abs=0.01)
    # rounding of sums of float32
    assert checks[-1].objective == pytest.approx(merit(reference), abs=1e-3)
    _, plain = solved(replace(problem, edges=None), 1e-6)
    assert checks[-1].objective < plain[-1].objective - 0.1


def test_the_gap_falls_and_bounds_what_is_left_to_gain(problem):
    _, exact = solved(problem)
    _, rough = minimise(problem, start(problem), gap_per_photon=1e-3, max_iterations=400)
    least = exact[-1].objective
    assert rough[-1].gap < 1e-3 * (problem.counts * problem.weight[..., None]).sum() < rough[0].gap
    for check in rough:
        # rounding of sums of thousands of float32
        assert check.bound <= least + 0.01
        assert check.objective >= least - 0.01


def test_a_start_at_the_solution_stops_at_once(problem):
    state, checks = solved(problem, gap=1e-3)
    _, again = minimise(problem, state, gap_per_photon=1.1e-3, max_iterations=100)
    assert len(again) == 1 < len(checks)


def test_a_start_whose_dual_leaves_the_volume_ends_at_the_solution(problem):
    """As that of a box cut out of another: there is no next voxel at its ends."""
    strong = replace(problem, tv_weight=40.0)
    dual = np.full((3, *problem.operator.domain_shape), 12.0, np.float32)
    _, checks = minimise(strong, replace(start(strong), tv_dual=dual), gap_per_photon=1e-4,
                         max_iterations=400)  # fmt: skip
    least = solved(strong)[1][-1].objective
    assert checks[-1].objective == pytest.approx(least, abs=0.1)
    assert checks[-1].bound <= least + 0.01


def test_shared_edges_differ_from_separate_ones(problem):
    joint, separate = solved(problem, 1e-2), solved(replace(problem, group=np.arange(2)), 1e-2)
    # the length of a joint step is at most the sum of the lengths
    assert joint[1][-1].objective < separate[1][-1].objective - 1
    alone = replace(
        problem, counts=problem.counts[..., :1].copy(), factor=problem.factor[:, :1].copy(),
        background=problem.background[:, :1].copy(), group=JOINT[:1],
        operator=_first_element(problem.operator),
    )  # fmt: skip
    found = solved(alone, 1e-2)[0].volume[..., 0]
    assert separate[0].volume[..., 0] == pytest.approx(found, abs=0.02)


def _first_element(operator):
    """The same operator for one element."""

    def doubled(apply):
        def one(values, out=None):
            result = apply(np.repeat(values, 2, axis=-1))[..., :1]
            if out is None:
                return result.copy()
            out[:] = result
            return out

        return one

    return LinearOperator(
        doubled(operator.forward), doubled(operator.adjoint),
        (*operator.domain_shape[:-1], 1), (*operator.range_shape[:-1], 1),
    )  # fmt: skip


def test_it_says_when_it_has_not_converged(problem, caplog):
    with caplog.at_level(logging.WARNING):
        minimise(problem, start(problem), gap_per_photon=1e-9, max_iterations=7)
    assert "not converged after 7 iterations" in caplog.text


def test_nothing_gives_nothing(problem):
    empty = replace(problem, counts=np.zeros_like(problem.counts))
    state, _ = minimise(empty, start(problem), gap_per_photon=1e-2, max_iterations=300)
    assert state.volume.max() < 1e-3


def test_a_volume_is_the_same_whatever_the_number_of_threads(problem, monkeypatch):
    first, _ = minimise(problem, start(problem), gap_per_photon=1e-4, max_iterations=30)
    monkeypatch.setattr(parallel, "WORTH_A_THREAD", 0)
    second, _ = minimise(problem, start(problem), gap_per_photon=1e-4, max_iterations=30)
    assert np.array_equal(first.volume, second.volume)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_rest_adds_up_to_the_largest_sum(rng, n):
    """The projection on the simplex: of all points of that sum, the nearest (by its signs)."""
    values = (1 + rng.random(n)).astype(np.float32)
    values[0] -= 2.5 * (n > 1)
    rest = np.maximum(values - surplus_over(values, np.float32(0.7)), 0)
    assert rest.sum() == pytest.approx(0.7, rel=1e-5)
    taken = values - rest
    assert (taken[rest == 0] <= taken[rest > 0].max() + 1e-6).all()


def test_shares_on_the_simplex_are_no_worse_than_those_of_a_quasi_newton_method(problem, dense):
    """One element counted, the other an image, a linear term, and no penalty."""
    slope = np.zeros(problem.operator.domain_shape, np.float32)
    slope[..., 0] = 0.5
    problem = replace(
        problem, likelihood=POISSON_AND_IMAGE, constraint=SIMPLEX, slope=slope, tv_weight=0.0
    )
    shape, weight = problem.operator.range_shape, problem.weight[..., None]
    factor, background = problem.factor[:, None, None], problem.background[:, None, None]

    def merit(x):
        expected = (dense @ x).reshape(shape) * factor + background
        parts = problem.likelihood.value(expected, problem.counts, weight)
        found = problem.likelihood.slope(expected, problem.counts, weight) * factor
        return parts.sum() + slope.ravel() @ x, dense.T @ found.ravel() + slope.ravel()

    start_at = np.full(dense.shape[1], 0.1)

    # shares that add up to s in [0, 1]: coordinates s and the part of the first
    def split(c):
        total, first = c.reshape(2, -1)
        return np.stack([total * first, total * (1 - first)], -1).ravel()

    def in_coordinates(c):
        total, first = c.reshape(2, -1)
        value, at = merit(split(c))
        a, b = at.reshape(-1, 2).T
        return value, np.concatenate([a * first + b * (1 - first), total * (a - b)])

    bounds = [(0, 1)] * dense.shape[1]
    reference = minimize(in_coordinates, np.full(dense.shape[1], 0.5), jac=True, bounds=bounds,
                         options={"maxiter": 6000, "maxfun": 20000, "ftol": 1e-13})  # fmt: skip
    state, checks = solved(problem)
    span = merit(start_at)[0] - reference.fun
    # in these coordinates the search may end early, never below the least value
    assert checks[-1].objective <= reference.fun + 1e-3 * span
    assert checks[-1].bound <= reference.fun
    assert 0 <= checks[-1].gap < 0.02 * span
    assert state.volume.sum(axis=-1).max() <= 1 + 1e-4
    assert merit(state.volume.ravel())[0] == pytest.approx(checks[-1].objective, abs=1e-3 * span)


def test_it_goes_on_for_as_long_as_it_is_told(problem):
    _, checks = minimise(
        problem, start(problem), gap_per_photon=1e9, max_iterations=100, min_iterations=40
    )
    assert checks[-1].iteration == 40


def test_enough_iterations_end_it_without_a_warning(problem, caplog):
    with caplog.at_level(logging.WARNING):
        _, checks = minimise(
            problem, start(problem), gap_per_photon=1e-9, max_iterations=100, enough=30
        )
    assert checks[-1].iteration == 40  # it looks every 20
    assert not caplog.text
