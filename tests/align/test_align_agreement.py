from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from stemedx.align import agreement as module
from stemedx.align.agreement import agreement
from stemedx.align.one_specimen import BLUR_PX, N_X, RADIUS, SpecimenModel
from stemedx.align.window import window_of
from tests.align.ellipsoids import CHAIN, DOT, TILTS, error_px, project_ellipsoids

ROUND = (((3.0, -2.0, 4.0), (9.0, 9.0, 9.0), 1.0),)
LEVEL = np.zeros((len(TILTS), 2))
ANGLES = np.arange(-9.0, 9.1, 3.0)


def noisy(rng, ellipsoids, shift_px, rotation_deg, level=0.04):
    images = project_ellipsoids(ellipsoids, shift_px, rotation_deg)
    images += rng.normal(0, level * images.max(), images.shape)
    return images.astype(np.float32)


def agreed(images, start, angles=ANGLES):
    smooth = ndimage.gaussian_filter(images, (0, 1, 1))
    return agreement(images[None], TILTS, start, angles, around(smooth))


def around(smooth):
    return window_of(smooth, N_X, RADIUS, BLUR_PX)


@pytest.fixture
def shifts(rng):
    return rng.uniform(-2, 2, LEVEL.shape)


@pytest.mark.parametrize(("ellipsoids", "level"), [(CHAIN, 0.04), (DOT, 0.005)])
def test_angle_and_shifts_are_found_together(rng, shifts, ellipsoids, level):
    """Of one dot, too, whose row sums do not tell: a core off the middle of its shell."""
    images = noisy(rng, ellipsoids, shifts, 5.0, level)
    found = agreed(images, shifts + rng.normal(0, 1.0, shifts.shape))
    assert abs(found.rotation_deg - 5.0) < 1.0  # noise; 9 tilts
    assert abs(found.rotation_deg - 5.0) < 3 * found.error_deg
    assert found.error_deg < 2.5
    assert error_px(found.shift_px, shifts) < 0.25  # the project's aim


def test_a_ball_does_not_tell_its_axis(rng, shifts):
    assert agreed(noisy(rng, ROUND, shifts, 5.0), shifts).error_deg > 1.5  # SURE_DEG


def test_an_angle_that_the_rough_search_does_not_confirm_is_not_told(rng, shifts, monkeypatch):
    vertices = iter([(0.0, 0.3), (5.0, 0.3)])
    monkeypatch.setattr(module, "_vertex", lambda fits: next(vertices))
    assert np.isinf(agreed(noisy(rng, CHAIN, shifts, 5.0), shifts).error_deg)


def test_a_given_angle_is_kept(rng, shifts):
    start = shifts + rng.normal(0, 0.7, shifts.shape)
    found = agreed(noisy(rng, CHAIN, shifts, 5.0), start, np.array([5.0]))
    assert (found.rotation_deg, found.error_deg) == (pytest.approx(5.0), 0.0)
    assert error_px(found.shift_px, shifts) < 0.1  # noise of 4 %


def test_slopes_are_those_of_the_likelihood(rng, shifts):
    """Against differences; and the steps that follow it make maps more alike."""
    images = noisy(rng, CHAIN, shifts, 5.0)[None]
    seen = module._seen(images, TILTS, around(images[0]))
    place = -shifts + 0.7
    how = module._question(seen, 5.0, -shifts)

    def unlikely(where):
        modes = seen.model.modes(seen.sampled(5.0, where)[0])
        return how.unlikely(seen.model, modes, 5.0, where).sum()

    maps = seen.sampled(5.0, place)
    slope = module._slope(seen.model, how, seen.model.modes(maps[0]), maps).reshape(-1, 2)
    for tilt, axis in ((2, 0), (6, 1)):
        step = np.zeros_like(place)
        step[tilt, axis] = 0.01
        difference = (unlikely(place + step) - unlikely(place - step)) / 0.02
        # Slopes are interpolated, not those of what was interpolated.
        assert slope[tilt, axis] == pytest.approx(difference, rel=0.02, abs=0.02 * np.ptp(slope))


def test_the_adjoint_of_modes(rng):
    model = SpecimenModel(TILTS, 12)
    maps = rng.normal(size=(2, len(TILTS), 12, 40))
    other = model.modes(rng.normal(size=maps.shape))
    product = np.sum(model.times[:, None] * (model.modes(maps).conj() * other).real)
    assert np.vdot(maps, model.adjoint(other)) == pytest.approx(product)


def test_maps_have_the_modes_that_they_are_made_from(rng):
    model = SpecimenModel(TILTS, 12)
    modes = model.modes(rng.normal(size=(2, len(TILTS), 12, 40)))
    assert model.modes(model.maps(modes)) == pytest.approx(modes)


def test_a_given_specimen_asks_for_nothing_by_itself(rng):
    """Without noise, but judged as if there were: what it asks for is no measurement."""
    clean = project_ellipsoids(CHAIN, LEVEL)[None].astype(np.float32)
    noise = rng.normal(0, 0.15 * clean.max(), clean.shape).astype(np.float32)
    seen = module._seen(clean + noise, TILTS, around(clean[0]))
    how = module._question(seen, 0.0, LEVEL)
    clear = module._seen(clean, TILTS, around(clean[0]))

    def lowest(question):
        angles = np.arange(-2.0, 2.1)
        found = [
            question.unlikely(
                seen.model, seen.model.modes(clear.sampled(one, LEVEL)[0]), one, LEVEL
            )
            for one in angles
        ]
        bend, slope, _ = np.polyfit(angles, np.sum(found, axis=(1, 2)), 2)
        return abs(slope / (2 * bend))

    assert lowest(how) < 0.6 * lowest(replace(how, own=0 * how.own))
