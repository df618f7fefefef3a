import numpy as np
import pytest

from stemedx.params import MlemParams
from stemedx.project.blocks import block_to_maps
from stemedx.reconstruct.calibration import Calibration
from stemedx.reconstruct.expectation import mlem
from stemedx.reconstruct.measured import Measured
from stemedx.reconstruct.mlem import reconstruct

ONES, ZEROS = np.ones((2, 4)), np.zeros((2, 4))


def measured(maps, geometry, signal="counts"):
    weight = np.ones(maps.shape[1:], np.float32)
    return Measured(maps, geometry, signal, ONES, ZEROS, weight)


def test_mlem_agrees_with_the_updates_over_a_dense_matrix(geometry, operator, dense, volume, rng):
    gain, background = rng.uniform(0.5, 1.5, (2, 4)), rng.uniform(0.1, 0.4, (2, 4))
    maps = rng.poisson(20 * block_to_maps(operator.forward(volume)))
    about = measured(maps, geometry)
    start = np.full(operator.domain_shape, 0.3, np.float32)
    calibration = Calibration(gain, background)
    found = mlem(operator, about, calibration, start=start, n_iterations=5)

    A = dense * np.broadcast_to(gain.T[:, None, None], operator.range_shape).reshape(-1, 1)
    b = np.broadcast_to(background.T[:, None, None], operator.range_shape).ravel()
    y, x = maps.transpose(1, 3, 2, 0).ravel(), start.ravel().astype(np.float64)
    sensitivity = A.sum(axis=0)
    for _ in range(5):
        x *= np.divide(A.T @ (y / (A @ x + b)), sensitivity, out=0 * x, where=sensitivity > 1e-5)
    assert found.ravel() == pytest.approx(x, rel=1e-3, abs=1e-4)  # float32


def test_the_projection_holds_as_many_photons_as_were_measured(geometry, operator, volume, rng):
    maps = rng.poisson(20 * block_to_maps(operator.forward(volume)))
    # rays that see nothing of the volume can hold no photons
    maps[block_to_maps(operator.forward(np.ones_like(volume))) < 0.1] = 0
    found = mlem(operator, measured(maps, geometry), Calibration(ONES, ZEROS), start=None,
                 n_iterations=3)  # fmt: skip
    projected = operator.forward(found).sum(axis=(0, 1, 2), dtype=float)
    assert projected == pytest.approx(maps.sum(axis=(1, 2, 3)), rel=1e-4)


def test_the_likelihood_rises_with_every_update_of_hits(geometry, operator, volume, rng):
    hits = np.minimum(rng.poisson(block_to_maps(operator.forward(2 * volume)) + 0.1), 1)
    about, calibration = measured(hits, geometry, "hits"), Calibration(ONES, ZEROS + 0.1)
    y, likelihoods = hits.transpose(1, 3, 2, 0), []
    for n in (1, 4, 16):
        x = mlem(operator, about, calibration, start=None, n_iterations=n)
        q = operator.forward(x).astype(float) + 0.1
        likelihoods.append(np.where(y > 0, np.log(-np.expm1(-q)), -q).sum())
    assert likelihoods[0] < likelihoods[1] < likelihoods[2]


def test_the_method_takes_the_background_off(geometry, operator, volume, rng):
    expected = 50 * block_to_maps(operator.forward(volume))
    about = measured(rng.poisson(expected + 5), geometry)
    told = Measured(about.maps, geometry, "counts", ONES, ZEROS + 5.0, about.weight)
    found = reconstruct(told, MlemParams(n_iterations=30))
    assert found.facts["background"] == (ZEROS + 5).tolist()
    true = 50 * volume.transpose(3, 0, 2, 1)
    assert found.volumes.sum(axis=(1, 2, 3)) == pytest.approx(true.sum(axis=(1, 2, 3)), rel=0.15)


def test_nothing_gives_nothing(geometry):
    found = reconstruct(measured(np.zeros((2, 4, 4, 7), np.uint16), geometry), MlemParams())
    assert not found.volumes.any()
