import numpy as np
import pytest

from stemedx import store
from stemedx.guides import read_guides

SHAPE = (3, 20, 30)


@pytest.fixture
def write(tmp_path):
    def write(name, images):
        layers = {name: store.Layer(images, ("tilt", "y", "x"), "arb. unit")}
        store.write_group(tmp_path / "series.zarr", layers)
        return tmp_path / "series.zarr"

    return write


def test_haadf_has_vacuum_at_zero_and_its_specimen_at_one(write, rng):
    images = np.full(SHAPE, 40.0, np.float32)
    images[:, 5:14, 8:19] += np.array([300.0, 700.0, 90.0])[:, None, None]
    guides = read_guides(write("haadf", images), SHAPE)
    expected = np.zeros((1, *SHAPE), np.float32)
    expected[..., 5:14, 8:19] = 1
    np.testing.assert_allclose(guides, expected, atol=1e-5)
    assert guides.dtype == np.float32


def test_images_without_any_specimen_are_no_trouble(write):
    assert not read_guides(write("haadf", np.full(SHAPE, 7.0, np.float32)), SHAPE).any()


def test_there_may_be_no_guide(write):
    assert read_guides(None, SHAPE).shape == (0, *SHAPE)
    assert read_guides(write("maps", np.ones(SHAPE, np.float32)), SHAPE).shape == (0, *SHAPE)


def test_haadf_of_another_extent_is_refused(write):
    path = write("haadf", np.ones(SHAPE, np.float32))
    with pytest.raises(
        ValueError, match=r"HAADF of the shape of the maps, \(3, 9, 8\), found \(3,"
    ):
        read_guides(path, (3, 9, 8))
