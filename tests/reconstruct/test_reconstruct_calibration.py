import numpy as np
import pytest

from stemedx.project.geometry import Geometry
from stemedx.reconstruct.calibration import (
    Calibration,
    calibrate,
    dose,
    first_calibration,
    normalised,
)
from stemedx.reconstruct.measured import Measured, binned

TILT_DEG = np.array([-40.0, 0.0, 25.0])
GAIN = np.array([[0.7, 1.3, 1.0], [1.2, 1.1, 0.7]])
BACKGROUND = np.array([[0.5, 0.2, 0.3], [0.05, 0.4, 0.1]])


@pytest.fixture
def signal():
    """A bright patch in a field of 48 x 40 pixels."""
    maps = np.zeros((2, 3, 48, 40))
    maps[0, :, 10:22, 8:26] = 2.0
    maps[1, :, 12:20, 10:30] = 0.8
    return maps


def measured(maps, signal="counts", weight=None):
    zeros = np.zeros((2, 3))
    weight = np.ones(maps.shape[1:], np.float32) if weight is None else weight
    return Measured(maps, Geometry(TILT_DEG, *maps.shape[2:]), signal, zeros + 1, zeros, weight)


def to_block(maps):
    return np.ascontiguousarray(maps.transpose(1, 3, 2, 0)).astype(np.float32)


def path_of(signal):
    return to_block(signal).max(axis=-1)


def fitted(maps, signal, kind="counts", weight=None):
    about = measured(maps, kind, weight)
    return calibrate(about, to_block(signal), path_of(signal), first_calibration(about))


def test_gain_and_background_are_found(signal, rng):
    expected = GAIN[..., None, None] * signal + BACKGROUND[..., None, None]
    found = fitted(rng.poisson(expected), signal)
    # 5 standard errors of some hundred photons
    assert found.gain == pytest.approx(GAIN, rel=5 / np.sqrt(100))
    assert found.background == pytest.approx(BACKGROUND, rel=5 / np.sqrt(0.05 * 1700))
    assert found.gain.mean(axis=1) == pytest.approx([1, 1])


def test_without_noise_they_are_exact(signal):
    expected = GAIN[..., None, None] * signal + BACKGROUND[..., None, None]
    found = fitted(expected, signal)
    assert found.gain == pytest.approx(GAIN, rel=1e-3)
    assert found.background == pytest.approx(BACKGROUND, rel=1e-6)


def test_photons_behind_clipped_hits_count(signal):
    """Of hits, the expected share stands for the photons: exact without noise."""
    expected = GAIN[..., None, None] * signal + BACKGROUND[..., None, None]
    found = fitted(-np.expm1(-expected), signal, "hits")
    # the sum of a background behind the brightest hits converges slowly
    assert found.gain == pytest.approx(GAIN, rel=5e-3)
    assert found.background == pytest.approx(BACKGROUND, rel=1e-6)


def test_pixels_without_weight_tell_nothing(signal):
    expected = GAIN[..., None, None] * signal + BACKGROUND[..., None, None]
    weight = np.ones(signal.shape[1:], np.float32)
    weight[:, :14, :12] = 0
    spoilt = expected.copy()
    spoilt[:, :, :14, :12] = 90
    assert fitted(spoilt, signal, weight=weight).gain == pytest.approx(GAIN, rel=1e-3)


def test_a_tilt_that_saw_nothing_has_gain_0(signal):
    expected = GAIN[..., None, None] * signal
    expected[1, 2] = 0
    found = fitted(expected, signal)
    assert found.gain[1, 2] < 1e-2
    assert np.isfinite(found.gain).all()
    assert (found.background > 0).all()  # no photon is ever impossible


@pytest.mark.parametrize("what", ["element", "weights", "all"])
def test_where_there_is_nothing_it_stays_finite(signal, what):
    maps, weight = GAIN[..., None, None] * signal, np.ones(signal.shape[1:], np.float32)
    maps[0 if what == "element" else slice(None)] *= what == "weights"
    weight *= what != "weights"
    found = fitted(maps, signal, weight=weight)
    assert np.isfinite(found.gain).all()
    assert (found.background > 0).all()


def test_a_background_that_is_told_is_believed(signal):
    about = measured(signal)
    told = Measured(about.maps, about.geometry, "counts", about.gain, BACKGROUND, about.weight)
    assert first_calibration(told).background == pytest.approx(BACKGROUND)


def test_first_background_is_that_of_the_emptiest_quarter(signal, rng):
    maps = rng.poisson(signal + BACKGROUND[..., None, None])
    found = first_calibration(measured(maps)).background
    assert found == pytest.approx(BACKGROUND, rel=0.35)  # of 480 pixels, the emptiest


def test_dose_is_the_factor_that_brings_the_photons_back(signal):
    calibration = normalised(Calibration(GAIN, BACKGROUND))
    about = measured(GAIN[..., None, None] * signal * 1.25 + BACKGROUND[..., None, None])
    assert dose(about, to_block(signal), calibration) == pytest.approx([1.25, 1.25], rel=1e-3)


def test_binned_maps_hold_the_same_photons(signal, rng):
    maps = rng.poisson(signal + 0.3)
    coarse = binned(measured(maps), 4)
    assert coarse.maps.shape == (2, 3, 12, 10)
    assert coarse.maps.sum() == pytest.approx(maps.sum())
    assert coarse.maps[1, 2, 3, 4] == maps[1, 2, 12:16, 16:20].sum()
    assert binned(measured(maps, "hits"), 2).signal == "counts"


def test_binned_maps_make_up_for_pixels_without_weight(signal):
    weight = np.ones(signal.shape[1:], np.float32)
    weight[:, 12:16, 16:18] = 0
    coarse = binned(measured(signal + 0.5, weight=weight), 4)
    assert coarse.weight[0, 3, 4] == 0.5
    assert coarse.maps[0, 1, 3, 4] == pytest.approx(16 * 2.5)


def test_what_does_not_belong_together_is_refused(signal):
    with pytest.raises(
        ValueError, match="a signal out of counts, hits, intensity, image, found 'x'"
    ):
        measured(signal, "x")
