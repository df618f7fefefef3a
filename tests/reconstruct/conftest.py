"""A small series that is rotated and shifted, and an object in it."""

import numpy as np
import pytest

from stemedx.project.blocks import volumes_to_block
from stemedx.project.geometry import Geometry
from stemedx.project.projector import projector


@pytest.fixture
def geometry():
    rotation_deg = np.array([0.0, 12.0, -5.0, 0.0])
    shift_px = np.array([(0.3, 0.0), (0.0, -0.7), (0.0, 0.4), (0.0, 0.0)])
    return Geometry(np.array([-50.0, -10.0, 35.0, 60.0]), 4, 7, rotation_deg, shift_px)


@pytest.fixture
def operator(geometry):
    return projector(geometry, 2)


@pytest.fixture
def volume(rng):
    """Two elements of different strength, off centre."""
    volumes = np.zeros((2, 7, 4, 7), np.float32)
    volumes[0, 1:4, 1:3, 2:6] = rng.random((3, 2, 4))
    volumes[1, 2:6, 0:2, 1:4] = 0.2 * rng.random((4, 2, 3))
    return volumes_to_block(volumes)


@pytest.fixture
def dense(operator):
    """The matrix of the operator, column by column."""
    size = int(np.prod(operator.domain_shape))
    unit = np.eye(size, dtype=np.float32).reshape(size, *operator.domain_shape)
    return np.stack([operator.forward(one).ravel() for one in unit], axis=1).astype(np.float64)
