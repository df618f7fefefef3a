import numpy as np
import pytest

from stemedx.params import FilteredL1Params, MbirParams
from stemedx.project.blocks import block_to_maps, block_to_volumes, maps_to_block
from stemedx.reconstruct.bregman import split_bregman
from stemedx.reconstruct.filters import box_mean
from stemedx.reconstruct.l1 import reconstruct

PARAMS = MbirParams(n_outer=3, n_inner=10, penalty=20.0, scale=50.0)


def dense_split_bregman(matrix, y, params):
    """The same iteration with exact solutions of its linear systems."""
    y = y * params.scale / y.max()
    x, d, b = np.zeros((3, matrix.shape[1]))
    normal = matrix.T @ matrix + params.penalty * np.eye(matrix.shape[1])
    for _ in range(params.n_outer):
        x = np.maximum(np.linalg.solve(normal, matrix.T @ y + params.penalty * (d - b)), 0)
        total = x + b
        d = np.sign(total) * np.maximum(np.abs(total) - 1, 0)
        b = total - d
    return x


def test_split_bregman_agrees_with_exact_solutions_for_each_element(operator, dense, volume):
    data = operator.forward(volume)
    found = split_bregman(operator, data, PARAMS)
    for element in range(2):
        own = dense.reshape(*data.shape, *volume.shape)[..., element, :, :, :, element]
        A = own.reshape(data[..., 0].size, volume[..., 0].size)
        y = data[..., element].ravel().astype(np.float64)
        expected = dense_split_bregman(A, y, PARAMS) * y.max() / PARAMS.scale
        # float32, and conjugate gradients stopped after 10 steps
        assert found[..., element].ravel() == pytest.approx(expected, abs=1e-5)


def test_elements_do_not_know_of_each_other(operator, volume):
    """Not even through their dose: a hundred times the photons of one, scaled back."""
    data = operator.forward(volume)
    brighter = data * np.array([1.0, 100.0], np.float32)
    alone, beside = (split_bregman(operator, each, PARAMS) for each in (data, brighter))
    assert np.array_equal(alone[..., 0], beside[..., 0])
    assert beside[..., 1] == pytest.approx(100 * alone[..., 1], rel=1e-4, abs=1e-4)  # float32


def test_split_bregman_fits_the_data(operator, volume):
    """The penalty holds voxels down; more Bregman iterations take that back."""
    data = operator.forward(volume)
    fits = [split_bregman(operator, data, PARAMS.model_copy(update={"n_outer": n})) for n in (1, 8)]
    misfits = [np.linalg.norm(operator.forward(fit) - data) for fit in fits]
    assert misfits[1] < 0.5 * misfits[0]


def test_result_is_not_negative(operator, rng):
    noise = rng.standard_normal(operator.range_shape, np.float32)
    assert split_bregman(operator, noise, PARAMS).min() == 0


def test_negative_data_count_as_none(operator, volume):
    data = operator.forward(volume) - np.float32(0.02)
    assert data.min() < 0
    clipped = split_bregman(operator, np.maximum(data, 0), PARAMS)
    assert np.array_equal(split_bregman(operator, data, PARAMS), clipped)


def test_an_element_without_data_is_zero(operator, volume):
    data = operator.forward(volume)
    data[..., 1] = 0
    found = split_bregman(operator, data, PARAMS)
    assert not found[..., 1].any()
    assert found[..., 0].any()


def test_reconstruct_filters_the_counts_and_keeps_the_alignment(geometry, operator, volume, rng):
    counts = rng.poisson(20 * block_to_maps(operator.forward(volume))).astype(np.uint16)
    params = FilteredL1Params(filter_px=3, n_outer=2, n_inner=3)
    expected = split_bregman(operator, maps_to_block(box_mean(counts, 3)), params)
    assert np.array_equal(reconstruct(counts, geometry, params), block_to_volumes(expected))
