import numpy as np
import pytest

from stemedx.params import SirtParams, TvParams
from stemedx.project.geometry import Geometry
from stemedx.project.projector import project
from stemedx.reconstruct import sirt
from stemedx.reconstruct.tv import reconstruct

TILT_DEG = np.arange(-60, 61, 20.0)
GEOMETRY = Geometry(TILT_DEG, 9, 16)
PARAMS = TvParams(filter_px=1, tv_weight=0.01, gap=0.01, max_iterations=400)


@pytest.fixture
def truth():
    volumes = np.zeros((2, 16, 9, 16), np.float32)
    volumes[0, 4:11, 2:7, 6:13] = 3.0
    volumes[1, 6:12, 1:6, 4:10] = 0.4
    return volumes


def error(volumes, truth):
    return [np.sqrt(np.mean((v - t) ** 2)) / t.max() for v, t in zip(volumes, truth, strict=True)]


def test_it_is_nearer_to_the_truth_than_sirt(truth, rng):
    maps = rng.poisson(project(truth, TILT_DEG))
    baseline = sirt.reconstruct(maps, GEOMETRY, SirtParams(filter_px=3))
    found = reconstruct(maps, GEOMETRY, PARAMS)
    assert (np.array(error(found, truth)) < 0.95 * np.array(error(baseline, truth))).all()
    assert found.min() == 0


def test_the_unit_of_the_maps_is_that_of_the_volume(truth, rng):
    maps = rng.poisson(project(truth, TILT_DEG)).astype(np.float32)
    found, scaled = (reconstruct(m, GEOMETRY, PARAMS) for m in (maps, 0.01 * maps))
    # float32, through some hundred iterations
    assert scaled == pytest.approx(0.01 * found, abs=float(1e-6 * found.max()))


def test_more_weight_gives_fewer_edges(truth, rng):
    maps = rng.poisson(project(truth, TILT_DEG))
    lengths = []
    for weight in (0.01, 0.1, 1.0):
        params = PARAMS.model_copy(update={"tv_weight": weight})
        found = reconstruct(maps, GEOMETRY, params)
        lengths.append(sum(np.abs(np.diff(found, axis=axis)).sum() for axis in (1, 2, 3)))
    assert lengths[0] > lengths[1] > lengths[2]


def test_an_element_without_counts_is_empty(truth, rng):
    maps = rng.poisson(project(truth, TILT_DEG))
    maps[1] = 0
    found = reconstruct(maps, GEOMETRY, PARAMS)
    assert not found[1].any()
    assert found[0].any()
