import numpy as np
import pytest
import torch

from stemedx import store
from stemedx.learn.training import seeded
from stemedx.learn.weights import write_weights
from stemedx.networks.enhancer import Enhancer
from stemedx.params import EnhanceParams
from stemedx.project.projector import project
from stemedx.stages import enhance

PIXEL_NM = 0.8
PARAMS = EnhanceParams(step_deg=10)
AXES = ("element", "tilt", "y", "x")
ARCHITECTURE = {
    "method": "residual",
    "network": "enhancer",
    "elements": ["Se", "S"],
    "base_channels": 4,
    "n_levels": 2,
    "crop_px": 64,
}


def write_network(path, last_weight):
    with seeded(2):
        network = Enhancer(2, base_channels=4, n_levels=2)
    torch.nn.init.constant_(network.unet.last.weight, last_weight)
    write_weights(path, network, ARCHITECTURE, {"stage": "train_enhancer"})


@pytest.fixture
def truth():
    volumes = np.zeros((2, 14, 5, 14), np.float32)
    volumes[0, 3:8, 1:4, 7:12] = 0.04
    volumes[1, 9:11, 0:3, 2:6] = 0.5
    return volumes


@pytest.fixture
def files(tmp_path, truth):
    files = {
        "volume": tmp_path / "mbir.ome.zarr",
        "weights": tmp_path / "enhancer.safetensors",
        "projections": tmp_path / "projections_360.zarr",
    }
    store.write_volumes(
        files["volume"],
        truth / PIXEL_NM,
        elements=["Se", "S"],
        pixel_nm=PIXEL_NM,
        units="intensity/nm",
    )
    write_network(files["weights"], 0.0)
    return files


def read(files, name):
    return store.read_layer(files["projections"], name, axes=AXES, units="intensity")


def test_views_of_the_full_circle_are_projections_of_the_volume(files, truth):
    enhance.run(PARAMS, device="cpu", **files)
    views = read(files, "projected")
    assert views.dtype == np.float32
    # those from behind too, which are mirrored and not projected: float32 sums of 14 voxels
    np.testing.assert_allclose(views, project(truth, np.arange(0.0, 360, 10)), atol=1e-5)
    attrs = store.read_attrs(files["projections"])
    assert attrs["tilt_deg"] == [*np.arange(0.0, 360, 10)]
    assert (attrs["elements"], attrs["pixel_nm"]) == (["Se", "S"], PIXEL_NM)
    assert attrs["made_by"]["parameters"] == {"step_deg": 10}
    assert set(attrs["made_by"]["inputs"]) == {"volume", "weights"}


def test_an_untrained_network_changes_nothing(files):
    enhance.run(PARAMS, device="cpu", **files)
    assert np.array_equal(read(files, "enhanced"), read(files, "projected"))


def test_enhanced_views_are_not_negative_and_exactly_mirrored_behind(files):
    write_network(files["weights"], -0.3)
    enhance.run(PARAMS, device="cpu", **files)
    enhanced = read(files, "enhanced")
    assert not np.allclose(enhanced, read(files, "projected"))
    assert enhanced.min() >= 0
    assert np.array_equal(enhanced[:, 18:], enhanced[:, :18, :, ::-1])


def test_weights_of_another_network_are_refused(files):
    architecture = {**ARCHITECTURE, "network": "denoiser"}
    write_weights(files["weights"], Enhancer(2, 4, 2), architecture, {})
    with pytest.raises(ValueError, match=r"enhancer of Se, S, found the denoiser of Se, S\."):
        enhance.run(PARAMS, device="cpu", **files)
    assert not files["projections"].exists()


def test_a_step_that_does_not_divide_half_a_circle_is_refused():
    with pytest.raises(ValueError, match="must divide 180"):
        EnhanceParams(step_deg=7)
