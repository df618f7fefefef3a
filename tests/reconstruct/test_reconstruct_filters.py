import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from stemedx.reconstruct.filters import box_mean


def test_box_mean_agrees_with_scipy_away_from_the_edges(rng):
    counts = rng.poisson(0.3, (2, 3, 14, 19)).astype(np.uint16)
    expected = uniform_filter(counts.astype(np.float64), (0, 0, 5, 5))
    # float32 mean of 25 values
    assert box_mean(counts, 5)[..., 2:-2, 2:-2] == pytest.approx(
        expected[..., 2:-2, 2:-2], abs=1e-6
    )


def test_edges_are_not_darkened():
    maps = np.full((1, 2, 4, 8), 0.7, np.float32)
    assert box_mean(maps, 11) == pytest.approx(maps, rel=1e-6)  # float32


def test_a_corner_is_the_mean_of_what_was_scanned():
    maps = np.arange(4 * 8, dtype=np.uint16).reshape(1, 1, 4, 8)
    assert box_mean(maps, 3)[0, 0, 0, 0] == pytest.approx(np.mean([0, 1, 8, 9]))


def test_a_box_of_one_pixel_changes_nothing(rng):
    counts = rng.poisson(3, (1, 2, 4, 8)).astype(np.uint16)
    assert np.array_equal(box_mean(counts, 1), counts)
