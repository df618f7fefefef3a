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


@pytest.fixture
def maps(operator, rng):
    return rng.standard_normal(operator.range_shape, np.float32)


def volume_of(geometry, maps, n_iterations):
    """Return the volume of two elements that is drawn to 0, and the equation it should solve."""
    operator = projector(geometry, 2)
    right = maps.copy()
    operator.unwarp(right)
    solution = dual_solver(geometry, PENALTY, n_iterations)(operator, right)
    volume = operator.aligned.adjoint(solution)
    left = operator.adjoint(operator.forward(volume)) + PENALTY * volume
    return volume, left, operator.adjoint(maps)


def residual(geometry, maps, n_iterations):
    """Return how far the least squares are from solved, relative to the data."""
    _, left, right = volume_of(geometry, maps, n_iterations)
    return max(norm((left - right)[..., e]) / norm(right[..., e]) for e in range(2))


def test_aligned_maps_need_no_iteration(aligned, maps):
    assert residual(aligned, maps, 1) < 1e-6  # float32


def test_moved_maps_are_solved_by_iterations(geometry, maps):
    assert residual(geometry, maps, 1) > 1e-2
    assert residual(geometry, maps, 40) < 1e-6  # float32


def test_a_large_series_is_solved_through_the_volume(geometry, maps, monkeypatch):
    expected, _, _ = volume_of(geometry, maps, 40)
    monkeypatch.setattr(dual, "MAX_PIXELS", 0)
    assert residual(geometry, maps, 3) > 1e-2  # it has no preconditioner
    assert volume_of(geometry, maps, 40)[0] == pytest.approx(expected, abs=1e-5)  # float32


def by_voxels(normal, right, n_iterations):
    """Conjugate gradients from 0, in float64."""
    x, r = np.zeros_like(right), right
    p = r
    for _ in range(n_iterations):
        step = r @ r / (p @ normal @ p)
        x, before, r = x + step * p, r, r - step * normal @ p
        p = r + r @ r / (before @ before) * p
    return x


@pytest.mark.parametrize("n_iterations", [1, 3, 10])
def test_no_fewer_steps_than_over_voxels_are_needed(geometry, dense, maps, n_iterations):
    """What the paper does is conjugate gradients with one unknown per voxel."""
    normal = dense.T @ dense + PENALTY * np.eye(dense.shape[1])
    right = dense.T @ maps.ravel()
    theirs = normal @ by_voxels(normal, right, n_iterations) - right
    _, left, right = volume_of(geometry, maps, n_iterations)
    assert norm(left - right) <= norm(theirs)


def test_without_preconditioner_the_steps_are_those_over_voxels(geometry, dense, maps, monkeypatch):
    monkeypatch.setattr(dual, "MAX_PIXELS", 0)
    volume, _, _ = volume_of(geometry, maps[..., :1] * np.ones(2, np.float32), 3)
    own = dense.reshape(maps.size // 2, 2, -1, 2)[:, 0, :, 0]
    normal = own.T @ own + PENALTY * np.eye(own.shape[1])
    expected = by_voxels(normal, own.T @ maps[..., 0].ravel(), 3)
    assert volume[..., 0].ravel() == pytest.approx(expected, abs=1e-5)  # float32


def test_rays_share_what_the_projector_says(aligned):
    operator = projector(Geometry(aligned.tilt_deg, 1, aligned.n_x), 1)
    size = int(np.prod(operator.range_shape))
    unit = np.eye(size, dtype=np.float32).reshape(size, *operator.range_shape)
    expected = [operator.forward(operator.adjoint(one)).ravel() for one in unit]
    assert ray_overlaps(aligned) == pytest.approx(np.array(expected), abs=1e-5)  # float32


def test_rows_far_from_the_data_hold_no_denormal_numbers():
    """A turned map hands less and less to the next row: products with such numbers are slow."""
    geometry = Geometry(np.linspace(-60, 60, 5), 60, 16, np.full(5, 0.05))
    operator = projector(geometry, 1)
    maps = np.zeros(operator.range_shape, np.float32)
    maps[:, :, 0] = 1
    solve = dual_solver(geometry, PENALTY, 40)
    for _ in range(8):
        maps = solve(operator, maps)
    smallest = np.abs(maps[maps != 0]).min()
    assert smallest > np.finfo(np.float32).smallest_normal
