import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.linalg import norm

from stemedx.project import parallel, products
from stemedx.project.blocks import maps_to_block, volumes_to_block
from stemedx.project.geometry import Geometry
from stemedx.project.projector import TILTS_AT_ONCE, project, projector
from stemedx.project.system import system_matrix

TILT_DEG = np.array([-50.0, -10.0, 35.0])


@st.composite
def geometries(draw):
    """Tilt series of a few small maps, some of them rotated and shifted."""
    n_tilts = draw(st.integers(1, 4))

    def per_tilt(bound, *shape):
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        return rng.uniform(-bound, bound, (n_tilts, *shape))

    rotation_deg = draw(st.sampled_from([None, per_tilt(180)]))
    shift_px = draw(st.sampled_from([None, per_tilt(3, 2)]))
    n_y, n_x = draw(st.integers(1, 9)), draw(st.integers(1, 12))
    return Geometry(per_tilt(80), n_y, n_x, rotation_deg, shift_px)


@settings(deadline=None, max_examples=50)
@given(geometries(), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_adjoint_is_the_transpose_of_forward(geometry, n_elements, seed):
    rng = np.random.default_rng(seed)
    operator = projector(geometry, n_elements)
    x = rng.standard_normal(operator.domain_shape, np.float32)
    y = rng.standard_normal(operator.range_shape, np.float32)
    Ax, ATy = operator.forward(x), operator.adjoint(y)
    # Rounding is relative to the larger of the two: <Ax, y>, and Ax itself, cancel.
    scale = max(norm(Ax) * norm(y), norm(x) * norm(ATy))
    assert abs(np.vdot(Ax, y) - np.vdot(x, ATy)) <= 1e-6 * scale


@settings(deadline=None, max_examples=50)
@given(geometries(), st.integers(0, 2**32 - 1))
def test_projection_is_linear(geometry, seed):
    rng = np.random.default_rng(seed)
    operator = projector(geometry, 2)
    a, b = rng.standard_normal((2, *operator.domain_shape), np.float32)
    together = operator.forward(3 * a - b)
    apart = 3 * operator.forward(a) - operator.forward(b)
    # float32 sums of up to 2 x 12 terms of a few units each
    assert np.allclose(together, apart, atol=1e-4)


@pytest.mark.parametrize("tilt_deg", [-60.0, -1.0, 0.0, 30.0, 70.0])
def test_disc_projects_to_its_chords(tilt_deg):
    """Against the exact projection of a disc: 2 sqrt(r^2 - (t - t0)^2).

    Off centre in both axes, so that a wrong sign of the tilt or of z fails.
    """
    n, radius, z0, x0 = 128, 20.0, 9.0, -14.0
    z, x = np.mgrid[:n, :n] - (n - 1) / 2
    disc = (np.hypot(z - z0, x - x0) < radius).astype(np.float32)
    volumes = disc[None, :, None, :] * np.array([0.5, 2.0], np.float32)[:, None, None, None]
    maps = project(volumes, np.array([tilt_deg]))
    t = np.arange(n) - (n - 1) / 2
    tilt = np.deg2rad(tilt_deg)
    t0 = x0 * np.cos(tilt) + z0 * np.sin(tilt)
    chords = 2 * np.sqrt(np.clip(radius**2 - (t - t0) ** 2, 0, None))
    assert np.abs(maps[0, 0, 0] - 0.5 * chords).mean() < 0.01 * chords.max()  # voxel edges
    assert np.abs(maps[1, 0, 0] - 2 * chords).mean() < 0.04 * chords.max()  # the same, at gain 2


def test_every_photon_per_voxel_is_seen_once_at_every_tilt(rng):
    """A gain of 1: the sum of a map is the sum of the volume, wherever it is tilted to."""
    volumes = np.zeros((2, 24, 3, 24), np.float32)
    volumes[:, 8:15, :, 6:16] = rng.random((2, 7, 3, 10))
    maps = project(volumes, np.arange(0, 360, 9.0))
    # Linear interpolation conserves the sum to the sampling of single voxels.
    assert maps.sum((-2, -1)) == pytest.approx(
        volumes.sum((1, 2, 3))[:, None] + 0 * maps[..., 0, 0], rel=0.03
    )


def test_project_is_the_projector_of_aligned_maps(rng):
    tilt_deg = np.linspace(-70, 70, TILTS_AT_ONCE + 3)
    volumes = rng.random((2, 11, 4, 11), np.float32)
    operator = projector(Geometry(tilt_deg, 4, 11), 2)
    projected = operator.forward(volumes_to_block(volumes))
    assert np.array_equal(maps_to_block(project(volumes, tilt_deg)), projected)


def test_permuting_elements_permutes_maps(rng):
    volumes = rng.random((3, 8, 4, 8), np.float32)
    order = [2, 0, 1]
    assert np.array_equal(project(volumes[order], TILT_DEG), project(volumes, TILT_DEG)[order])


def test_a_shift_moves_the_measured_map_against_it():
    """Aligning moves a map by (2, -1): the scan saw it at (-2, +1)."""
    geometry = Geometry(TILT_DEG, 7, 9, shift_px=np.tile([2.0, -1.0], (3, 1)))
    volume = np.zeros((9, 9, 7, 1), np.float32)
    volume[4, 4, 3] = 1.0
    measured = projector(geometry, 1).forward(volume)
    aligned = projector(Geometry(TILT_DEG, 7, 9), 1).forward(volume)
    assert np.array_equal(measured, np.roll(aligned, (1, -2), (1, 2)))


def test_results_do_not_depend_on_the_number_of_threads(rng, monkeypatch):
    geometry = Geometry(TILT_DEG, 6, 17, shift_px=rng.uniform(-2, 2, (3, 2)))
    x = rng.random((17, 17, 6, 2), np.float32)

    def pair():
        operator = projector(geometry, 2)
        y = operator.forward(x)
        return y, operator.adjoint(y)

    y, back = pair()
    monkeypatch.setattr(parallel, "WORTH_A_THREAD", 0)
    for n, rows in ((1, 512), (2, 7), (5, 1)):
        monkeypatch.setattr(products, "ROWS_AT_ONCE", rows)
        for module in (parallel, products):
            monkeypatch.setattr(module, "n_threads", lambda n=n: n)
        assert np.array_equal(pair()[0], y)
        assert np.array_equal(pair()[1], back)


def test_products_are_written_to_the_array_given(rng):
    operator = projector(Geometry(TILT_DEG, 6, 7, shift_px=rng.uniform(-2, 2, (3, 2))), 2)
    x, y = rng.random(operator.domain_shape, np.float32), rng.random((3, 7, 6, 2), np.float32)
    maps, volume = np.empty_like(y), np.empty_like(x)
    assert np.shares_memory(operator.forward(x, maps), maps)
    assert np.shares_memory(operator.adjoint(y, volume), volume)
    assert np.array_equal(maps, operator.forward(x))
    assert np.array_equal(volume, operator.adjoint(y))


def test_an_array_that_cannot_be_written_in_place_is_refused(rng):
    operator = projector(Geometry(TILT_DEG, 6, 7), 2)
    scattered = np.empty((2, 6, 7, 3), np.float32).T
    with pytest.raises(ValueError, match="copy"):
        operator.forward(rng.random(operator.domain_shape, np.float32), scattered)


def test_system_matrix_of_a_thin_slice_has_one_row_per_scan_pixel():
    assert system_matrix(TILT_DEG, 5, 9).shape == (3 * 9, 5 * 9)
