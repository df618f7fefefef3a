import logging
from dataclasses import replace

import numpy as np
import pytest

from stemedx.align import automatic
from stemedx.align.agreement import Agreement
from stemedx.align.automatic import align, align_by_hand
from stemedx.align.source import to_source
from stemedx.align.tilt_errors import TiltErrors
from stemedx.params import AlignParams
from tests.align.ellipsoids import CHAIN, DOT, TILTS, error_px, project_ellipsoids

PARAMS = AlignParams(max_shift_px=15.0, smooth_px=1.0, n_refinements=1, axis_within_deg=0.0)
ELEMENT_SHARES = np.array([0.3, 0.7])[:, None, None, None]


@pytest.fixture
def shifts(rng):
    return rng.uniform(-4, 4, (len(TILTS), 2))


def counts(rng, images, photons):
    """Two elements, as many photons in the mean map, stage gains and a background."""
    gains = rng.uniform(0.7, 1.3, (2, len(images), 1, 1))
    rates = photons * images / images.sum(axis=(1, 2)).mean() * ELEMENT_SHARES
    return rng.poisson(rates * gains + 0.003).astype(np.uint16)


def aligned(maps, haadf=None, tilt_axis_deg=None, **changes):
    params = PARAMS.model_copy(update=changes)
    return align(to_source(maps, haadf, TILTS, params), TILTS, params, tilt_axis_deg)


def test_haadf_of_a_dot(rng, shifts):
    haadf = project_ellipsoids(DOT, shifts)
    found = aligned(counts(rng, haadf, 100), haadf)
    assert error_px(found.shift_px, shifts) < 0.3  # the project's aim for clean images
    assert (found.rotation_deg[0], found.warnings) == (0.0, ())


def test_noisy_haadf_of_a_chain_with_its_axis_tilted_and_off_centre(rng, shifts):
    shifts[:, 1] -= 5.0
    haadf = project_ellipsoids(CHAIN, shifts, rotation_deg=-6.0)
    haadf += rng.normal(0, haadf.max() / 25, haadf.shape)
    found = aligned(counts(rng, haadf.clip(0), 100), haadf, axis_within_deg=8.0)
    assert found.rotation_deg == pytest.approx(np.full(len(TILTS), -6.0), abs=0.5)  # noise
    assert error_px(found.shift_px, shifts) < 0.3  # the project's aim


@pytest.mark.slow
def test_a_ball_does_not_tell_its_axis(rng):
    ball = (((3.0, -2.0, 4.0), (9.0, 9.0, 9.0), 1.0),)
    images = project_ellipsoids(ball, np.zeros((len(TILTS), 2)))
    found = aligned(counts(rng, images, 1000), axis_within_deg=6.0)
    assert np.isinf(found.axis_error_deg)
    assert not found.rotation_deg.any()
    assert "do not tell the angle of the tilt axis" in found.warnings[-1]


def test_an_axis_that_was_not_found_is_told_of(rng, shifts, monkeypatch):
    monkeypatch.setattr(automatic, "_first", lambda *_: Agreement(0.0, np.inf, shifts))
    found = aligned(counts(rng, project_ellipsoids(DOT, shifts), 1000), axis_within_deg=6.0)
    assert np.isinf(found.axis_error_deg)
    assert "do not tell the angle of the tilt axis" in found.warnings[-1]


def test_a_thousand_photons_per_map():
    rng = np.random.default_rng(2)
    shifts = rng.uniform(-4, 4, (len(TILTS), 2))
    found = aligned(counts(rng, project_ellipsoids(DOT, shifts), 1000))
    assert error_px(found.shift_px, shifts) < 0.5  # the project's aim
    assert found.warnings == ()


def test_the_angle_of_the_axis_in_the_sheet_is_taken_back(rng, shifts):
    """The axis lies 7 degrees counter-clockwise of y: maps are turned clockwise."""
    images = project_ellipsoids(CHAIN, shifts, rotation_deg=-7.0)
    found = aligned(counts(rng, images, 3000), tilt_axis_deg=7.0)
    assert np.all(found.rotation_deg == -7.0)
    assert error_px(found.shift_px, shifts) < 0.5  # the project's aim


def test_errors_of_tilts_are_looked_for_where_asked_for(rng, shifts, monkeypatch):
    asked = []

    def found(views, match, *how):
        asked.append(how)
        errors = TiltErrors(np.full(len(TILTS), 0.1), np.full(len(TILTS), 0.2))
        return replace(views, tilt_deg=views.tilt_deg + 0.1), match, errors

    monkeypatch.setattr(automatic, "find_tilt_errors", found)
    maps = counts(rng, project_ellipsoids(DOT, shifts), 1000)
    assert aligned(maps).tilt_errors is None
    assert np.all(aligned(maps, tilt_error_deg=0.8).tilt_errors.off_deg == 0.1)
    assert asked == [(0.8, PARAMS.n_refinements)]


def test_noise_moves_nothing_and_says_so(rng, caplog):
    maps = rng.poisson(0.1, (2, len(TILTS), 50, 44)).astype(np.uint16)
    with caplog.at_level(logging.WARNING):
        found = aligned(maps, axis_within_deg=5.0)
    assert not found.shift_px.any()
    assert not found.rotation_deg.any()
    assert "nothing was moved" in found.warnings[-1]
    assert found.warnings[-1] in caplog.text


def test_nothing_is_moved_that_fits_better_where_it_is(rng, shifts, monkeypatch):
    misled = np.where(np.arange(len(TILTS))[:, None] % 2, 1.5, -1.5) * np.ones(2)
    monkeypatch.setattr(automatic, "_agreed", lambda *_: Agreement(0.0, 0.0, misled))
    maps = counts(rng, project_ellipsoids(DOT, 0 * shifts), 3000)
    assert not aligned(maps, n_refinements=0).shift_px.any()


def test_gains_of_the_stage_are_taken_out(rng, shifts):
    maps = counts(rng, project_ellipsoids(DOT, shifts), 3000)
    source = to_source(maps, None, TILTS, PARAMS)
    totals = np.maximum(source.images, 0).sum(axis=(1, 2))
    assert totals == pytest.approx(np.full(len(TILTS), totals[0]), rel=1e-4)  # float32


def test_few_photons_are_told(rng, shifts):
    source = to_source(counts(rng, project_ellipsoids(DOT, shifts), 120), None, TILTS, PARAMS)
    assert "few photons: 1" in source.warnings[0]


def test_an_axis_along_x_is_told_where_maps_agree_better_once_turned(rng, monkeypatch):
    images = project_ellipsoids(CHAIN, np.zeros((len(TILTS), 2)), shape=(48, 48))
    maps, level = counts(rng, images, 3000), np.zeros((len(TILTS), 2))
    turned = np.ascontiguousarray(np.rot90(maps, axes=(2, 3)))
    told = [judged_at_rest(one, level).warnings for one in (maps, turned)]
    assert not any("along image x" in text for text in told[0])
    assert any("along image x" in text for text in told[1])
    monkeypatch.setattr(automatic, "turned_axis", lambda *_: "along image x")
    assert "along image x" not in judged_at_rest(maps, level).warnings


def judged_at_rest(maps, level):
    source = to_source(maps, None, TILTS, PARAMS)
    return align_by_hand(source, TILTS, PARAMS, np.zeros(len(TILTS)), level)


def test_a_copied_map_is_told(rng, shifts):
    maps = counts(rng, project_ellipsoids(DOT, shifts), 3000)
    maps[:, 4] = maps[:, 3]
    assert "maps at -15 and 0 deg are the same" in to_source(maps, None, TILTS, PARAMS).warnings[0]


def test_a_specimen_beyond_the_field_is_told(rng, shifts):
    wide = (*DOT, ((0.0, 0.0, 26.0), (9.0, 14.0, 9.0), 1.0))
    source = to_source(counts(rng, project_ellipsoids(wide, 0 * shifts), 3000), None, TILTS, PARAMS)
    assert not source.is_inside
    assert "reaches the border of the field" in source.warnings[0]


def test_a_tilt_that_does_not_fit_is_named(rng):
    images = project_ellipsoids(CHAIN, np.zeros((len(TILTS), 2)))
    images[7] = np.roll(images[7], 25, axis=0)
    source = to_source(counts(rng, images, 3000), images, TILTS, PARAMS)
    found = align_by_hand(source, TILTS, PARAMS, np.zeros(len(TILTS)), np.zeros((len(TILTS), 2)))
    assert "the others predict these tilts poorly: 45 deg" in found.warnings


def test_by_hand_is_kept_as_given_and_judged(rng, shifts):
    images = project_ellipsoids(DOT, shifts)
    source = to_source(counts(rng, images, 3000), None, TILTS, PARAMS)
    right = align_by_hand(source, TILTS, PARAMS, np.zeros(len(TILTS)), shifts)
    wrong = align_by_hand(source, TILTS, PARAMS, np.zeros(len(TILTS)), -shifts)
    assert np.array_equal(right.shift_px, shifts)
    assert right.residual.mean() < 0.7 * wrong.residual.mean()


@pytest.mark.parametrize("what", ["element maps", "HAADF"])
def test_a_blank_tilt_is_refused(rng, shifts, what):
    images = project_ellipsoids(DOT, shifts)
    maps, haadf = counts(rng, images, 1000), images
    if what == "HAADF":
        haadf = images.copy()
        haadf[3] = 7.0
    else:
        maps[:, 3] = 0
    with pytest.raises(ValueError, match=f"found blank {what} at -15 deg. Leave that file out"):
        aligned(maps, haadf)


def test_two_tilts_are_refused(rng):
    maps = rng.poisson(1.0, (2, 2, 8, 9)).astype(np.uint16)
    with pytest.raises(ValueError, match="at least 3 tilts, found 2. .*add the missing files"):
        to_source(maps, None, TILTS[:2], PARAMS)
