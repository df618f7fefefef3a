import numpy as np
import pytest

from stemedx.project.cropped import Crop, cropped_projector, pad, whole
from stemedx.project.geometry import Geometry
from stemedx.project.projector import projector

TILT_DEG = np.array([-50.0, -10.0, 35.0])
MOVED = Geometry(
    TILT_DEG, 6, 9, np.array([0.0, 9.0, -4.0]), np.array([(0.0, 0.0), (0.3, -0.7), (1.2, 0.4)])
)
STILL = Geometry(TILT_DEG, 6, 9)
BOX = Crop(slice(2, 8), slice(1, 6), slice(1, 4))


@pytest.mark.parametrize("geometry", [MOVED, STILL], ids=["moved", "still"])
@pytest.mark.parametrize("crop", [BOX, whole(STILL)], ids=["box", "whole"])
def test_a_box_projects_like_the_volume_that_is_empty_around_it(geometry, crop, rng):
    operator = cropped_projector(geometry, 2, crop)
    inside = rng.random(operator.domain_shape, np.float32)
    padded = pad(inside, crop, geometry)
    assert padded.sum(dtype=float) == pytest.approx(inside.sum(dtype=float))
    expected = projector(geometry, 2).forward(padded)
    # the same sums of float32 in another order
    assert operator.forward(inside) == pytest.approx(expected, abs=1e-5)
    out = np.full(operator.range_shape, 7, np.float32)
    assert operator.forward(inside, out) is out
    assert np.array_equal(out, operator.forward(inside))


@pytest.mark.parametrize("geometry", [MOVED, STILL], ids=["moved", "still"])
def test_adjoint_of_a_box_is_the_transpose(geometry, rng):
    operator = cropped_projector(geometry, 2, BOX)
    x = rng.standard_normal(operator.domain_shape, np.float32)
    y = rng.standard_normal(operator.range_shape, np.float32)
    out = np.empty_like(x)
    operator.adjoint(y, out)
    assert np.vdot(operator.forward(x), y) == pytest.approx(np.vdot(x, out), rel=1e-4, abs=1e-4)
