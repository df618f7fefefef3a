import numpy as np
import pytest
from numpy.linalg import norm

from stemedx.project.geometry import Geometry
from stemedx.project.projector import projector
from stemedx.reconstruct import dual
from stemedx.reconstruct.dual import dual_solver, ray_overlaps

PENALTY = 3.0


@pytest.fixture
def aligned(geometry):
    return Geometry(geometry.tilt_deg, geometry.n_y, geometry.n_x)


def solve(geometry, right, n_iterations):
    """Return the operator of two elements, and what solves for each of them."""
    operator = projector(geometry, 2)
    found = np.zeros_like(right)
    dual_solver(geometry, PENALTY, n_iterations)(operator, found, right)
    return operator, found


def residual(operator, found, right):
    """Return how far the system is from solved, by element, relative to its right side."""
    left = operator.forward(operator.adjoint(found)) + PENALTY * found
    elements = range(right.shape[-1])
    return [norm((left - right)[..., e]) / norm(right[..., e]) for e in elements]


@pytest.fixture
def right(operator, rng):
    return rng.standard_normal(operator.range_shape, np.float32)


def test_aligned_maps_need_no_iteration(aligned, right):
    assert max(residual(*solve(aligned, right, 1), right)) < 1e-6  # float32


def test_moved_maps_are_solved_by_iterations(geometry, right):
    far, near = (max(residual(*solve(geometry, right, n), right)) for n in (3, 60))
    assert far > 1e-2
    assert near < 1e-6  # float32


def test_a_large_series_is_solved_through_the_volume(geometry, right, monkeypatch):
    expected = solve(geometry, right, 4)[1]
    monkeypatch.setattr(dual, "MAX_PIXELS", 0)
    assert solve(geometry, right, 4)[1] == pytest.approx(expected, abs=1e-5)  # float32


@pytest.mark.parametrize("n_iterations", [2, 5, 10])
def test_volumes_are_as_good_as_by_conjugate_gradients_over_voxels(
    geometry, operator, dense, right, n_iterations
):
    """What the paper does, from 0 and on one equation per voxel; ours needs two steps more."""
    normal = dense.T @ dense + PENALTY * np.eye(dense.shape[1])
    target = dense.T @ right.ravel()
    x, r = np.zeros_like(target), target.copy()
    p = r
    for _ in range(n_iterations):
        step = r @ r / (p @ normal @ p)
        x, before, r = x + step * p, r, r - step * normal @ p
        p = r + r @ r / (before @ before) * p
    _, found = solve(geometry, right, n_iterations + 2)
    ours = dense.T @ found.ravel()
    assert norm(normal @ ours - target) < norm(normal @ x - target)


def test_a_solution_is_left_alone(geometry, right):
    operator, found = solve(geometry, right, 60)
    again = found.copy()
    dual_solver(geometry, PENALTY, 60)(operator, again, right)
    assert again == pytest.approx(found, abs=1e-6)  # float32


def test_rays_share_what_the_projector_says(aligned):
    operator = projector(Geometry(aligned.tilt_deg, 1, aligned.n_x), 1)
    size = int(np.prod(operator.range_shape))
    unit = np.eye(size, dtype=np.float32).reshape(size, *operator.range_shape)
    expected = [operator.forward(operator.adjoint(one)).ravel() for one in unit]
    assert ray_overlaps(aligned) == pytest.approx(np.array(expected), abs=1e-5)  # float32
