import json

import numpy as np
import pytest
import safetensors

from stemedx import store, tables
from stemedx.params import TrainKernelParams
from stemedx.stages import train_kernel

SMALL = {"n_drawn": 3, "n_bootstraps": 4, "base_channels": 2, "n_epochs": 2, "batch": 2}
PARAMS = TrainKernelParams(**SMALL, crop_px=16, n_aggregation_epochs=3)
AXES = ("element", "frame", "y", "x")


@pytest.fixture
def files(tmp_path, rng):
    """Five frames on a wider field; one of them has not seen its last row."""
    maps = rng.poisson(0.4, size=(2, 5, 21, 34)).astype(np.uint8)
    scanned = np.ones((5, 21, 34), np.uint8)
    scanned[2, -1] = 0
    layers = {
        "maps": store.Layer(maps, AXES, "count"),
        "scanned": store.Layer(scanned, AXES[1:], "1"),
    }
    store.write_group(tmp_path / "drift.zarr", layers, lines=["Se_La", "S"], pixel_nm=0.8)
    return {
        "drift": tmp_path / "drift.zarr",
        "weights": tmp_path / "kernel.safetensors",
        "losses": tmp_path / "kernel.csv",
        "checkpoint": tmp_path / "checkpoints" / "kernel.safetensors",
    }


def told(files):
    with safetensors.safe_open(files["weights"], "pt") as stored:
        return json.loads(stored.metadata()["stemedx"])


def test_weights_tell_elements_frames_and_label(files):
    train_kernel.run(PARAMS, device="cpu", **files)
    found = told(files)["architecture"]
    drawn = found.pop("drawn")
    assert found == {
        "network": "kernel",
        "elements": ["Se", "S"],
        "base_channels": 2,
        "n_channels": [1, 2],  # S is helped by Se
        "label": "other_frames",
    }
    assert len(drawn) == 4 and all(len(one) == 3 for one in drawn)
    assert told(files)["made_by"]["parameters"]["label"] == "other_frames"


def test_losses_of_every_network_are_told(files):
    train_kernel.run(PARAMS, device="cpu", **files)
    table = tables.read(files["losses"], ("step",))
    names = {"loss of Se", "loss of S", "loss of Se, aggregation", "loss of S, aggregation"}
    assert set(table) == {"step", *names}
    assert table["loss of S"].dropna().index.size == 4  # 2 epochs of 4 bootstraps, two at a time
    assert table["loss of S, aggregation"].dropna().index.size == 3


def test_the_published_label_gives_other_weights(files):
    train_kernel.run(PARAMS, device="cpu", **files)
    before = files["weights"].read_bytes()[-4000:]
    train_kernel.run(PARAMS, device="cpu", **files)
    assert files["weights"].read_bytes()[-4000:] == before  # the same seed
    published = PARAMS.model_copy(update={"label": "all_frames"})
    train_kernel.run(published, device="cpu", **files)
    assert files["weights"].read_bytes()[-4000:] != before


def test_too_few_frames_are_refused(files):
    with pytest.raises(ValueError, match="more than 8 frames .* found 5"):
        train_kernel.run(PARAMS.model_copy(update={"n_drawn": 8}), device="cpu", **files)
    assert not files["weights"].exists()
