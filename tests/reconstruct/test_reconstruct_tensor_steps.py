"""The primal-dual solver on tensors against the same on arrays of numpy."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from stemedx.project.cropped import Crop, cropped_projector
from stemedx.project.geometry import Geometry
from stemedx.project.place import HOST
from stemedx.reconstruct.likelihoods import (
    BERNOULLI,
    BERNOULLI_AND_IMAGE,
    GAUSSIAN,
    POISSON,
    POISSON_AND_IMAGE,
    Likelihood,
)
from stemedx.reconstruct.mixture import mixed
from stemedx.reconstruct.primal_dual import State, minimise
from stemedx.reconstruct.problem import BOX, SIMPLEX, Constraint, Problem

N_X, N_Y, N_TILTS = 15, 11, 5
CROP = Crop(slice(1, 13), slice(2, 14), slice(1, 10))
SEEN = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [0.3, 0.3, 0.4], [0.2, 0.5, 0.3]])


@dataclass(frozen=True)
class Kind:
    """What a problem is like."""

    likelihood: Likelihood
    constraint: Constraint = BOX
    group: tuple[int, ...] = (0, 0, 0)
    is_mixed: bool = False
    has_edges: bool = False
    has_slope: bool = False


KINDS = {
    "poisson": Kind(POISSON),
    "separate": Kind(POISSON, group=(0, 1, 2)),
    "hits": Kind(BERNOULLI, group=(1, 0, 1), has_slope=True),
    "image": Kind(GAUSSIAN),
    "edges": Kind(POISSON, group=(0, 1, 1), has_edges=True),
    "simplex": Kind(POISSON_AND_IMAGE, SIMPLEX, is_mixed=True, has_slope=True),
    "simplex of hits": Kind(BERNOULLI_AND_IMAGE, SIMPLEX, is_mixed=True, has_edges=True),
}


def moved(rng):
    shift_px = rng.uniform(-2, 2, (N_TILTS, 2))
    tilt_deg = np.linspace(-60, 55, N_TILTS)
    return Geometry(tilt_deg, N_Y, N_X, np.full(N_TILTS, 8.0), shift_px)


def edges_of(shape, rng):
    """Vectors shorter than 1; 0 along an axis where there is no next voxel."""
    edges = rng.standard_normal((3, *shape)).astype(np.float32)
    edges *= rng.uniform(0, 0.97, shape).astype(np.float32) / np.linalg.norm(edges, axis=0)
    edges[0, -1], edges[1, :, -1], edges[2, :, :, -1] = 0, 0, 0
    return edges


def problem_at(place, kind):
    """Three elements or shares, pixels and voxels that are not used, in a moved geometry."""
    rng = np.random.default_rng(7)
    operator = cropped_projector(moved(rng), 3, CROP, place)
    operator = mixed(operator, SEEN) if kind.is_mixed else operator
    shape = operator.domain_shape
    truth, inside = np.zeros(shape, np.float32), np.zeros(shape[:3], bool)
    truth[3:9, 4:10, 2:8, 0], truth[5:9, 4:10, 2:8, 1] = 0.6, 0.3
    inside[1:11, 2:12, 1:] = True
    factor = rng.uniform(0.5, 2, (N_TILTS, operator.range_shape[-1])).astype(np.float32)
    background = rng.uniform(0.05, 0.2, factor.shape).astype(np.float32)
    expected = operator.forward(truth) * factor[:, None, None] + background[:, None, None]
    counts = rng.poisson(expected.astype(np.float64).round(4)).astype(np.float32)
    if kind.likelihood in (BERNOULLI, BERNOULLI_AND_IMAGE):
        counts = np.minimum(counts, 1)
    if kind.likelihood.n_images:
        counts[..., -1] = expected[..., -1] + 0.1 * rng.standard_normal(expected.shape[:-1])
    weight = rng.uniform(0.3, 1, counts.shape[:3]).astype(np.float32)
    weight[0, :2] = 0
    slope = 0.1 * rng.standard_normal(shape).astype(np.float32) if kind.has_slope else None
    return Problem(
        operator, counts, weight, factor, background, kind.likelihood, 0.3, np.array(kind.group),
        kind.constraint, slope, inside, edges_of(shape[:3], rng) if kind.has_edges else None,
    )  # fmt: skip


def solved(problem, start=None, gap=1e-9, n=60):
    state = start or State(np.full(problem.operator.domain_shape, 0.1, np.float32))
    return minimise(problem, state, gap_per_photon=gap, max_iterations=n)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_iterations_on_a_device_are_those_of_numpy(kind, device_place):
    here, looks_here = solved(problem_at(HOST, kind))
    there, looks_there = solved(problem_at(device_place, kind))
    assert here.volume.max() > 0.5
    # rounding of float32, over 60 iterations
    assert there.volume == pytest.approx(here.volume, abs=1e-5)
    assert there.tv_dual == pytest.approx(here.tv_dual, abs=1e-5)
    assert there.dual == pytest.approx(here.dual, abs=1e-4 * float(np.abs(here.dual).max()))
    assert there.balance.data == pytest.approx(here.balance.data, rel=1e-4)
    assert [look.iteration for look in looks_there] == [look.iteration for look in looks_here]
    for one, other in zip(looks_there, looks_here, strict=True):
        size = abs(other.objective)
        assert one.objective == pytest.approx(other.objective, abs=1e-6 * size)
        assert one.bound == pytest.approx(other.bound, abs=1e-5 * size)


@pytest.mark.parametrize("kind", [KINDS["image"], KINDS["simplex"]], ids=["image", "simplex"])
def test_it_stops_on_a_device_where_it_does_in_numpy(kind, device_place):
    _, looks_here = solved(problem_at(HOST, kind), gap=0.02, n=2000)
    _, looks_there = solved(problem_at(device_place, kind), gap=0.02, n=2000)
    assert 2 < len(looks_here) < 100
    assert len(looks_there) == pytest.approx(len(looks_here), abs=1)


def test_a_start_with_duals_goes_on_where_it_was(device_place):
    """In a box that is wider than where the duals come from, with duals out of their balls."""
    kind = KINDS["edges"]
    rng, states = np.random.default_rng(1), []
    for place in (HOST, device_place):
        problem = problem_at(place, kind)
        state, _ = solved(problem, n=20)
        rng = np.random.default_rng(1)
        shape, maps = problem.operator.domain_shape, problem.operator.range_shape
        tv_dual = 0.3 * rng.standard_normal((3, *shape)).astype(np.float32)
        dual = 0.3 * rng.standard_normal(maps).astype(np.float32)
        states.append(solved(problem, replace(state, tv_dual=tv_dual, dual=dual), n=30)[0])
    here, there = states
    assert there.volume == pytest.approx(here.volume, abs=1e-5)
    assert there.tv_dual == pytest.approx(here.tv_dual, abs=1e-5)
    assert there.dual == pytest.approx(here.dual, abs=1e-4 * float(np.abs(here.dual).max()))


def test_a_problem_and_its_start_are_left_as_they_are(device_place):
    problem = problem_at(device_place, KINDS["simplex"])
    kept = [np.array(part) for part in (problem.counts, problem.slope)]
    state = State(np.full(problem.operator.domain_shape, 0.1, np.float32))
    solved(problem, state, n=5)
    assert np.array_equal(problem.counts, kept[0])
    assert np.array_equal(problem.slope, kept[1])
    assert (state.volume == np.float32(0.1)).all()
