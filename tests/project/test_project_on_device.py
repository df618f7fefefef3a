"""Projectors of tensors: the same as those of numpy, to rounding."""

import numpy as np
import pytest

from stemedx.project.cropped import Crop, cropped_projector
from stemedx.project.geometry import Geometry
from stemedx.project.place import HOST
from stemedx.project.projector import projector

TILT_DEG = np.array([-50.0, -10.0, 35.0, 60.0])
ROTATION_DEG = np.array([0.0, 12.0, -5.0, 0.0])
SHIFT_PX = np.array([(0.3, 0.0), (0.0, -0.7), (0.0, 0.4), (0.0, 0.0)])
ALIGNED = Geometry(TILT_DEG, 6, 9)
MOVED = Geometry(TILT_DEG, 6, 9, ROTATION_DEG, SHIFT_PX)
BOX = Crop(slice(1, 8), slice(0, 5), slice(2, 5))


def whole(geometry, place):
    return projector(geometry, 2, place)


def boxed(geometry, place):
    return cropped_projector(geometry, 2, BOX, place)


@pytest.fixture(params=[ALIGNED, MOVED], ids=["aligned", "moved"])
def geometry(request):
    return request.param


@pytest.fixture(params=[whole, boxed])
def made(request):
    return request.param


def test_a_device_projects_as_numpy_does(geometry, made, device_place, rng):
    here, there = made(geometry, HOST), made(geometry, device_place)
    volume = rng.standard_normal(here.domain_shape, np.float32)
    maps = rng.standard_normal(here.range_shape, np.float32)
    # sums of some tens of float32 in another order
    assert there.forward(volume) == pytest.approx(here.forward(volume), abs=3e-5)
    assert there.adjoint(maps) == pytest.approx(here.adjoint(maps), abs=3e-5)


def test_the_adjoint_is_the_transpose(geometry, made, device_place, rng):
    resident = made(geometry, device_place).resident
    x = rng.standard_normal(resident.domain_shape, np.float32)
    y = rng.standard_normal(resident.range_shape, np.float32)
    Ax = device_place.take(resident.forward(device_place.put(x)))
    ATy = device_place.take(resident.adjoint(device_place.put(y)))
    # rounding is relative to the lengths: both products cancel
    scale = max(np.linalg.norm(Ax) * np.linalg.norm(y), np.linalg.norm(x) * np.linalg.norm(ATy))
    assert abs(np.vdot(Ax, y) - np.vdot(x, ATy)) <= 1e-6 * scale


def test_memory_that_is_given_is_written_to(geometry, made, device_place, rng):
    operator = made(geometry, device_place)
    for apply, given, shape in (
        (operator.forward, operator.domain_shape, operator.range_shape),
        (operator.adjoint, operator.range_shape, operator.domain_shape),
    ):
        values = rng.standard_normal(given, np.float32)
        out = np.full(shape, np.nan, np.float32)
        assert apply(values, out) is out
        assert np.array_equal(out, apply(values))


def test_resident_memory_that_is_given_is_written_to(geometry, made, device_place, rng):
    resident = made(geometry, device_place).resident
    volume = device_place.put(rng.standard_normal(resident.domain_shape, np.float32))
    out = device_place.full(resident.range_shape, np.nan)
    back = device_place.full(resident.domain_shape, np.nan)
    resident.adjoint(resident.forward(volume, out), back)
    assert bool((out == resident.forward(volume)).all())
    assert bool((back == resident.adjoint(out)).all())


def test_what_is_put_is_a_copy(device_place):
    values = np.arange(3, dtype=np.float32)
    held = device_place.put(values)
    held += 1
    assert values.tolist() == [0, 1, 2]
    assert device_place.take(held).tolist() == [1, 2, 3]


def test_operators_of_numpy_are_resident_there(geometry, made):
    operator = made(geometry, HOST)
    assert operator.resident is operator
