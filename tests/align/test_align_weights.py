import numpy as np
import pytest

from stemedx.align.alignment import Alignment
from stemedx.align.weights import weights_of_plane

TILTS = np.array([-60.0, 0.0, 45.0])
SHAPE = (24, 160)


def test_a_plane_keeps_its_weights_where_all_tilts_see_it():
    """A mark at x of a plane is seen at ``x cos(tilt) - shift``, and weighs as much."""
    shift_px = np.array([[0.0, 3.0], [1.0, -5.0], [0.0, 2.0]])
    weights = weights_of_plane(TILTS, SHAPE, Alignment(np.zeros(3), shift_px, np.zeros(3)))
    assert (weights.shape, weights.dtype) == ((3, *SHAPE), np.float32)
    assert (weights.min(), weights.max()) == (0, 1)
    centre = (SHAPE[1] - 1) / 2
    for mark in np.arange(-78.0, 70.0, 4.0):
        seen = [
            np.interp(mark * np.cos(np.deg2rad(tilt)) - shift + centre, range(160), row[7])
            for tilt, shift, row in zip(TILTS, shift_px[:, 1], weights, strict=True)
        ]
        assert seen == pytest.approx(np.full(3, seen[0]), abs=0.02)  # between pixels
    # At 0 degrees columns from -84.5 to 74.5 of the plane are seen: 10 px of edge inside.
    assert weights[1, 0, :2].max() < 0.05
    assert weights[1, 0, 12:-12].min() == 1
    assert not weights[0, 0, :35].any()
