import numpy as np
import pytest

from stemedx.params import FilteredL1Params, MbirParams
from stemedx.project.blocks import block_to_maps, maps_to_block, volumes_to_block
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


@pytest.fixture
def maps(operator, volume):
    return block_to_maps(operator.forward(volume))


def test_split_bregman_agrees_with_exact_solutions_for_each_element(
    geometry, operator, dense, maps, volume
):
    data = maps_to_block(maps)
    found = volumes_to_block(split_bregman(maps, geometry, PARAMS))
    for element in range(2):
        own = dense.reshape(*data.shape, *volume.shape)[..., element, :, :, :, element]
        A = own.reshape(data[..., 0].size, volume[..., 0].size)
        y = data[..., element].ravel().astype(np.float64)
        expected = dense_split_bregman(A, y, PARAMS) * y.max() / PARAMS.scale
        # float32, and conjugate gradients stopped after 10 steps
        assert found[..., element].ravel() == pytest.approx(expected, abs=1e-5)


def test_elements_do_not_know_of_each_other(geometry, maps):
    """Not even through their dose: a hundred times the photons of one, scaled back."""
    brighter = maps * np.array([1.0, 100.0], np.float32)[:, None, None, None]
    alone, beside = (split_bregman(each, geometry, PARAMS) for each in (maps, brighter))
    assert np.array_equal(alone[0], beside[0])
    assert beside[1] == pytest.approx(100 * alone[1], rel=1e-4, abs=1e-4)  # float32


def test_split_bregman_fits_the_data(geometry, operator, maps):
    """The penalty holds voxels down; more Bregman iterations take that back."""
    fits = [split_bregman(maps, geometry, PARAMS.model_copy(update={"n_outer": n})) for n in (1, 8)]
    projected = [block_to_maps(operator.forward(volumes_to_block(fit))) for fit in fits]
    misfits = [np.linalg.norm(each - maps) for each in projected]
    assert misfits[1] < 0.5 * misfits[0]


def test_result_is_not_negative(geometry, maps, rng):
    noise = rng.standard_normal(maps.shape, np.float32)
    assert split_bregman(noise, geometry, PARAMS).min() == 0


def test_negative_data_count_as_none(geometry, maps):
    shifted = maps - np.float32(0.02)
    assert shifted.min() < 0
    clipped = split_bregman(np.maximum(shifted, 0), geometry, PARAMS)
    assert np.array_equal(split_bregman(shifted, geometry, PARAMS), clipped)


def test_an_element_without_data_is_zero(geometry, maps):
    maps[1] = 0
    found = split_bregman(maps, geometry, PARAMS)
    assert not found[1].any()
    assert found[0].any()


def test_reconstruct_filters_the_counts_and_keeps_the_alignment(geometry, maps, rng):
    counts = rng.poisson(20 * maps).astype(np.uint16)
    params = FilteredL1Params(filter_px=3, n_outer=2, n_inner=3)
    expected = split_bregman(box_mean(counts, 3), geometry, params)
    assert np.array_equal(reconstruct(counts, geometry, params), expected)
