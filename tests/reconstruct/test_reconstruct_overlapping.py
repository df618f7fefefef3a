"""Slabs with margins give what the whole gives, and need the memory of one slab."""

from dataclasses import replace

import numpy as np
import pytest

from stemedx.project.blocks import block_to_maps, volumes_to_block
from stemedx.project.cropped import Crop
from stemedx.project.geometry import Geometry
from stemedx.project.projector import projector
from stemedx.reconstruct import overlapping
from stemedx.reconstruct.measured import Measured, binned
from stemedx.reconstruct.overlapping import rows_seen, seeing_only, slabs, solve_by_rows
from stemedx.reconstruct.penalised import Penalty, coarser, fine_box, first_fit, solve

TILT_DEG = np.arange(-60, 61, 20.0)
N_Y, N_X = 72, 18
PENALTY = Penalty(0.3, (0, 0), 0.005, 2000)
MOVED = Geometry(
    TILT_DEG, N_Y, N_X, np.full(7, 6.0), np.random.default_rng(3).uniform(-1.5, 1.5, (7, 2))
)


@pytest.fixture(params=["aligned", "moved"])
def measured(request, rng):
    """A rod that is thicker at one end, and three particles of another element in it."""
    z, y, x = np.mgrid[:N_X, :N_Y, :N_X] - np.array([9, 30, 8])[:, None, None, None]
    rod = (z**2 + x**2 < (4 + y / 40) ** 2) & (abs(y) < 27)
    grains = rod & (y % 17 < 7)
    truth = np.stack([0.2 * rod, 0.3 * grains]).astype(np.float32)
    geometry = MOVED if request.param == "moved" else Geometry(TILT_DEG, N_Y, N_X)
    expected = block_to_maps(projector(geometry, 2).forward(volumes_to_block(truth)))
    zeros, weight = np.zeros((2, 7)), np.ones((7, N_Y, N_X), np.float32)
    return Measured(rng.poisson(expected + 0.02), geometry, "counts", zeros + 1, zeros, weight)


def test_slabs_with_margins_agree_with_the_whole(measured, monkeypatch):
    coarse = first_fit(measured)
    whole = solve_by_rows(measured, coarse, PENALTY, 1)
    assert len(whole.checks) == 1
    n_z, n_x, _ = fine_box(coarse, measured, 1).shape
    monkeypatch.setattr(overlapping, "SLAB_VALUES", 2 * n_z * n_x * 45)
    parts = solve_by_rows(measured, coarse, PENALTY, 1)
    assert len(parts.checks) >= 3
    # what the gap leaves open, and what lies more than 12 rows away
    for part, all_at_once in zip(parts.volumes, whole.volumes, strict=True):
        assert np.linalg.norm(part - all_at_once) < 0.01 * np.linalg.norm(all_at_once)
    assert parts.volumes.sum() == pytest.approx(whole.volumes.sum(), rel=0.01)
    assert parts.calibration.gain == pytest.approx(whole.calibration.gain, rel=0.01)
    assert parts.calibration.background == pytest.approx(whole.calibration.background, rel=0.01)


@pytest.fixture
def dot():
    """Photons of a ball in 40^3."""
    z, y, x = np.mgrid[:40, :40, :40] - np.array([19, 21, 18])[:, None, None, None]
    truth = (0.2 * (z**2 + y**2 + x**2 < 11**2))[None].astype(np.float32)
    geometry = Geometry(TILT_DEG, 40, 40)
    expected = block_to_maps(projector(geometry, 1).forward(volumes_to_block(truth)))
    zeros, weight = np.zeros((1, 7)), np.ones((7, 40, 40), np.float32)
    maps = np.random.default_rng(0).poisson(expected + 0.02)
    return Measured(maps, geometry, "counts", zeros + 1, zeros, weight)


def _coarse(measured, n):
    """Return a solution of binned maps."""
    coarse, penalty = binned(measured, n), replace(PENALTY, group=(0,))
    return solve(coarse, first_fit(coarse), coarser(penalty, n), 1), penalty


def test_edges_of_the_coarse_grid_start_the_full_one_nearer_to_its_end(dot):
    coarse, penalty = _coarse(dot, 2)
    without = replace(coarse, state=replace(coarse.state, tv_dual=None))
    near, far = (solve_by_rows(dot, each, penalty, 2).checks[0] for each in (coarse, without))
    assert near[2].iteration == far[2].iteration
    assert near[2].gap < 0.8 * far[2].gap


def test_a_grid_in_between_changes_the_way_and_not_the_end(dot, monkeypatch):
    coarse, penalty = _coarse(dot, 4)
    by_halves = solve_by_rows(dot, coarse, penalty, 4)
    monkeypatch.setattr(overlapping, "_by_halves", lambda measured, fit, penalty, n: (fit, n))
    at_once = solve_by_rows(dot, coarse, penalty, 4)
    assert len(by_halves.checks[0]) < len(at_once.checks[0]) / 2
    moved = np.linalg.norm(by_halves.volumes - at_once.volumes)
    assert moved < 0.03 * np.linalg.norm(at_once.volumes)


def test_slabs_hold_each_row_once_and_are_small():
    box = Crop(slice(10, 390), slice(20, 380), slice(7, 391))
    cores, wides = zip(*slabs(box, 3), strict=True)
    assert [row for core in cores for row in range(core.start, core.stop)] == list(range(7, 391))
    for core, wide in zip(cores, wides, strict=True):
        assert (wide.stop - wide.start) * 380 * 360 * 3 < 1.02 * overlapping.SLAB_VALUES
        assert wide.start == max(7, core.start - 12)
        assert wide.stop == min(391, core.stop + 12)


def test_a_small_box_is_one_slab():
    box = Crop(slice(3, 50), slice(4, 60), slice(5, 70))
    assert slabs(box, 3) == [(box.y, box.y)]


def test_a_pixel_that_sees_other_rows_has_no_weight():
    """Against the projector: one row of voxels is seen by pixels that look close to it."""
    row = 30
    volume = np.zeros((N_X, N_X, N_Y, 1), np.float32)
    volume[:, :, row] = 1
    seen = projector(MOVED, 1).forward(volume)[..., 0].transpose(0, 2, 1)
    for tilt in range(7):
        near = np.abs(rows_seen(MOVED, tilt) - row) < 1
        assert not seen[tilt][~near].any()
        assert (seen[tilt][near] > 0).mean() > 0.6  # the others look past the side of the volume
    zeros, weight = np.zeros((1, 7)), np.ones((7, N_Y, N_X), np.float32)
    maps = np.ones((1, 7, N_Y, N_X), int)
    about = Measured(maps, MOVED, "counts", zeros + 1, zeros, weight)
    some = seeing_only(about, slice(31, 60), slice(5, 60)).weight
    assert not some[seen > 0].any()
    below = seeing_only(about, slice(5, 30), slice(5, 60)).weight
    assert not below[seen > 0].any()
    # each pixel is used by one of both, but for those that look between them
    assert (
        (some > 0)
        | (below > 0)
        | (np.abs([rows_seen(MOVED, t) for t in range(7)] - np.float64(row)) <= 1)
    ).all()
