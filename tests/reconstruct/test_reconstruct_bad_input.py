"""Every method on spoilt data: it ends, with finite volumes, and what is absent stays so."""

from importlib import import_module

import numpy as np
import pytest

from stemedx.params import CountingParams, ReconstructParams
from stemedx.project.geometry import Geometry
from stemedx.project.projector import project
from stemedx.reconstruct.measured import Guide, Measured

TILT_DEG = np.arange(-60, 61, 20.0)
FEW = {"gap": 0.05, "max_iterations": 300}
PARAMS = ReconstructParams.model_validate(
    {
        "fbp": {"filter_px": 3},
        "sirt": {"filter_px": 3, "n_iterations": 20},
        "l1": {"filter_px": 3, "n_outer": 4, "n_inner": 10},
        "tv": {"filter_px": 3, **FEW},
        "poisson_tv": {"n_splits": 1, **FEW},
        "dip_tv": {"base_channels": 4, "max_updates": 10, "patience": 10},
        "fusion": {"vacuum_px": 3, **FEW},
    }
)
METHODS = ("fbp", "sirt", "l1", "tv", "mlem", "poisson_tv", "dip_tv", "fusion")
PHASES = {"left": {"Se": 1.0}, "right": {"S": 1.0}}


@pytest.fixture
def maps(rng):
    z, y, x = np.mgrid[:18, :14, :18] - np.array([10, 6, 7])[:, None, None, None]
    ball = np.sqrt(z**2 + y**2 + x**2) < 5.2
    truth = np.stack([0.3 * (ball & (x < 0)), 0.5 * (ball & (x >= 0))]).astype(np.float32)
    return rng.poisson(project(truth, TILT_DEG) + 0.02)


def volumes_of(method, maps, weight=None):
    geometry, own = Geometry(TILT_DEG, *maps.shape[2:]), getattr(PARAMS, method)
    solver = import_module(f"stemedx.reconstruct.{method}")
    if not isinstance(own, CountingParams):
        return solver.reconstruct(maps, geometry, own)
    zeros = np.zeros(maps.shape[:2])
    weight = np.ones(maps.shape[1:], np.float32) if weight is None else weight
    measured = Measured(maps, geometry, "counts", zeros + 1, zeros, weight)
    images = maps.sum(axis=0).astype(np.float32) + np.float32(5)
    more = {"fusion": [Guide(images, ("Se", "S"), PHASES), own], "dip_tv": [own, "cpu"]}
    return solver.reconstruct(measured, *more.get(method, [own])).volumes


@pytest.mark.parametrize("method", METHODS)
def test_an_element_without_photons_stays_empty(method, maps):
    maps[0] = 0
    found = volumes_of(method, maps)
    assert np.isfinite(found).all()
    assert np.abs(found[0]).max() < 1e-2 * found[1].max()


@pytest.mark.parametrize("method", METHODS[:-1])  # HAADF of nothing is refused elsewhere
def test_nothing_gives_nothing(method, maps):
    found = volumes_of(method, 0 * maps)
    assert np.isfinite(found).all()
    assert np.abs(found).max() < 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_a_hot_pixel_and_a_tilt_of_gain_0_leave_the_rest_finite(method, maps):
    maps[:, 2] = 0
    maps[1, 4, 11, 14] = 60000
    found = volumes_of(method, maps)
    assert np.isfinite(found).all()
    assert found[0].max() > 0


@pytest.mark.parametrize("method", ["mlem", "poisson_tv", "dip_tv", "fusion"])
def test_masked_tilts_tell_nothing_and_all_masked_gives_nothing(method, maps):
    weight = np.ones(maps.shape[1:], np.float32)
    weight[3] = 0
    spoilt = maps.copy()
    spoilt[:, 3] = 0
    found = volumes_of(method, spoilt, weight)
    assert np.isfinite(found).all()
    assert found.max() > 0
    assert np.isfinite(volumes_of(method, spoilt, 0 * weight)).all()
