import numpy as np
import pytest

from stemedx.resolve.masks import apply_mask, effective_share, soft_mask

HOW = {"threshold": 0.5, "dilation_px": 2.0, "edge_px": 4.0}


def ball(shape=(40, 46, 44), centre=(18, 26, 20), radius=8):
    offset = np.indices(shape) - np.array(centre)[:, None, None, None]
    return (np.linalg.norm(offset, axis=0) < radius).astype(np.float32)


def test_a_mask_is_one_on_the_specimen_and_zero_far_away():
    mask = soft_mask(3 * ball(), **HOW)
    assert mask[ball() > 0].min() == 1
    along_x = mask[18, 26, 20:]
    assert np.all(np.diff(along_x) <= 0)
    # Radius 8, dilated by 2: half way down at 12, gone at 14; smoothing and the grid
    # move the surface by up to a voxel.
    assert along_x[9] == 1
    assert 0.1 < along_x[12] < 0.9
    assert along_x[15] == 0


def test_a_mask_falls_to_zero_at_the_borders():
    mask = soft_mask(ball(centre=(18, 26, 3)), **HOW)
    assert mask[18, 26, 0] < 0.05
    assert mask[18, 26, 5] == 1


def test_where_there_is_nothing_the_mask_is_the_field():
    mask = soft_mask(np.zeros((20, 26, 24), np.float32), **HOW)
    assert mask[4:-4, 4:-4, 4:-4].min() == 1


def test_the_mean_within_the_mask_is_removed(rng):
    mask = soft_mask(ball(), **HOW)
    masked = apply_mask(5 + rng.standard_normal(mask.shape, np.float32), mask)
    assert abs(masked.sum()) < 1e-3 * mask.sum()  # float32
    assert np.all(masked[mask == 0] == 0)


def test_effective_share_of_a_box_is_its_volume():
    mask = np.zeros((10, 12, 14), np.float32)
    mask[:5, :6, :7] = 1
    assert effective_share(mask) == pytest.approx(1 / 8)
