import json

import numpy as np
import pytest
import safetensors

from stemedx import store, tables
from stemedx.params import TrainEnhancerParams
from stemedx.project.projector import project
from stemedx.stages import train_enhancer

PIXEL_NM = 0.8
TILT_DEG = [-50.0, -10.0, 35.0]
PARAMS = TrainEnhancerParams(n_epochs=6, batch=2, base_channels=4, n_levels=2, crop_px=16)
AXES = ("element", "tilt", "y", "x")


@pytest.fixture
def truth():
    """Two elements, off centre, expected counts per voxel; the second is empty."""
    volumes = np.zeros((2, 14, 7, 14), np.float32)
    volumes[0, 3:8, 1:4, 7:12] = 0.04
    return volumes


@pytest.fixture
def files(tmp_path, truth):
    """Maps seen two columns to the right, and the alignment that says so."""
    maps = np.roll(project(truth, np.array(TILT_DEG)), 2, axis=-1)
    shared = {"tilt_deg": TILT_DEG, "pixel_nm": PIXEL_NM}
    files = {name: tmp_path / f"{name}.zarr" for name in ("denoised", "volume", "alignment")} | {
        "checkpoint": tmp_path / "checkpoints/one.safetensors",
        "weights": tmp_path / "enhancer.safetensors",
        "losses": tmp_path / "enhancer.csv",
    }
    store.write(files["denoised"], maps, axes=AXES, units="count", elements=["Se", "S"], **shared)
    units = "count/nm"
    store.write_volumes(
        files["volume"], truth / PIXEL_NM, elements=["Se", "S"], units=units, **shared
    )
    layers = {
        "rotation_deg": store.Layer(np.zeros(3), ("tilt",), "deg"),
        "shift_px": store.Layer(np.tile([0.0, -2.0], (3, 1)), ("tilt", "axis"), "pixel"),
    }
    store.write_group(files["alignment"], layers, map_shape=[7, 14], **shared)
    return files


def test_weights_and_losses_say_what_they_are(files):
    train_enhancer.run(PARAMS, device="cpu", **files)
    with safetensors.safe_open(files["weights"], "pt") as stored:
        told = json.loads(stored.metadata()["stemedx"])
    assert told["architecture"] == {
        "network": "enhancer",
        "elements": ["Se", "S"],
        "base_channels": 4,
        "n_levels": 2,
        "crop_px": 16,
        "method": "residual",
    }
    assert told["made_by"]["parameters"]["weight_decay"] == 1e-4
    assert set(told["made_by"]["inputs"]) == {"denoised", "volume", "alignment"}
    table = tables.read(files["losses"], ("step", "loss"))
    assert table["step"].tolist() == [*range(1, 10)]  # 6 x 3 maps, two at a time
    assert table.notna().all(axis=None)


def test_the_maps_are_compared_in_the_aligned_frame_and_in_the_same_unit(files):
    """The volume is the truth: before it has learned anything, the network is right."""
    train_enhancer.run(PARAMS, device="cpu", **files)
    first = tables.read(files["losses"], ("loss",))["loss"].iloc[0]
    assert first < 1e-9  # squares of float32 rounding; one column off gives 0.03


def test_a_volume_of_other_elements_is_refused(files, truth):
    store.write_volumes(
        files["volume"], truth, elements=["Se", "Zn"], pixel_nm=PIXEL_NM, units="count/nm"
    )
    with pytest.raises(ValueError, match=r"expected volumes of \['Se', 'S'\] .* found \['Se', 'Zn"):
        train_enhancer.run(PARAMS, device="cpu", **files)
    assert not files["weights"].exists()


def test_the_alignment_of_another_series_is_refused(files):
    store.write_group(files["alignment"], {}, map_shape=[7, 14], tilt_deg=[0.0])
    with pytest.raises(ValueError, match="Run the stage align again"):
        train_enhancer.run(PARAMS, device="cpu", **files)
