import numpy as np
import pytest

from stemedx.params import SirtParams
from stemedx.project.blocks import block_to_maps, block_to_volumes, maps_to_block
from stemedx.project.geometry import Geometry
from stemedx.project.projector import project, projector
from stemedx.reconstruct.filters import box_mean
from stemedx.reconstruct.simultaneous import sirt
from stemedx.reconstruct.sirt import reconstruct


def test_sirt_agrees_with_the_same_sums_over_a_dense_matrix(operator, dense, volume):
    data = operator.forward(volume)
    rows, columns = dense.sum(axis=1), dense.sum(axis=0)
    R, C = (np.divide(1, s, out=np.zeros_like(s), where=s > 1e-4) for s in (rows, columns))
    x = np.zeros(dense.shape[1])
    for _ in range(7):
        x = np.maximum(x + C * (dense.T @ (R * (data.ravel() - dense @ x))), 0)
    # float32 sums of some tens of terms, seven times
    assert sirt(operator, data, 7).ravel() == pytest.approx(x, abs=2e-5)


def test_sirt_fits_the_data_better_with_every_iteration(operator, volume):
    data = operator.forward(volume)
    misfits = [np.linalg.norm(operator.forward(sirt(operator, data, n)) - data) for n in (1, 5, 80)]
    assert misfits[0] > misfits[1] > misfits[2]
    assert misfits[2] < 0.1 * np.linalg.norm(data)


def test_sirt_is_not_negative(operator, rng):
    noise = rng.standard_normal(operator.range_shape, np.float32)
    assert sirt(operator, noise, 5).min() == 0


def test_sirt_of_nothing_is_nothing(operator):
    assert not sirt(operator, np.zeros(operator.range_shape, np.float32), 3).any()


def test_reconstruct_filters_the_counts_and_keeps_the_alignment(geometry, operator, volume, rng):
    counts = rng.poisson(20 * block_to_maps(operator.forward(volume))).astype(np.uint16)
    volumes = reconstruct(counts, geometry, SirtParams(filter_px=3, n_iterations=4))
    expected = sirt(operator, maps_to_block(box_mean(counts, 3)), 4)
    assert np.array_equal(volumes, block_to_volumes(expected))


def test_sirt_finds_a_ball_off_centre():
    z, y, x = np.mgrid[:31, :9, :31] - np.array([15, 4, 15])[:, None, None, None]
    ball = (np.sqrt((z - 5) ** 2 + y**2 + (x + 4) ** 2) < 6).astype(np.float32)
    tilt_deg = np.arange(-60, 61, 10.0)
    data = maps_to_block(project(ball[None], tilt_deg))
    found = block_to_volumes(sirt(projector(Geometry(tilt_deg, 9, 31), 1), data, 60))[0]
    centre = [(axis * found).sum() / found.sum() for axis in (z, y, x)]
    # the wedge draws the ball out along the beam, to both sides alike
    assert centre == pytest.approx([5, 0, -4], abs=0.15)
    assert found[ball > 0].mean() == pytest.approx(1, abs=0.12)
