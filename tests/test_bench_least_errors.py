"""The bound that bench/alignment.py prints beside what the aligner reaches."""

import importlib
from pathlib import Path

import numpy as np
import pytest

BENCH = Path(__file__).parents[1] / "bench"


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module("least_errors")


def test_what_another_unknown_explains_tells_nothing(bench):
    """Slopes of unit length at 60 degrees: three quarters of the information is left."""
    slopes = [np.array([4.0, 0, 0]), np.array([0.5, np.sqrt(0.75), 0]), np.array([0, 0, 9.0])]
    assert bench.least_error(slopes[:1], np.ravel) == pytest.approx(1 / 4)
    assert bench.least_error(slopes, np.ravel) == pytest.approx(1 / 4 / np.sqrt(0.75))


def test_a_ball_tells_less_of_an_angle_than_an_ellipsoid(bench):
    """A ball of pixels is none: it tells a little."""

    def bound(axes):
        one = importlib.import_module("ellipsoids").Ellipsoid(
            (1.0, -1.0, 2.0), axes, (1.0, 1.0, 1.0)
        )
        shift = np.random.default_rng(0).uniform(-3, 3, (13, 2))
        scene = bench.Scene((one,), np.eye(3), shift, -4.0, (40, 40))
        turning, moving, _ = scene.slopes()
        return bench.least_error(turning + moving, np.ravel)

    assert bound((8.0, 11.0, 8.0)) < 0.3 * bound((9.0, 9.0, 9.0))
