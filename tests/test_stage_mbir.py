import numpy as np
import pytest

from stemedx import store
from stemedx.params import MbirParams
from stemedx.project.projector import project
from stemedx.stages import mbir

PIXEL_NM = 0.8
TILT_DEG = np.array([-60.0, -30.0, -5.0, 20.0, 45.0])
# A specimen of five voxels casts less than the weight of the paper expects.
PARAMS = MbirParams(n_outer=6, n_inner=6, penalty=10.0)


@pytest.fixture
def truth():
    """Two elements, off centre, expected counts per voxel; the second is empty."""
    volumes = np.zeros((2, 14, 5, 14), np.float32)
    volumes[0, 3:8, 1:4, 7:12] = 0.04
    return volumes


@pytest.fixture
def stores(tmp_path, truth):
    """Denoised maps seen two columns to the right, and the alignment that says so."""
    maps = np.roll(project(truth, TILT_DEG), 2, axis=-1)
    shared = {"tilt_deg": TILT_DEG.tolist(), "pixel_nm": PIXEL_NM}
    axes = ("element", "tilt", "y", "x")
    denoised, alignment = tmp_path / "denoised.zarr", tmp_path / "alignment.zarr"
    store.write(denoised, maps, axes=axes, units="count", elements=["Se", "S"], **shared)
    layers = {
        "rotation_deg": store.Layer(np.zeros(5), ("tilt",), "deg"),
        "shift_px": store.Layer(np.tile([0.0, -2.0], (5, 1)), ("tilt", "axis"), "pixel"),
    }
    store.write_group(alignment, layers, map_shape=[5, 14], **shared)
    return {"denoised": denoised, "alignment": alignment, "volume": tmp_path / "mbir.ome.zarr"}


def test_volumes_are_photons_per_nm_in_the_aligned_frame(stores, truth):
    mbir.run(PARAMS, **stores)
    volumes, attrs = store.read_volumes(stores["volume"])
    inside = truth[0] > 0
    # the l1 norm and the wedge take a part of the density
    assert volumes[0][inside].mean() == pytest.approx(0.04 / PIXEL_NM, rel=0.25)
    assert np.corrcoef(volumes[0].ravel(), truth[0].ravel())[0, 1] > 0.9
    assert volumes.min() >= 0
    assert (attrs["units"], attrs["method"]) == ("count/nm", "mbir")
    assert (attrs["elements"], attrs["pixel_nm"]) == (["Se", "S"], PIXEL_NM)
    assert attrs["tilt_deg"] == TILT_DEG.tolist()
    assert attrs["made_by"]["parameters"]["n_outer"] == 6


def test_an_element_without_photons_is_zero(stores):
    mbir.run(PARAMS, **stores)
    volumes, _ = store.read_volumes(stores["volume"])
    assert not volumes[1].any()


def test_same_code_same_numbers(stores):
    """If this fails and it should: the numbers of users change; say so in the changelog."""
    mbir.run(PARAMS, **stores)
    volumes, _ = store.read_volumes(stores["volume"])
    assert volumes.std(dtype=np.float64) == pytest.approx(0.0078728029, rel=1e-4)  # float32


def test_the_alignment_of_another_series_is_refused(stores):
    store.write_group(stores["alignment"], {}, map_shape=[5, 14], tilt_deg=[0.0])
    with pytest.raises(ValueError, match="Run the stage align again"):
        mbir.run(PARAMS, **stores)
