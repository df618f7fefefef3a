import logging

import numpy as np
import pytest
import torch

from stemedx import store
from stemedx.learn.end_to_end import make_network
from stemedx.learn.weights import write_weights
from stemedx.params import EndToEndParams, TrainEndToEndParams
from stemedx.project.projector import project
from stemedx.stages import end_to_end

PIXEL_NM = 0.8
TILT_DEG = [-60.0, -30.0, 0.0, 30.0, 60.0]
AXES = ("element", "tilt", "y", "x")


def write_network(path, elements=("Se", "S"), tilt_deg=TILT_DEG):
    """Write a network that changes nothing."""
    params = TrainEndToEndParams(base_channels=4, patch_px=16)
    network = make_network(len(elements), params, torch.device("cpu"))
    torch.nn.init.zeros_(network.last.weight)
    torch.nn.init.zeros_(network.last.bias)
    known = [{"specimen": "other", "tilt_deg": tilt_deg, "pixel_nm": PIXEL_NM}]
    architecture = {"network": "end_to_end", "elements": list(elements), "base_channels": 4}
    write_weights(path, network, {**architecture, "patch_px": 16, "trained_on": known}, {})


@pytest.fixture
def truth():
    volumes = np.zeros((2, 18, 9, 18), np.float32)
    volumes[0, 4:11, 2:7, 8:14] = 0.04
    return volumes


@pytest.fixture
def files(tmp_path, truth):
    """Maps seen two columns to the right, the alignment that says so, and weights."""
    maps = np.roll(project(truth, np.array(TILT_DEG)), 2, axis=-1)
    shared = {"tilt_deg": TILT_DEG, "pixel_nm": PIXEL_NM}
    files = {name: tmp_path / f"{name}.zarr" for name in ("denoised", "alignment", "volume")}
    files["weights"] = tmp_path / "end_to_end.safetensors"
    store.write(files["denoised"], maps, axes=AXES, units="count", elements=["Se", "S"], **shared)
    layers = {
        "rotation_deg": store.Layer(np.zeros(5), ("tilt",), "deg"),
        "shift_px": store.Layer(np.tile([0.0, -2.0], (5, 1)), ("tilt", "axis"), "pixel"),
    }
    store.write_group(files["alignment"], layers, map_shape=[9, 18], **shared)
    write_network(files["weights"])
    return files


def test_a_network_that_changes_nothing_leaves_the_fbp_of_the_aligned_maps(files, truth):
    end_to_end.run(EndToEndParams(), device="cpu", **files)
    volumes, attrs = store.read_volumes(files["volume"])
    assert attrs["units"] == "count/nm" and attrs["method"] == "end_to_end"
    assert attrs["made_by"]["trained_on"] == ["other"]
    assert attrs["made_by"]["warnings"] == []
    assert volumes.min() >= 0 and not volumes[1].any()
    z, _, x = np.meshgrid(*map(np.arange, volumes.shape[1:]), indexing="ij")
    for axis, middle in ((z, 7.0), (x, 10.5)):  # centres of the truth
        # streaks of the five tilts are cut off by the edge: the bright part only
        bright = np.where(volumes[0] > volumes[0].max() / 2, volumes[0], 0)
        assert (axis * bright).sum() / bright.sum() == pytest.approx(middle, abs=0.3)
    # the tilts stand for 150 of 180 degrees, and the window of the ramp blurs
    assert volumes[0][truth[0] > 0].mean() * PIXEL_NM == pytest.approx(0.04 * 150 / 180, rel=0.1)


def test_the_network_is_applied(files):
    end_to_end.run(EndToEndParams(), device="cpu", **files)
    before, _ = store.read_volumes(files["volume"])
    params = TrainEndToEndParams(base_channels=4, patch_px=16)
    known = [{"specimen": "other", "tilt_deg": TILT_DEG, "pixel_nm": PIXEL_NM}]
    architecture = {"network": "end_to_end", "elements": ["Se", "S"], "base_channels": 4}
    network = make_network(2, params, torch.device("cpu"))
    write_weights(
        files["weights"], network, {**architecture, "patch_px": 16, "trained_on": known}, {}
    )
    end_to_end.run(EndToEndParams(), device="cpu", **files)
    assert not np.allclose(store.read_volumes(files["volume"])[0], before)


def test_other_tilts_than_were_learned_from_are_told(files, caplog):
    write_network(files["weights"], tilt_deg=[-10.0, 0.0])
    with caplog.at_level(logging.WARNING):
        end_to_end.run(EndToEndParams(), device="cpu", **files)
    assert "it has 5 tilts, those it was trained on 2" in caplog.text
    origin = store.read_attrs(files["volume"])["made_by"]
    assert origin["warnings"] == ["it has 5 tilts, those it was trained on 2"]


def test_weights_of_other_elements_are_refused(files):
    write_network(files["weights"], ("Se", "Zn"))
    with pytest.raises(ValueError, match="expected weights of the end_to_end of Se, S, found"):
        end_to_end.run(EndToEndParams(), device="cpu", **files)
    assert not files["volume"].exists()
