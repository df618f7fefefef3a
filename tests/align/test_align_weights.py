import numpy as np
import pytest
from scipy import ndimage

from stemedx.align.weights import weights_of
from tests.align.ellipsoids import CHAIN, TILTS, project_ellipsoids

SHAPE = (50, 60)
UPRIGHT = np.zeros(len(TILTS))
# Beside the chain, out of sight but for tilts of 30 degrees and more.
NEIGHBOUR = (((0.0, -6.0, 38.0), (5.0, 5.0, 5.0), 1.0),)


@pytest.fixture
def shifts(rng):
    return rng.uniform(-3, 3, (len(TILTS), 2))


def smooth(images):
    return ndimage.gaussian_filter(images, (0, 1, 1)).astype(np.float32)


def test_a_neighbour_that_enters_has_no_weight_and_the_specimen_keeps_its(shifts):
    own = smooth(project_ellipsoids(CHAIN, shifts, 4.0, SHAPE))
    neighbour = smooth(project_ellipsoids(NEIGHBOUR, shifts, 4.0, SHAPE))
    flat = np.abs(TILTS) < 20
    assert neighbour[flat].max() < 0.01 * own.max()
    assert neighbour[~flat].max() > 0.5 * own.max()
    weights = weights_of(own + neighbour, TILTS, UPRIGHT + 4.0, shifts)
    assert (weights.dtype, weights.shape) == (np.float32, own.shape)
    assert weights.min() >= 0
    assert weights.max() == 1
    bright = neighbour > 0.4 * own.max()
    assert weights[bright].mean() < 0.25  # its edges are soft
    inside = (own > 0.2 * own.max()) & (neighbour == 0)
    assert weights[inside].mean() > 0.97  # rows that a shift takes out of sight fade
    # Soft: no step from one pixel to the next.
    assert np.abs(np.diff(weights, axis=2)).max() < 0.6


def test_a_specimen_alone_has_ones(shifts):
    own = smooth(project_ellipsoids(CHAIN[1:2], shifts, 0.0, SHAPE))
    assert weights_of(own, TILTS, UPRIGHT, shifts).min() == 1


def test_a_plane_keeps_its_weights_where_all_tilts_see_it():
    """A mark at x of a plane is seen at ``x cos(tilt) - shift``, and weighs as much."""
    tilts = np.array([-60.0, 0.0, 45.0])
    shift_px = np.array([[0.0, 3.0], [1.0, -5.0], [0.0, 2.0]])
    plane = np.ones((3, 24, 160), np.float32)
    weights = weights_of(plane, tilts, np.zeros(3), shift_px)
    centre = (160 - 1) / 2
    # Not closer than 10 px to where a row or column is out of sight.
    for mark in np.arange(-70.0, 62.0, 4.0):
        seen = [
            np.interp(mark * np.cos(np.deg2rad(tilt)) - shift + centre, range(160), row[12])
            for tilt, shift, row in zip(tilts, shift_px[:, 1], weights, strict=True)
        ]
        assert seen == pytest.approx(np.full(3, seen[0]), abs=0.05)  # between pixels
    assert weights[1, 12, 14:-26].min() == 1
    assert not weights[0, 12, :35].any()
