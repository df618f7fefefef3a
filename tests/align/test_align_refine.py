import numpy as np
import pytest
from scipy import ndimage

from stemedx.align import refine as module
from stemedx.align.refine import Match, match, predicted, reduced, refine
from tests.align.ellipsoids import CHAIN, DOT, TILTS, error_px, project_ellipsoids

UPRIGHT = np.zeros(len(TILTS))
LEVEL = np.zeros((len(TILTS), 2))


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
    before, after = predicted(images, TILTS), predicted(replaced, TILTS)
    assert np.array_equal(before[6], after[6])
    assert not np.array_equal(before[7], after[7])


def test_the_others_predict_an_aligned_map(images):
    found = match(images, TILTS, UPRIGHT, LEVEL)
    assert np.median(found.residual) < 0.15  # 12 tilts, 20 iterations, a wedge of 60 degrees
    assert np.median(np.abs(found.asked_px)) < 0.3  # the wedge; see `refine`


@pytest.mark.parametrize("factor", [1, 2])
def test_a_map_out_of_place_asks_to_be_moved_back(images, factor, monkeypatch):
    monkeypatch.setattr(module, "WIDEST_PX", images.shape[2] // factor)
    off = LEVEL.copy()
    off[5] = 4.0, -3.0
    found = match(images, TILTS, UPRIGHT, off)
    asked = found.asked_px[5] - match(images, TILTS, UPRIGHT, LEVEL).asked_px[5]
    assert asked == pytest.approx([-4.0, 3.0], abs=0.5)  # its old place is still in the others
    assert found.residual[5] > 2 * np.median(found.residual)


def test_rounds_bring_displaced_maps_back(rng):
    true = rng.uniform(-3, 3, (len(TILTS), 2))
    images = project_ellipsoids(CHAIN, true, rotation_deg=6.0).astype(np.float32)
    off = true + rng.normal(0, 1.0, true.shape)
    start = match(images, TILTS, UPRIGHT + 6.0, off)
    found = refine(images, TILTS, UPRIGHT + 6.0, start, 5)
    assert error_px(start.shift_px, true) > 0.7
    assert error_px(found.shift_px, true) < 0.3  # the project's aim for clean images
    assert found.residual.mean() < start.residual.mean()


def test_without_rounds_nothing_changes(images):
    start = Match(LEVEL, np.full(len(TILTS), 0.5), LEVEL + 3.0)
    assert refine(images, TILTS, UPRIGHT, start, 0) is start


def test_a_round_that_fits_worse_is_not_kept(images):
    start = match(images, TILTS, UPRIGHT, LEVEL)
    asked = LEVEL.copy()
    asked[::2, 0] = 5.0
    misled = Match(LEVEL, start.residual, asked)
    assert refine(images, TILTS, UPRIGHT, misled, 3) is misled


def test_an_empty_map_is_not_predicted(images):
    images[4] = 0
    assert match(images, TILTS, UPRIGHT, LEVEL).residual[4] == 1.0
