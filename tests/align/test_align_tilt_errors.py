import numpy as np
import pytest

from stemedx.align.refine import Views, match
from stemedx.align.tilt_errors import _told_apart, find_tilt_errors
from tests.align.ellipsoids import DOT, error_px, project_ellipsoids

TOLD = np.arange(-60.0, 61.0, 15.0)
OFF = np.array([1.2, -0.4, -1.1, 0.6, 0.0, -1.5, 1.4, 0.7, -0.9])
SHAPE = (46, 44)
# Parts far from the axis and from each other: a degree moves them by a fraction of a pixel.
SPREAD = tuple(
    (centre, (3.5, 3.5, 4.0), 1.0)
    for centre in (
        *((13.0, -14.0, 3.0), (-12.0, -8.0, -6.0), (5.0, -3.0, 14.0), (-14.0, 2.0, 4.0)),
        *((2.0, 7.0, -15.0), (12.0, 12.0, -7.0), (-6.0, 15.0, 12.0)),
    )
)


def seen(rng, ellipsoids, off_deg):
    images = project_ellipsoids(ellipsoids, np.zeros((9, 2)), 0.0, SHAPE, TOLD + off_deg)
    images += rng.normal(0, images.max() / 50, images.shape)
    images = images.astype(np.float32)
    views = Views(images[None], 1, np.ones_like(images), TOLD, np.zeros(9))
    return views, match(views, np.zeros((9, 2)))


def rms(values):
    return float(np.sqrt(np.mean(values**2)))


def test_tilts_that_are_off_by_a_degree_are_found(rng):
    views, start = seen(rng, SPREAD, OFF)
    after, found, errors = find_tilt_errors(views, start, 1.0, 3)
    left = errors.off_deg - _told_apart(OFF, TOLD)
    assert rms(left) < 0.6 * rms(_told_apart(OFF, TOLD))
    assert after.tilt_deg == pytest.approx(TOLD + errors.off_deg)
    assert np.mean(np.abs(left) < 2 * errors.error_deg) > 0.8
    assert np.all(errors.error_deg < 1.0)  # more is known than before
    assert found.residual.mean() < 0.98 * start.residual.mean()
    assert error_px(found.shift_px, np.zeros((9, 2)), TOLD) < 0.3  # the project's aim


def test_right_tilts_stay_within_their_errors(rng):
    _, _, errors = find_tilt_errors(*seen(rng, SPREAD, 0 * OFF), 1.0, 3)
    assert np.all(np.abs(errors.off_deg) < 2 * errors.error_deg)
    assert rms(errors.off_deg) < 0.5


def test_a_ball_does_not_tell_its_tilts(rng):
    _, _, errors = find_tilt_errors(*seen(rng, DOT[:1], OFF), 1.0, 3)
    assert rms(errors.off_deg) < 0.3
    assert np.all(errors.error_deg > 0.7)  # hardly less than before anything was seen


def test_without_rounds_tilts_are_as_told(rng):
    views, start = seen(rng, SPREAD, OFF)
    after, found, errors = find_tilt_errors(views, start, 0.7, 0)
    assert after is views
    assert found is start
    assert not errors.off_deg.any()
    assert np.all(errors.error_deg == 0.7)


def test_what_all_tilts_share_is_not_looked_for():
    assert _told_apart(2.0 + 0.03 * TOLD, TOLD) == pytest.approx(np.zeros(9), abs=1e-12)
    assert rms(_told_apart(OFF, TOLD)) > 0.8
