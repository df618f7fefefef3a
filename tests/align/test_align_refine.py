import numpy as np
import pytest
from scipy import ndimage

from stemedx.align import refine as module
from stemedx.align.refine import Match, Views, _box, match, predicted, reduced, refine, weighted
from stemedx.project.geometry import Geometry
from stemedx.project.projector import projector
from tests.align.ellipsoids import CHAIN, DOT, TILTS, error_px, project_ellipsoids

UPRIGHT = np.zeros(len(TILTS))
LEVEL = np.zeros((len(TILTS), 2))


def views(images, rotation_deg=UPRIGHT, weight=None):
    weight = np.ones_like(images) if weight is None else weight
    return Views(images[None], 1, weight, TILTS, rotation_deg)


@pytest.fixture
def images():
    return project_ellipsoids(DOT, LEVEL).astype(np.float32)


@pytest.mark.parametrize("shape", [(52, 48), (51, 47), (50, 49)])
def test_a_coarser_grid_has_the_same_centre(shape):
    y, x = np.indices(shape) - (np.array(shape)[:, None, None] - 1) / 2
    spot = np.exp(-((y - 4) ** 2 + (x + 7) ** 2) / 20)[None]
    small = reduced(spot, 3)[0]
    assert small.shape == tuple(-(-n // 3) for n in shape)
    centre = ndimage.center_of_mass(small) - (np.array(small.shape) - 1) / 2
    assert centre == pytest.approx((4 / 3, -7 / 3), abs=0.02)  # of a coarse pixel


def test_no_map_predicts_itself(images):
    """A map that is replaced changes the prediction of others, not its own."""
    replaced = images.copy()
    replaced[6] = images[6, ::-1, ::-1]
    before, after = (
        predicted(one[None], np.ones_like(one), TILTS)[0] for one in (images, replaced)
    )
    assert np.array_equal(before[6], after[6])
    assert not np.array_equal(before[7], after[7])


def test_the_others_predict_an_aligned_map(images):
    found = match(views(images), LEVEL)
    assert np.median(found.residual) < 0.15  # 12 tilts, 20 iterations, a wedge of 60 degrees
    assert np.median(np.abs(found.asked_px)) < 0.3  # the wedge; see `refine`


@pytest.mark.parametrize("factor", [1, 2])
def test_a_map_out_of_place_asks_to_be_moved_back(images, factor, monkeypatch):
    monkeypatch.setattr(module, "WIDEST_PX", images.shape[2] // factor)
    off = LEVEL.copy()
    off[5] = 4.0, -3.0
    found = match(views(images), off)
    asked = found.asked_px[5] - match(views(images), LEVEL).asked_px[5]
    assert asked == pytest.approx([-4.0, 3.0], abs=0.5)  # its old place is still in the others
    assert found.residual[5] > 2 * np.median(found.residual)


def test_all_channels_are_asked_each_by_its_noise(images, rng):
    """What the first channel cannot tell for noise, a second one of fewer photons does."""
    noisy = images + rng.normal(0, 3 * images.max(), images.shape).astype(np.float32)
    off = LEVEL.copy()
    off[5] = 4.0, -3.0
    one = match(views(noisy), off)
    both = Views(np.stack([100 * noisy, images]), 1, np.ones_like(images), TILTS, UPRIGHT)
    found = match(both, off)
    assert found.asked_px[5] == pytest.approx(match(views(images), off).asked_px[5], abs=0.3)
    assert np.abs(one.asked_px[5] - [-4.0, 3.0]).max() > 1.0
    told = [np.median(one.error_px) for one in (match(both, LEVEL), match(views(noisy), LEVEL))]
    assert told[0] < 0.5 * told[1]
    assert both.images == pytest.approx(100 * noisy)  # which the residual is told of
    assert found.residual == pytest.approx(one.residual, rel=0.05)  # another part of the field


def test_only_what_is_bright_is_compared(images):
    """On both sides of the axis alike, so that its place stays the middle."""
    rows, columns = _box(images)
    assert columns.start == images.shape[2] - columns.stop
    outside = np.ones(images.shape[1:], bool)
    outside[rows, columns] = False
    assert outside.sum() > 0.1 * outside.size
    assert images[:, outside].max() == 0
    assert _box(np.zeros_like(images)) == (slice(0, 50), slice(0, 44))


def test_rounds_bring_displaced_maps_back(rng):
    true = rng.uniform(-3, 3, (len(TILTS), 2))
    images = project_ellipsoids(CHAIN, true, rotation_deg=6.0).astype(np.float32)
    off = true + rng.normal(0, 1.0, true.shape)
    start = match(views(images, UPRIGHT + 6.0), off)
    found = refine(views(images, UPRIGHT + 6.0), start, 5)
    assert error_px(start.shift_px, true) > 0.7
    assert error_px(found.shift_px, true) < 0.3  # the project's aim for clean images
    assert found.residual.mean() < start.residual.mean()


def test_without_rounds_nothing_changes(images):
    start = Match(LEVEL, np.full(len(TILTS), 0.5), LEVEL + 3.0, LEVEL)
    assert refine(views(images), start, 0) is start


def test_a_round_that_fits_worse_is_not_kept(images):
    start = match(views(images), LEVEL)
    asked = LEVEL.copy()
    asked[::2, 0] = 5.0
    misled = Match(LEVEL, start.residual, asked, LEVEL)
    assert refine(views(images), misled, 3) is misled


def test_an_empty_map_is_not_predicted(images):
    images[4] = 0
    assert match(views(images), LEVEL).residual[4] == 1.0


def test_what_has_no_weight_is_not_compared(images):
    """Something in a corner of one map alone changes its residual, unless it has no weight."""
    spoilt = images.copy()
    spoilt[4, 2:12, 30:42] = images.max()
    weight = np.ones_like(images)
    weight[4, :14, 27:] = 0
    clean, found, masked = (
        match(views(*one), LEVEL) for one in ((images,), (spoilt,), (spoilt, UPRIGHT, weight))
    )
    assert found.residual[4] > 2 * clean.residual[4]
    assert masked.residual[4] == pytest.approx(clean.residual[4], rel=0.1)  # a corner less


def test_a_weighted_operator_is_the_transpose_of_its_adjoint(rng):
    geometry = Geometry(TILTS, 3, 8)
    weight = rng.random((len(TILTS), 8, 3, 1), np.float32)
    operator = weighted(projector(geometry, 1), weight)
    x = rng.random(operator.domain_shape, np.float32)
    y = rng.random(operator.range_shape, np.float32)
    assert np.vdot(operator.forward(x), y) == pytest.approx(
        np.vdot(x, operator.adjoint(y)), rel=1e-5
    )


def test_errors_cover_the_shifts_that_noise_makes(rng):
    """Each map asks for a shift; over noise those spread by about the standard error."""
    rate = 0.02 * project_ellipsoids(CHAIN, LEVEL)
    drawn = [rng.poisson(rate).astype(np.float32) for _ in range(6)]
    found = [match(views(ndimage.gaussian_filter(one, (0, 1.5, 1.5))), LEVEL) for one in drawn]
    spread = np.std([one.asked_px for one in found], axis=0, ddof=1)
    told = np.mean([one.error_px for one in found], axis=0)
    ratio = np.median(spread / told, axis=0)
    # Errors contain what the model cannot explain, too, and lack the noise of the others.
    assert np.all((ratio > 0.3) & (ratio < 2))
