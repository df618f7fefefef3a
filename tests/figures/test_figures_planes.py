import numpy as np
import pytest

from stemedx.figures.planes import coarse, find_focus, planes, plateau


def test_planes_meet_in_the_largest_particle(volumes):
    volumes[1, 2:4, 3:5, 3:5] = 0.9  # smaller, brighter
    assert find_focus(volumes).centre == (9, 18, 15)


def test_the_box_holds_all_of_it_and_not_much_more(volumes):
    for side, (first, last) in zip(find_focus(volumes).box, [(3, 15), (12, 24), (9, 21)]):  # noqa: B905
        assert side.start <= first
        assert last < side.stop
        assert side.stop - side.start <= 13 + 2 * 6  # the body, and margins


def test_a_large_volume_is_searched_on_a_coarse_grid(volumes):
    large = volumes.repeat(5, axis=1).repeat(5, axis=2).repeat(5, axis=3)
    expected = 5 * np.array([9, 18, 15]) + 2
    assert np.abs(find_focus(large).centre - expected).max() <= 1  # half a coarse voxel


def test_an_empty_volume_is_shown_whole(volumes):
    focus = find_focus(0 * volumes)
    assert focus.centre == (12, 15, 13)
    assert focus.box == (slice(0, 24), slice(0, 30), slice(0, 26))
    assert planes(0 * volumes, focus, 0.8)[0].images.shape == (2, 30, 26)


def test_each_plane_is_the_one_it_says(volumes):
    volumes[:] = np.arange(volumes.size, dtype=np.float32).reshape(volumes.shape)
    focus = find_focus(volumes)
    (z, y, x), (at_z, at_y, at_x) = focus.box, focus.centre
    seen = planes(volumes, focus, 0.8)
    np.testing.assert_array_equal(seen[0].images[1], volumes[1, at_z, y, x])
    np.testing.assert_array_equal(seen[1].images[1], volumes[1, z, at_y, x])
    np.testing.assert_array_equal(seen[2].images[1], volumes[1, z, y, at_x].T)
    assert seen[0].name == f"z = {(at_z - 11.5) * 0.8:.4g} nm"
    corner = (y.start - 14.5) * 0.8, (x.start - 12.5) * 0.8
    assert seen[0].corner_nm == pytest.approx(corner, rel=1e-12)  # rounding


def test_coarse_keeps_the_mean(rng):
    volume = rng.random((6, 9, 5), np.float32)
    means = coarse(volume, 3)
    assert means.shape == (2, 3, 1)
    assert means[1, 2, 0] == pytest.approx(volume[3:, 6:, :3].mean(), rel=1e-6)  # float32


def test_the_plateau_is_the_typical_value_inside(volumes, rng):
    noisy = volumes[1] + rng.normal(0, 0.03, volumes[1].shape).astype(np.float32)
    assert plateau(noisy) == pytest.approx(0.7, abs=0.01)  # 0.03 / sqrt(1400), and the edge
    assert plateau(0 * volumes[1]) == np.inf
