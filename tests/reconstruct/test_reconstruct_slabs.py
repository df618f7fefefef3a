from functools import partial

import numpy as np
import pytest

from stemedx.params import MbirParams
from stemedx.project import parallel
from stemedx.project.blocks import block_to_volumes, maps_to_block
from stemedx.project.geometry import Geometry
from stemedx.project.projector import projector
from stemedx.reconstruct import slabs
from stemedx.reconstruct.bregman import split_bregman
from stemedx.reconstruct.simultaneous import sirt
from stemedx.reconstruct.slabs import solve_by_slabs

TILT_DEG = np.array([-40.0, 5.0, 30.0])
ALIGNED = Geometry(TILT_DEG, 7, 9)
SOLVE = partial(sirt, n_iterations=4)


@pytest.fixture
def maps(rng):
    return rng.random((2, 3, 7, 9), np.float32)


@pytest.fixture(params=[0, 3 * 2 * 81])
def small_slabs(request, monkeypatch):
    """At least a row, or three rows of two elements; solved in two threads."""
    monkeypatch.setattr(slabs, "SLAB_VOXELS", request.param)
    monkeypatch.setattr(parallel, "WORTH_A_THREAD", 0)


@pytest.mark.usefixtures("small_slabs")
def test_slabs_make_the_same_volumes_as_the_whole(maps):
    whole = block_to_volumes(SOLVE(projector(ALIGNED, 2), maps_to_block(maps)))
    assert np.array_equal(solve_by_slabs(SOLVE, maps, ALIGNED), whole)


@pytest.mark.usefixtures("small_slabs")
def test_no_slab_is_larger_than_said(maps):
    heights = []

    def solve(operator, data):
        heights.append(data.shape[2])
        return SOLVE(operator, data)

    solve_by_slabs(solve, maps, ALIGNED)
    assert sum(heights) == 7
    assert max(heights) <= max(1, slabs.SLAB_VOXELS // (2 * 81))


@pytest.mark.usefixtures("small_slabs")
def test_moved_maps_are_solved_together(maps):
    """A shift along y carries photons from one slab to the next."""
    moved = Geometry(TILT_DEG, 7, 9, shift_px=np.array([(0.0, 0.0), (0.5, 1.0), (-1.0, 0.0)]))
    whole = block_to_volumes(SOLVE(projector(moved, 2), maps_to_block(maps)))
    assert np.array_equal(solve_by_slabs(SOLVE, maps, moved), whole)


def test_l1_by_slabs_is_l1(maps, monkeypatch):
    """The scale of the data is that of all slabs."""
    params = MbirParams(n_outer=3, n_inner=2, penalty=20.0, scale=50.0)
    maps[0, 1, 6, 4] = 3.0
    whole = split_bregman(maps, ALIGNED, params)
    monkeypatch.setattr(slabs, "SLAB_VOXELS", 0)
    assert split_bregman(maps, ALIGNED, params) == pytest.approx(whole, abs=1e-6)  # float32
