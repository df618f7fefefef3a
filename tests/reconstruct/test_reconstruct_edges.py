import numpy as np
import pytest

from stemedx.project.cropped import Crop
from stemedx.project.geometry import Geometry
from stemedx.project.projector import project
from stemedx.reconstruct.edges import FAINT, REST, Edges
from stemedx.reconstruct.measured import Measured, binned

ALL = Crop(slice(None), slice(None), slice(None))


def test_vectors_point_across_edges_and_vanish_where_there_is_none():
    volume = np.zeros((6, 5, 4), np.float32)
    volume[:, 3:] = 0.4
    vectors = Edges(volume).vectors(ALL)
    expected = np.sqrt(1 - REST) * 0.4 / np.hypot(0.4, FAINT)
    assert vectors[1, :, 2] == pytest.approx(expected, rel=1e-5)
    vectors[1, :, 2] = 0
    assert not vectors.any()


def test_of_a_faint_step_half_is_paid():
    volume = np.zeros((2, 3, 4), np.float32)
    volume[1] = FAINT
    vectors = Edges(volume).vectors(ALL)
    assert (vectors[0, 0] ** 2).max() == pytest.approx((1 - REST) / 2, rel=1e-5)


def test_a_box_has_the_vectors_of_the_whole(rng):
    edges = Edges(rng.random((6, 7, 8), np.float32))
    crop = Crop(slice(1, 5), slice(0, 6), slice(3, 8))
    inner = (slice(None), slice(0, 3), slice(0, 5), slice(0, 4))
    part, whole = edges.vectors(crop)[inner], edges.vectors(ALL)[:, 1:5, 0:6, 3:8][inner]
    assert np.array_equal(part, whole)
    assert (np.linalg.norm(edges.vectors(ALL), axis=0) < 1).all()


def test_binned_edges_lie_where_binned_maps_are(rng):
    """What is left over is cut on both sides alike: 11 columns, 6 rows, by 3 and by 4."""
    volume = rng.random((11, 6, 11), np.float32)
    maps = project(volume[None], np.zeros(1))
    none = np.zeros((1, 1))
    measured = Measured(maps, Geometry(np.zeros(1), 6, 11), "intensity", none + 1, none,
                        np.ones((1, 6, 11), np.float32))  # fmt: skip
    for n in (3, 4):
        found = Edges(np.ascontiguousarray(volume.transpose(0, 2, 1))).binned(n).volume
        low = 11 % n // 2
        of_kept = project(volume[None, low : low + 11 // n * n], np.zeros(1))
        expected = binned(measured.with_maps(of_kept), n).maps[0, 0]
        assert found.sum(axis=0).T * n**3 == pytest.approx(expected, rel=1e-4)
