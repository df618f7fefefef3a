import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.transform import rotate

from stemedx.project.geometry import Geometry
from stemedx.project.projector import projector
from stemedx.project.warp import align_maps, warp_matrix

TILT_DEG = np.array([-30.0, 20.0])


def geometry_of(n_y, n_x, rotation_deg=0.0, shift_px=(0.0, 0.0)):
    """Two tilts; only the second is moved."""
    rotation = np.array([0.0, rotation_deg])
    return Geometry(TILT_DEG, n_y, n_x, rotation, np.array([(0.0, 0.0), shift_px]))


def point(n_y, n_x, y, x):
    maps = np.zeros((1, 2, n_y, n_x), np.float32)
    maps[0, 1, y, x] = 1.0
    return maps


def blob(n_y, n_x, y0, x0):
    y, x = np.mgrid[:n_y, :n_x]
    return np.exp(-((y - y0) ** 2 + (x - x0) ** 2) / 18).astype(np.float32)


def test_a_point_right_of_the_centre_turns_to_the_top():
    """Counter-clockwise as displayed, by hand: centre (3, 4), from (3, 7) to (0, 4)."""
    aligned, coverage = align_maps(point(7, 9, 3, 7), geometry_of(7, 9, 90.0))
    assert np.unravel_index(aligned[0, 1].argmax(), (7, 9)) == (0, 4)
    assert aligned[0, 1].max() == pytest.approx(1, abs=1e-6)  # rounding of cos 90 deg
    assert coverage[1, :, :1] == pytest.approx(0, abs=1e-6)  # the frame is wider than high


def test_rotation_comes_before_the_shift():
    """From (3, 7) to (0, 4), then 2 rows down and 1 column left."""
    geometry = geometry_of(7, 9, 90.0, (2.0, -1.0))
    aligned, _ = align_maps(point(7, 9, 3, 7), geometry)
    assert np.unravel_index(aligned[0, 1].argmax(), (7, 9)) == (2, 3)


def test_align_maps_turns_as_scikit_image_does():
    image = blob(40, 50, 12.0, 31.0)
    aligned, _ = align_maps(np.stack([image, image])[None], geometry_of(40, 50, 23.0))
    turned = rotate(image, 23.0)  # counter-clockwise, about (n - 1) / 2, bilinear
    assert aligned[0, 1] == pytest.approx(turned, abs=1e-5)  # float32 against float64
    assert np.array_equal(aligned[0, 0], image)


@settings(deadline=None, max_examples=50)
@given(st.floats(-180, 180), st.floats(-3, 3), st.floats(-3, 3))
def test_the_warp_undoes_the_alignment(rotation_deg, shift_y, shift_x):
    """What the projector expects at the measured pixels, aligned, is where it was."""
    geometry = geometry_of(41, 47, rotation_deg, (shift_y, shift_x))
    image = blob(41, 47, 17.0, 26.0)
    matrix = warp_matrix(geometry, 1)
    measured = image if matrix is None else (matrix @ image.T.ravel()).reshape(47, 41).T
    aligned, _ = align_maps(np.stack([image, measured])[None], geometry)
    # two bilinear interpolations of a Gaussian of sigma 3: 2 / (8 sigma^2) in each axis
    assert np.abs(aligned[0, 1] - image).max() < 0.06


def test_no_rotation_and_no_shift_need_no_matrix():
    assert warp_matrix(geometry_of(5, 8), 1) is None
    assert warp_matrix(Geometry(TILT_DEG, 5, 8), 1) is None


def test_rotation_by_0_is_the_identity(rng):
    still = projector(Geometry(TILT_DEG, 5, 8), 2)
    turned = projector(geometry_of(5, 8), 2)
    x = rng.random(still.domain_shape, np.float32)
    assert np.array_equal(still.forward(x), turned.forward(x))


def test_coverage_is_lost_where_nothing_was_measured():
    maps = np.ones((3, 2, 6, 8), np.float32)
    aligned, coverage = align_maps(maps, geometry_of(6, 8, 0.0, (1.5, -2.0)))
    expected = np.ones((6, 8))
    expected[0], expected[1] = 0.0, 0.5
    expected[:, 6:] = 0.0
    assert np.array_equal(coverage[1], expected)
    assert np.array_equal(aligned[2], coverage)


@pytest.mark.parametrize("name", ["rotation_deg", "shift_px"])
def test_one_entry_per_tilt_is_insisted_on(name):
    values = {"rotation_deg": np.zeros(3), "shift_px": np.zeros((3, 2))}[name]
    with pytest.raises(ValueError, match=rf"one entry of {name} per tilt \(2\), found 3"):
        Geometry(TILT_DEG, 5, 8, **{name: values})


def test_a_geometry_without_tilts_is_refused():
    with pytest.raises(ValueError, match="at least one tilt"):
        Geometry(np.empty(0), 5, 8)
