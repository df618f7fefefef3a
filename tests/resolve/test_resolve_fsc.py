import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stemedx.resolve.fsc import NYQUIST, Curve, crossing, shell_correlation

SHAPE = (20, 26, 23)


def noise(rng, shape=SHAPE):
    return rng.standard_normal(shape, np.float32)


def curve(*fsc):
    n = len(fsc)
    return Curve(np.arange(1, n + 1) / (2 * n), np.array(fsc), np.ones(n, int), np.ones(n))


def test_a_volume_correlates_with_itself(rng):
    volume = noise(rng)
    assert shell_correlation(volume, 3 * volume).fsc == pytest.approx(1, abs=1e-5)  # float32
    assert shell_correlation(volume, -volume).fsc == pytest.approx(-1, abs=1e-5)  # float32


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_independent_noise_scatters_as_sigma_says(seed):
    rng = np.random.default_rng(seed)
    found = shell_correlation(noise(rng), noise(rng))
    # 200 shells are drawn in all: five standard errors of a Gaussian; few coefficients
    # make the tails of the first two shells longer.
    assert np.all(np.abs(found.fsc / found.sigma)[2:] < 5)
    assert found.sigma[4:] == pytest.approx(found.n[4:] ** -0.5, rel=0.3)  # spread of powers


def test_known_signal_to_noise(rng):
    """FSC = SNR / (SNR + 1) for equal noise in both."""
    signal = noise(rng, (40, 36, 38))
    a, b = (signal + 0.5 * noise(rng, signal.shape) for _ in "ab")
    found = shell_correlation(a, b)
    assert np.average(found.fsc, weights=found.n) == pytest.approx(4 / 5, abs=0.01)  # 5 / sqrt(n)


def test_against_the_sum_over_all_coefficients(rng):
    """Shells in physical frequency: the sides are unequal."""
    a = noise(rng)
    b = a + noise(rng)
    spectra = np.fft.fftn(a), np.fft.fftn(b)
    z, y, x = np.meshgrid(*map(np.fft.fftfreq, SHAPE), indexing="ij")
    shell = np.rint(np.sqrt(z**2 + y**2 + x**2) * min(SHAPE))
    found = shell_correlation(a, b)
    for k in range(1, min(SHAPE) // 2 + 1):
        one, two = (spectrum[shell == k] for spectrum in spectra)
        expected = np.vdot(one, two).real / np.linalg.norm(one) / np.linalg.norm(two)
        assert found.fsc[k - 1] == pytest.approx(expected, abs=1e-4)  # float32 transforms
        assert found.n[k - 1] == one.size
        assert found.frequency[k - 1] == k / min(SHAPE)


def test_an_empty_volume_correlates_with_nothing(rng):
    found = shell_correlation(noise(rng), np.zeros(SHAPE, np.float32))
    assert np.all(found.fsc == 0)


def test_first_crossing_is_interpolated():
    found = curve(0.9, 0.7, 0.4, 0.6, 0.1)
    assert crossing(found, 0.5) == pytest.approx((2 + 2 / 3) / 10)
    assert crossing(found, 0.143) == pytest.approx((4 + 0.457 / 0.5) / 10)


def test_a_curve_that_starts_below_crosses_before_the_first_shell():
    assert crossing(curve(0.2, 0.9), 0.5) == pytest.approx(0.25 * 0.5 / 0.8)


def test_a_curve_that_stays_above_ends_at_the_pixel():
    assert crossing(curve(0.9, 0.8, 0.7), 0.5) == NYQUIST
