import json
import logging

import numpy as np
import pytest
import safetensors

from stemedx import store, tables
from stemedx.params import TrainEndToEndParams
from stemedx.project.projector import project
from stemedx.stages import train_end_to_end

PIXEL_NM = 0.8
TILT_DEG = [-50.0, -10.0, 35.0]
SMALL = {"base_channels": 4, "patch_px": 16, "n_epochs": 3}
AXES = ("element", "tilt", "y", "x")
STORES = {"denoised": "denoised", "alignments": "alignment", "volumes": "volume"}


def write_specimen(folder, elements, corner):
    """Write maps seen two columns to the right, the alignment, and the volume."""
    truth = np.zeros((2, 16, 8, 16), np.float32)
    truth[0, corner : corner + 5, 1:5, 7:12] = 0.04
    maps = np.roll(project(truth, np.array(TILT_DEG)), 2, axis=-1)
    shared = {"tilt_deg": TILT_DEG, "pixel_nm": PIXEL_NM}
    paths = {key: folder / f"{name}.zarr" for key, name in STORES.items()}
    store.write(paths["denoised"], maps, axes=AXES, units="count", elements=elements, **shared)
    units = "count/nm"
    store.write_volumes(
        paths["volumes"], truth / PIXEL_NM, elements=elements, units=units, **shared
    )
    layers = {
        "rotation_deg": store.Layer(np.zeros(3), ("tilt",), "deg"),
        "shift_px": store.Layer(np.tile([0.0, -2.0], (3, 1)), ("tilt", "axis"), "pixel"),
    }
    store.write_group(paths["alignments"], layers, map_shape=[8, 16], **shared)
    return paths


@pytest.fixture
def files(tmp_path):
    specimens = [write_specimen(tmp_path / name, ["Se", "S"], n) for n, name in enumerate("abc", 3)]
    out = {"weights": tmp_path / "end_to_end.safetensors", "losses": tmp_path / "end_to_end.csv"}
    out["checkpoint"] = tmp_path / "checkpoints" / "end_to_end.safetensors"
    return {key: [paths[key] for paths in specimens] for key in STORES} | out


def test_weights_tell_what_they_were_trained_on_and_what_they_never_saw(files):
    params = TrainEndToEndParams(specimens=("a", "b"), held_out=("c",), **SMALL)
    train_end_to_end.run(params, device="cpu", **files)
    with safetensors.safe_open(files["weights"], "pt") as stored:
        told = json.loads(stored.metadata()["stemedx"])
    known = {"tilt_deg": TILT_DEG, "pixel_nm": PIXEL_NM}
    assert told["architecture"] == {
        "network": "end_to_end",
        "elements": ["Se", "S"],
        "base_channels": 4,
        "patch_px": 16,
        "trained_on": [{"specimen": "a", **known}, {"specimen": "b", **known}],
    }
    assert told["made_by"]["parameters"]["held_out"] == ["c"]
    assert set(told["made_by"]["inputs"]) == {"a", "b", "c"}
    table = tables.read(files["losses"], ("step", "loss", "held_out_loss"))
    assert table["step"].iloc[-1] == 6  # 3 epochs of two specimens
    assert table.notna().all(axis=None)


def test_what_is_held_out_is_not_learned_from(files, tmp_path):
    params = TrainEndToEndParams(specimens=("a", "b"), held_out=("c",), **SMALL)
    train_end_to_end.run(params, device="cpu", **files)
    before = files["weights"].read_bytes(), files["losses"].read_text()
    write_specimen(tmp_path / "c", ["Se", "S"], 9)
    train_end_to_end.run(params, device="cpu", **files)
    tensors = [content[content.index(b"}}", 0) :][-20000:] for content in
               (before[0], files["weights"].read_bytes())]  # fmt: skip
    assert tensors[0] == tensors[1]
    assert before[1] != files["losses"].read_text()  # the loss on c is another


def test_without_a_held_out_specimen_that_is_said(files, caplog):
    params = TrainEndToEndParams(specimens=("a", "b", "c"), **SMALL)
    with caplog.at_level(logging.WARNING):
        train_end_to_end.run(params, device="cpu", **files)
    assert "no specimen is held out" in caplog.text
    assert "held_out_loss" not in tables.read(files["losses"], ("step",))


def test_a_specimen_of_other_elements_is_refused(files, tmp_path):
    write_specimen(tmp_path / "b", ["S", "Se"], 4)
    params = TrainEndToEndParams(specimens=("a", "b", "c"), **SMALL)
    with pytest.raises(
        ValueError, match=r"expected the elements \['Se', 'S'\] .* found \['S', 'Se"
    ):
        train_end_to_end.run(params, device="cpu", **files)
    assert not files["weights"].exists()
