"""Every training that was killed goes on to the same weights, bit for bit."""

import numpy as np
import pytest

from stemedx import store
from stemedx.learn import checkpoints, training
from stemedx.params import (
    TrainDenoiserParams,
    TrainEndToEndParams,
    TrainEnhancerParams,
    TrainKernelParams,
)
from stemedx.project.projector import project
from stemedx.stages import train_denoiser, train_end_to_end, train_enhancer, train_kernel

AXES = ("element", "tilt", "y", "x")
FRAME_AXES = ("element", "frame", "y", "x")
ATTRS = {"tilt_deg": [-40.0, 0.0, 40.0], "pixel_nm": 0.8, "elements": ["Se", "S"]}
COMPACT = {"base_channels": 4, "n_levels": 2, "crop_px": 16, "batch": 2, "n_epochs": 8}
PAPER = COMPACT | {"method": "paper", "n_levels": 3}
KERNEL = TrainKernelParams(
    n_drawn=3, n_bootstraps=4, base_channels=2, n_epochs=2, batch=2, crop_px=16,
    n_aggregation_epochs=6, aggregation_learning_rate=3e-3,
)  # fmt: skip
DENOISER = (train_denoiser.run, ("element_maps",))
ENHANCER = (train_enhancer.run, ("denoised", "volume", "alignment"))
TRAININGS = {
    "kernel": (train_kernel.run, ("drift",), KERNEL),
    "denoiser": (*DENOISER, TrainDenoiserParams(**COMPACT, min_updates=8)),
    "paper denoiser": (*DENOISER, TrainDenoiserParams(**PAPER)),
    "enhancer": (*ENHANCER, TrainEnhancerParams(**COMPACT)),
    "paper enhancer": (*ENHANCER, TrainEnhancerParams(**PAPER)),
    "end to end": (
        train_end_to_end.run,
        ("denoised", "alignments", "volumes"),
        TrainEndToEndParams(
            specimens=("a", "b"), held_out=("c",), base_channels=4, patch_px=16, n_epochs=12
        ),
    ),
}


class KilledError(Exception):
    pass


@pytest.fixture
def inputs(tmp_path, rng):
    """Write what all trainings read: frames, counts, denoised maps and a volume."""
    names = ("drift", "element_maps", "denoised", "volume", "alignment")
    paths = {name: tmp_path / f"{name}.zarr" for name in names}
    frames = rng.poisson(0.4, (2, 5, 17, 19)).astype(np.uint8)
    layers = {
        "maps": store.Layer(frames, FRAME_AXES, "count"),
        "scanned": store.Layer(np.ones(frames.shape[1:], np.uint8), FRAME_AXES[1:], "1"),
    }
    store.write_group(paths["drift"], layers, lines=["Se_La", "S"], pixel_nm=0.8)
    counts = rng.poisson(0.5, (2, 3, 18, 18)).astype(np.uint8)
    more = {"signal": "counts", "variance_to_mean": [1.0, 1.0]}
    store.write(paths["element_maps"], counts, axes=AXES, units="count", **ATTRS, **more)
    truth = rng.random((2, 18, 18, 18), np.float32)
    maps = project(truth, np.array(ATTRS["tilt_deg"]))
    store.write(paths["denoised"], maps, axes=AXES, units="count", **ATTRS)
    volumes = [paths["volume"], tmp_path / "b.zarr", tmp_path / "c.zarr"]
    for n, path in enumerate(volumes):
        store.write_volumes(path, truth ** (n + 1), units="count/nm", **ATTRS)
    layers = {
        "rotation_deg": store.Layer(np.zeros(3), ("tilt",), "deg"),
        "shift_px": store.Layer(np.zeros((3, 2)), ("tilt", "axis"), "pixel"),
    }
    store.write_group(paths["alignment"], layers, map_shape=[18, 18], **ATTRS)
    return paths | {"volumes": volumes, "alignments": [paths["alignment"]] * 3}


@pytest.fixture
def updates(monkeypatch):
    """Count updates, and kill the training at one of them."""
    monkeypatch.setattr(checkpoints, "SECONDS_BETWEEN", 0.0)
    original, counted = training._update, {"done": 0, "killed_at": -1}

    def update(*args):
        if counted["done"] == counted["killed_at"]:
            raise KilledError
        counted["done"] += 1
        return original(*args)

    monkeypatch.setattr(training, "_update", update)
    return counted


@pytest.mark.parametrize("name", TRAININGS)
def test_the_weights_are_those_of_an_uninterrupted_training(name, inputs, tmp_path, updates, rng):
    run, reads, params = TRAININGS[name]
    chosen = {key: inputs[key] for key in reads}
    if name == "end to end":
        chosen["denoised"] = [inputs["denoised"]] * 3
    if name == "paper denoiser":
        chosen["kernel_params"] = KERNEL

    def trained(folder):
        out = {key: tmp_path / folder / key for key in ("weights", "losses")}
        kept = tmp_path / folder / "checkpoints" / "some.safetensors"
        run(params, device="cpu", checkpoint=kept, **chosen, **out)
        assert not kept.parent.exists()
        return out["weights"].read_bytes(), out["losses"].read_bytes()

    whole = trained("whole")
    n_updates, updates["done"] = updates["done"], 0
    updates["killed_at"] = int(rng.integers(1, n_updates))
    with pytest.raises(KilledError):
        trained("killed")
    updates["killed_at"] = -1
    assert trained("killed") == whole
    assert updates["done"] == n_updates  # none was done twice
