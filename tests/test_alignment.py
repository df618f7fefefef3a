import numpy as np
import pytest

from stemedx import store
from stemedx.alignment import read_geometry, read_weights

TILT_DEG = [-40.0, 5.0, 30.0]


@pytest.fixture
def alignment(tmp_path, rng):
    layers = {
        "rotation_deg": store.Layer(rng.random(3), ("tilt",), "deg"),
        "shift_px": store.Layer(rng.random((3, 2)), ("tilt", "axis"), "pixel"),
    }
    path = tmp_path / "alignment.zarr"
    store.write_group(path, layers, tilt_deg=TILT_DEG, pixel_nm=0.8, map_shape=[4, 8])
    return path


def test_the_geometry_holds_what_the_store_holds(alignment):
    geometry = read_geometry(alignment, TILT_DEG, (4, 8))
    axes = ("tilt", "axis")
    shift_px = store.read_layer(alignment, "shift_px", axes=axes, units="pixel")
    rotation_deg = store.read_layer(alignment, "rotation_deg", axes=("tilt",), units="deg")
    assert (geometry.n_y, geometry.n_x) == (4, 8)
    assert np.array_equal(geometry.tilt_deg, TILT_DEG)
    assert np.array_equal(geometry.shift_px, shift_px)
    assert np.array_equal(geometry.rotation_deg, rotation_deg)


def test_tilts_that_are_off_are_corrected(alignment):
    off_deg = np.array([0.5, -1.0, 0.25])
    layers = {
        "rotation_deg": store.Layer(np.zeros(3), ("tilt",), "deg"),
        "shift_px": store.Layer(np.zeros((3, 2)), ("tilt", "axis"), "pixel"),
        "tilt_off_deg": store.Layer(off_deg, ("tilt",), "deg"),
    }
    store.write_group(alignment, layers, tilt_deg=TILT_DEG, map_shape=[4, 8])
    assert read_geometry(alignment, TILT_DEG, (4, 8)).tilt_deg == pytest.approx([-39.5, 4.0, 30.25])


@pytest.mark.parametrize(
    ("tilt_deg", "map_shape"),
    [([-40.0, 5.0], (4, 8)), (TILT_DEG[::-1], (4, 8)), (TILT_DEG, (8, 4))],
)
def test_the_alignment_of_another_series_is_refused(alignment, tilt_deg, map_shape):
    with pytest.raises(ValueError, match=r"alignment\.zarr: expected the alignment of"):
        read_geometry(alignment, tilt_deg, map_shape)


def test_weights_are_read_as_stored_and_are_ones_where_there_are_none(alignment, rng):
    assert np.array_equal(read_weights(alignment), np.ones((3, 4, 8), np.float32))
    weight = rng.random((3, 4, 8)).astype(np.float32)
    layers = {"weight": store.Layer(weight, ("tilt", "y", "x"), "1")}
    store.write_group(alignment, layers, tilt_deg=TILT_DEG, map_shape=[4, 8])
    assert np.array_equal(read_weights(alignment), weight)
