import numpy as np
import pytest


def make_dot(shape, centre, r_core, r_shell, uncovered_percent=0.0, axis=(0.3, -0.5, 0.8)):
    """Se core, S shell, Zn both, as averages over voxels of a twice finer grid."""
    fine = np.meshgrid(*((np.arange(2 * n) + 0.5) / 2 - 0.5 for n in shape), indexing="ij")
    offset = np.stack([side - c for side, c in zip(fine, centre, strict=True)])
    radius = np.linalg.norm(offset, axis=0)
    towards = np.tensordot(np.array(axis) / np.linalg.norm(axis), offset, 1)
    # A cap of half-angle alpha has the share (1 - cos alpha) / 2 of a sphere.
    bare = towards > radius * (1 - uncovered_percent / 50)
    core, dot = radius < r_core, (radius < r_core) | ((radius < r_shell) & ~bare)
    parts = np.stack([core, dot & ~core, dot])
    n_z, n_y, n_x = shape
    means = parts.reshape(3, n_z, 2, n_y, 2, n_x, 2).mean((2, 4, 6), dtype=np.float32)
    return means * np.array([0.3, 1.2, 0.7], np.float32)[:, None, None, None]


@pytest.fixture
def dot():
    return make_dot
