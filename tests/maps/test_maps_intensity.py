import numpy as np
import pytest
from rsciio.hspy import file_reader
from scipy.ndimage import gaussian_filter, rotate, shift

from stemedx.maps.intensity import estimate_variance_to_mean


@pytest.fixture
def counts(rng):
    """Photons of a bar with soft edges, as in a real series."""
    rate = np.zeros((7, 120, 150))
    rate[:, 15:105, 50:112] = 1.4
    return rng.poisson(gaussian_filter(rate, (0, 2, 2))).astype(np.float64)


def test_scaled_counts_give_their_scale(counts):
    # some 700 tiles of 10 degrees of freedom, overlapping by half: 5 % scatter
    assert estimate_variance_to_mean(0.3 * counts) == pytest.approx(0.3, rel=0.1)


def test_resampled_counts_give_the_intensity_of_a_photon(counts, rng):
    """Interpolation halves the variance of a pixel: the estimate must not."""
    moved = np.stack([shift(one, rng.uniform(0.2, 0.8, 2), order=1) for one in 0.16 * counts])
    turned = np.stack([rotate(one, 8.0, reshape=False, order=1) for one in 0.16 * counts])
    bright = moved[:, 30:90, 65:95]
    assert bright.var(axis=(1, 2)).mean() / bright.mean() < 0.08
    for resampled in (moved, turned):
        assert estimate_variance_to_mean(resampled) == pytest.approx(0.16, rel=0.15)


def test_no_signal_is_one():
    assert estimate_variance_to_mean(np.zeros((3, 30, 40))) == 1.0


def test_smooth_maps_are_refused():
    y, x = np.indices((60, 70)) / 30.0
    with pytest.raises(ValueError, match="expected noise whose variance grows with the mean"):
        estimate_variance_to_mean(np.stack([1 + y + 2 * x + x * y] * 3))


def test_small_maps_are_refused():
    with pytest.raises(ValueError, match=r"at least 3 tiles of 16 x 16 pixels.*\(2, 12, 30\)"):
        estimate_variance_to_mean(np.ones((2, 12, 30)))


@pytest.mark.data
def test_nanorod(data):
    """Bilinear resampling by its authors: neighbours correlate by 1/4, 2.2 in all."""
    maps = file_reader(str(data / "han2021/Au_nanorod/Au.hspy"))[0]["data"]
    assert estimate_variance_to_mean(maps) == pytest.approx(0.158, rel=0.02)  # golden
