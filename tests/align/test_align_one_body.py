import numpy as np
import pytest
from scipy import ndimage

from stemedx.align.one_body import BORDER_PX, N_X, RADIUS, _Bodies, _Fit, _start, one_body
from stemedx.align.window import window_of
from tests.align.ellipsoids import CHAIN, DOT, TILTS, error_px, project_ellipsoids

SHAPE = (64, 60)
SHELL = (((3.0, -2.0, 4.0), (17.0, 13.0, 15.0), 1.0), ((6.0, 1.0, 1.0), (8.0, 9.0, 7.0), 1.0))


@pytest.fixture
def shifts(rng):
    return rng.uniform(-2, 2, (len(TILTS), 2))


def fitted(rng, images, start, level=0.02, tilt_deg=TILTS):
    noisy = (images + rng.normal(0, level * images.max(), images.shape)).astype(np.float32)
    window = window_of(ndimage.gaussian_filter(noisy, (0, 1, 1)), N_X, RADIUS, BORDER_PX)
    return one_body(noisy[None], tilt_deg, start, 0.0, window)


def test_a_dot_with_a_core_tells_its_axis_and_shifts(rng, shifts):
    images = project_ellipsoids(SHELL, shifts, 5.0, SHAPE)
    found = fitted(rng, images, shifts + rng.normal(0, 0.5, shifts.shape), level=0.04)
    assert found.error_deg < 1.0
    assert abs(found.rotation_deg - 5.0) < 3 * found.error_deg
    assert error_px(found.shift_px, shifts) < 0.25  # the project's aim


def test_several_bodies_are_not_one(rng, shifts):
    images = project_ellipsoids(CHAIN, shifts, 5.0)[::2]
    assert np.isinf(fitted(rng, images, shifts[::2], tilt_deg=TILTS[::2]).error_deg)


def test_a_ball_does_not_tell_its_axis(rng, shifts):
    ball = (((3.0, -2.0, 4.0), (9.0, 9.0, 9.0), 1.0),)
    images = project_ellipsoids(ball, shifts)[::2]
    found = fitted(rng, images, shifts[::2], tilt_deg=TILTS[::2])
    assert found.error_deg > 1.5  # SURE_DEG


def test_a_vacuum_without_a_photon_does_not_outweigh_the_rest(rng):
    """Where nothing is left of data and model, noise is not 0."""
    data = project_ellipsoids(DOT, np.zeros((len(TILTS), 2)))[None, :, 9:41, 6:38]
    noisy = data + rng.normal(0, 0.1 * data.max(), data.shape) * (data > 0.2 * data.max())
    variance = _Bodies(noisy, TILTS).variance(data)
    assert variance.min() > 0.01 * variance.max()
    # an image has noise in its vacuum, however little
    of_image = _Bodies(noisy, TILTS, n_images=1).variance(data)
    assert of_image.min() < 1e-4 * of_image.max()


@pytest.mark.slow
def test_a_box_is_no_ellipsoid_and_tells_its_axis(rng, shifts):
    """Its faces are flat, its edges sharp: not what the fit is made of."""
    found = fitted(rng, _box(shifts, 5.0), shifts)
    assert abs(found.rotation_deg - 5.0) < 3 * found.error_deg
    assert found.error_deg < 1.5
    assert error_px(found.shift_px, shifts) < 0.25


def _box(shift_px, rotation_deg, shape=(50, 44), half=(8.0, 6.5, 5.0)):
    """Projections of a box turned by 20 degrees about the beam: lengths of rays within it."""
    y, x = np.indices(shape) - (np.array(shape)[:, None, None] - 1) / 2
    angle, own = np.deg2rad(rotation_deg), np.deg2rad(20.0)
    cos, sin = np.cos(own), np.sin(own)
    axes = np.array([[1, 0, 0], [0, cos, sin], [0, -sin, cos]])
    images = np.zeros((len(TILTS), *shape))
    for image, tilt, (shift_y, shift_x) in zip(images, np.deg2rad(TILTS), shift_px, strict=True):
        aligned_y = np.cos(angle) * y - np.sin(angle) * x + shift_y
        aligned_x = np.sin(angle) * y + np.cos(angle) * x + shift_x
        start = (aligned_x * np.sin(tilt), aligned_y, aligned_x * np.cos(tilt))
        along = (np.cos(tilt), 0.0, -np.sin(tilt))
        into, out = np.full(shape, -np.inf), np.full(shape, np.inf)
        for axis, size in zip(axes, half, strict=True):
            at = sum(a * s for a, s in zip(axis, start, strict=True))
            speed = float(np.dot(axis, along)) or 1e-12
            ends = np.sort([(-size - at) / speed, (size - at) / speed], axis=0)
            into, out = np.maximum(into, ends[0]), np.minimum(out, ends[1])
        image[:] = np.clip(out - into, 0, None)
    return images


def test_slopes_are_those_of_the_cost(rng, shifts):
    """Against differences, for every kind of number."""
    data = rng.normal(project_ellipsoids(DOT, shifts, 5.0)[None, :, 7:39, 6:38], 0.5)
    maps = _Bodies(data, TILTS)
    at = maps.layout.at
    numbers = _start(maps)
    numbers[at["shift"]] = rng.normal(0, 0.5, shifts.shape)
    numbers[at["turn"]] = 0.05

    def fit(where, with_slopes=False):
        seen = maps.with_slopes(where) if with_slopes else maps.seen(where)
        return _Fit(where, seen, np.ones_like(data))

    _, slope = maps.normal_equations(fit(numbers, with_slopes=True))
    bodies = [at["body"][0, 3], at["body"][1, 6], at["density"][0, 1]]
    for number in [at["turn"][0], at["shift"][3, 1], *bodies, at["gain"][0, 2], at["offset"][0, 4]]:
        step = np.zeros_like(numbers)
        step[number] = 1e-3
        difference = (maps.cost(fit(numbers + step)) - maps.cost(fit(numbers - step))) / 2e-3
        # Slopes of images are differences over two pixels.
        assert -slope[number] == pytest.approx(difference, rel=0.25, abs=1.0)
