"""Where a specimen can be, found from few photons."""

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from stemedx.project.blocks import volumes_to_block
from stemedx.project.cropped import cropped_projector, whole
from stemedx.project.geometry import Geometry
from stemedx.project.projector import project
from stemedx.reconstruct.measured import Measured
from stemedx.reconstruct.penalised import first_fit
from stemedx.reconstruct.support import find_support

TILT_DEG = np.arange(-60, 61, 10.0)
N_PX = 40
Z, Y, X = np.mgrid[:N_PX, :N_PX, :N_PX] - np.array([21, 19, 18])[:, None, None, None]
RADIUS = np.sqrt(Z**2 + Y**2 + X**2)


def acquired(truth, background, rng):
    maps = rng.poisson(project(truth, TILT_DEG) + background)
    zeros, weight = np.zeros(maps.shape[:2]), np.ones(maps.shape[1:], np.float32)
    geometry = Geometry(TILT_DEG, N_PX, N_PX)
    return Measured(maps, geometry, "counts", zeros + 1, zeros, weight)


def support_of(measured):
    return first_fit(measured).inside.transpose(0, 2, 1)


def test_a_faint_shell_is_not_cut(rng):
    """A fifth as dense as the core, and of another element."""
    core, shell = RADIUS < 7, (RADIUS >= 7) & (RADIUS < 11)
    truth = np.stack([0.10 * core, 0.02 * shell]).astype(np.float32)
    inside = support_of(acquired(truth, 0.005, rng))
    assert inside[shell | core].mean() > 0.99
    assert inside.mean() < 0.4


def test_photons_in_vacuum_are_no_specimen(rng):
    """Four hundred of them; in the corners, where few tilts see a voxel, they are bright."""
    truth = (0.08 * (RADIUS < 8))[None].astype(np.float32)
    inside = support_of(acquired(truth, 0.02, rng))
    assert inside[RADIUS < 8].all()
    assert not inside[~binary_dilation(RADIUS < 8, iterations=9)].any()


def test_a_small_particle_apart_from_a_large_one_is_kept(rng):
    small = np.sqrt((Z - 12) ** 2 + (Y + 12) ** 2 + (X - 11) ** 2) < 4
    truth = (0.1 * ((RADIUS < 8) | small))[None].astype(np.float32)
    inside = support_of(acquired(truth, 0.005, rng))
    assert inside[small].mean() > 0.95


@pytest.mark.parametrize("value", [0.0, 1e-4])
def test_without_significant_matter_it_is_everywhere(value):
    block = np.full((8, 8, 6, 2), value, np.float32)
    geometry = Geometry(TILT_DEG, 6, 8)
    operator = cropped_projector(geometry, 2, whole(geometry))
    assert find_support(block, np.full((13, 2), 0.5), operator).all()


def test_a_void_is_inside(rng):
    shell = (RADIUS >= 9) & (RADIUS < 12)
    block = volumes_to_block((0.1 * shell)[None].astype(np.float32))
    geometry = Geometry(TILT_DEG, N_PX, N_PX)
    operator = cropped_projector(geometry, 1, whole(geometry))
    inside = find_support(block, np.full((13, 1), 0.01), operator).transpose(0, 2, 1)
    assert inside[RADIUS < 12].all()
