"""The whole method on a small dot of two elements, and on spoilt data."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from stemedx.params import PoissonTvParams
from stemedx.project.geometry import Geometry
from stemedx.project.projector import project
from stemedx.reconstruct.measured import Measured, binned, hot_in, without_hot_pixels
from stemedx.reconstruct.penalised import (
    Penalty,
    around,
    fine_box,
    first_fit,
    solve,
    support,
    to_fine,
    typical,
    weighted,
)
from stemedx.reconstruct.poisson_tv import reconstruct

TILT_DEG = np.arange(-60, 61, 20.0)
N_TILTS = len(TILT_DEG)
PARAMS = PoissonTvParams(tv_weight=0.5, gap=0.05, max_iterations=200)
GAIN = np.stack([np.linspace(0.8, 1.2, N_TILTS), np.linspace(1.3, 0.7, N_TILTS)])


@pytest.fixture
def truth():
    """Two halves of a ball, off centre, of different yield."""
    z, y, x = np.mgrid[:24, :18, :24] - np.array([13, 8, 10])[:, None, None, None]
    ball = np.sqrt(z**2 + y**2 + x**2) < 6.2
    return np.stack([0.2 * (ball & (x < 0)), 0.5 * (ball & (x >= 0))]).astype(np.float32)


@pytest.fixture
def measured(truth, rng):
    expected = project(truth, TILT_DEG) * GAIN[..., None, None] + 0.05
    zeros = np.zeros((2, N_TILTS))
    weight = np.ones((N_TILTS, 18, 24), np.float32)
    geometry = Geometry(TILT_DEG, 18, 24)
    return Measured(rng.poisson(expected), geometry, "counts", zeros + 1, zeros, weight)


def test_it_finds_shape_yield_gain_and_background(measured, truth):
    found = reconstruct(measured, PARAMS)
    for volume, true in zip(found.volumes, truth, strict=True):
        assert np.corrcoef(volume.ravel(), true.ravel())[0, 1] > 0.85
        assert volume.sum() == pytest.approx(true.sum(), rel=0.1)
        assert volume[true > 0].mean() == pytest.approx(true.max(), rel=0.25)
        assert volume[true == 0].mean() < 0.02 * true.max()
    # some hundred photons in each map
    assert np.array(found.facts["gain"]) == pytest.approx(GAIN, abs=0.2)
    assert np.mean(found.facts["background"]) == pytest.approx(0.05, rel=0.15)
    assert found.facts["tv_weight"] == [0.5, 0.5]
    assert found.facts["convergence"]["rows"][-1][1] > 0


@pytest.fixture
def sparse(truth, rng):
    """Next to no background, so that a photon in vacuum is all but impossible."""
    zeros = np.zeros((2, N_TILTS))
    maps = rng.poisson(0.6 * project(truth, TILT_DEG) + 0.004)
    weight = np.ones((N_TILTS, 18, 24), np.float32)
    geometry = Geometry(TILT_DEG, 18, 24)
    return Measured(maps, geometry, "counts", zeros + 1, zeros, weight)


def test_photons_in_vacuum_do_not_become_bright_voxels(sparse, truth):
    found = reconstruct(sparse, PARAMS.model_copy(update={"tv_weight": 0.05})).volumes
    near = binary_dilation(truth.max(axis=0) > 0, np.ones((3, 3, 3)), iterations=4)
    solid = np.quantile(found, 0.99, axis=(1, 2, 3))
    assert (found[:, ~near].max(axis=1) < 0.1 * solid).all()


def test_edges_of_an_element_cost_as_much_as_it_is_weighted(measured):
    """Twice the weight on all is twice the penalty; on one element, it is smoother alone."""
    fit = first_fit(measured)
    penalty = Penalty(0.5, (0, 1), 0.005, 2000)
    both = solve(measured, fit, replace(penalty, tv_weight=1.0), 1)
    halves = [weighted(fit, np.array(relative)) for relative in ([2.0, 2.0], [1.0, 2.0])]
    all_twice, one_twice = (solve(measured, half, penalty, 1) for half in halves)

    def volume(found, element):
        return (found.state.volume * found.scale.astype(np.float32))[..., element]

    for element in (0, 1):
        norm = np.linalg.norm(volume(both, element))
        # what the gap leaves open
        assert np.linalg.norm(volume(all_twice, element) - volume(both, element)) < 0.05 * norm
    once = volume(solve(measured, fit, penalty, 1), 0)
    assert np.linalg.norm(volume(one_twice, 0) - once) < 0.05 * np.linalg.norm(once)
    twice = volume(both, 1)
    assert np.linalg.norm(volume(one_twice, 1) - twice) < 0.05 * np.linalg.norm(twice)
    assert np.linalg.norm(once - volume(both, 0)) > 0.1 * np.linalg.norm(once)


def test_two_runs_agree_to_the_last_bit(measured):
    first, second = (reconstruct(measured, PARAMS).volumes for _ in "ab")
    assert np.array_equal(first, second)


def test_separate_elements_do_not_know_of_each_other(measured):
    separate = PARAMS.model_copy(update={"coupling": "separate"})
    both = reconstruct(measured, PARAMS).volumes
    apart = reconstruct(measured, separate).volumes
    assert not np.allclose(both, apart, atol=1e-3)


def test_an_element_without_photons_is_empty(measured):
    maps = measured.maps.copy()
    maps[0] = 0
    found = reconstruct(measured.with_maps(maps), PARAMS).volumes
    assert found[0].max() < 1e-3 * found[1].max()
    assert np.isfinite(found).all()


def test_no_photons_at_all_give_nothing(measured):
    found = reconstruct(measured.with_maps(0 * measured.maps), PARAMS)
    assert found.volumes.max() < 1e-4
    assert np.isfinite(found.facts["gain"]).all()


@pytest.mark.parametrize("photons", [40, 60000])
def test_a_hot_pixel_is_told_and_left_out(measured, photons):
    maps = measured.maps.copy()
    maps[1, 3, 15, 20] = photons
    spoilt = measured.with_maps(maps)
    assert hot_in(spoilt, "here") == ["1 hot pixels here, the first at 0 deg, y 15, x 20"]
    assert hot_in(measured, "here") == []
    found = reconstruct(spoilt, PARAMS).volumes
    weight = measured.weight.copy()
    weight[3, 15, 20] = 0
    assert np.array_equal(found, reconstruct(replace(measured, weight=weight), PARAMS).volumes)


def test_no_pixel_of_an_edge_is_hot(truth, rng):
    """Bright and dark side by side: 200 photons beside none."""
    zeros = np.zeros((2, N_TILTS))
    maps = rng.poisson(project(40 * truth, TILT_DEG))
    weight = np.ones(maps.shape[1:], np.float32)
    about = Measured(maps, Geometry(TILT_DEG, 18, 24), "counts", zeros + 1, zeros, weight)
    assert maps.max() > 150
    assert without_hot_pixels(about) is about


def test_a_tilt_of_gain_0_is_left_out(measured, truth):
    maps = measured.maps.copy()
    maps[:, 2] = 0
    found = reconstruct(measured.with_maps(maps), PARAMS)
    assert np.array(found.facts["gain"])[:, 2].max() < 0.05
    for volume, true in zip(found.volumes, truth, strict=True):
        assert np.corrcoef(volume.ravel(), true.ravel())[0, 1] > 0.8


def test_masked_tilts_tell_nothing(measured):
    weight = measured.weight.copy()
    weight[2] = 0
    masked = replace(measured, weight=weight)
    spoilt = measured.maps.copy()
    spoilt[:, 2] = 77
    first, second = (reconstruct(m, PARAMS).volumes for m in (masked, masked.with_maps(spoilt)))
    assert np.array_equal(first, second)


def test_everything_masked_gives_nothing_and_no_warning(measured):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = reconstruct(replace(measured, weight=0 * measured.weight), PARAMS).volumes
    assert found.max() < 1e-4


def test_support_and_box_hold_the_specimen(truth):
    block = np.ascontiguousarray(truth.transpose(1, 3, 2, 0)) / 0.5
    inside = support(block)
    assert inside[block.max(axis=-1) > 0].all()
    crop = around(np.pad(block, ((20, 20), (20, 20), (20, 20), (0, 0))))
    assert crop.z.stop - crop.z.start < 24 + 10
    assert typical(block) == pytest.approx([0.4, 1.0], rel=0.3)  # the smoothing lowers it


def test_a_coarse_fit_starts_the_fine_one_in_its_place(measured, truth):
    fit = first_fit(binned(measured, 2))
    fine = to_fine(fit, measured, 2, fine_box(fit, measured, 2))
    padded = np.zeros((24, 24, 18, 2))
    padded[fine.crop.z, fine.crop.x, fine.crop.y] = fine.state.volume * fine.scale
    assert padded.sum() == pytest.approx((fit.state.volume * fit.scale).sum(), rel=0.02)
    axes = np.arange(24)[:, None, None]
    centre = [
        (axes * v).sum() / v.sum()
        for v in (padded.sum(axis=-1), truth.sum(axis=0).transpose(0, 2, 1))
    ]
    assert centre[0] == pytest.approx(centre[1], abs=0.5)
