"""The published Q^D and Q^S in their stages, on networks small enough for a test."""

import json
import logging

import numpy as np
import pytest
import safetensors

from stemedx import store, tables
from stemedx.params import (
    DenoiseParams,
    EnhanceParams,
    TrainDenoiserParams,
    TrainEnhancerParams,
    TrainKernelParams,
)
from stemedx.project.projector import project
from stemedx.stages import denoise, enhance, train_denoiser, train_enhancer

AXES = ("element", "tilt", "y", "x")
ATTRS = {"tilt_deg": [-40.0, 0.0, 40.0], "pixel_nm": 0.8, "elements": ["Se", "S"]}
SMALL = {"method": "paper", "base_channels": 4, "n_levels": 3, "crop_px": 16, "batch": 2}
KERNEL = {"base_channels": 2, "n_epochs": 1, "n_bootstraps": 3, "crop_px": 16}
KERNEL |= {"n_aggregation_epochs": 20, "aggregation_learning_rate": 3e-3}


@pytest.fixture
def files(tmp_path, rng):
    """Hits of a series, and a map with frames whose second element is brighter."""
    files = {name: tmp_path / f"{name}.zarr" for name in ("element_maps", "kernel", "denoised")}
    hits = (rng.random((2, 3, 18, 21)) < 0.2).astype(np.uint8)
    more = {"signal": "hits", "variance_to_mean": [1.0, 1.0]}
    store.write(files["element_maps"], hits, axes=AXES, units="count", **ATTRS, **more)
    layers = {
        "counts": store.Layer(
            (rng.random((2, 7, 20, 17)) < 0.1).astype(np.uint8),
            ("element", "frame", "y", "x"),
            "count",
        ),
        "rates": store.Layer(
            rng.random((2, 20, 17), np.float32) * np.array([[[0.1]], [[0.4]]], np.float32),
            ("element", "y", "x"),
            "count",
        ),
    }
    store.write_group(files["kernel"], layers, elements=["Se", "S"], pixel_nm=0.8)
    return files | {"weights": tmp_path / "q.safetensors", "losses": tmp_path / "q.csv"}


def train(files, *names, **more):
    chosen = {name: files[name] for name in ("weights", "losses", *names)}
    kept = files["weights"].with_name("kept.safetensors")
    kernel_params = TrainKernelParams(**KERNEL)
    train_denoiser.run(
        TrainDenoiserParams(**SMALL, n_epochs=2, **more),
        device="cpu", checkpoint=kept, kernel_params=kernel_params, **chosen,
    )  # fmt: skip
    with safetensors.safe_open(files["weights"], "pt") as stored:
        return json.loads(stored.metadata()["stemedx"])


def test_a_network_of_the_batch_learns_from_kernels(files):
    files["kernels"] = [files["kernel"]]
    told = train(files, "kernels", specimens=("flat",))
    assert told["architecture"]["method"] == "paper"
    assert told["architecture"]["specimens"] == ["flat"]
    # five frames hold five times the rate of one
    assert told["architecture"]["units"] == pytest.approx([0.5, 2.0], rel=0.02)
    assert set(told["made_by"]["inputs"]) == {f"kernel {files['kernel'].parent.name}"}
    assert tables.read(files["losses"], ("step", "loss"))["step"].iloc[-1] == 3  # 2 x 3 sums


def test_rates_keep_the_photons_of_each_map_and_tell_their_network(files):
    files["kernels"] = [files["kernel"]]
    train(files, "kernels", specimens=("flat",))
    names = ("element_maps", "weights", "denoised")
    denoise.run(
        DenoiseParams(), device="cpu", tilt_series=None, **{name: files[name] for name in names}
    )
    rates, attrs = store.read(files["denoised"], axes=AXES, units="count")
    hits, _ = store.read(files["element_maps"], axes=AXES, units="count")
    np.testing.assert_allclose(rates.sum((2, 3)), hits.sum((2, 3)), rtol=1e-4)
    assert rates.min() >= 0 and rates.std() > 0
    assert attrs["made_by"]["method"] == "paper"
    assert attrs["made_by"]["learned_from"] == ["flat"]


def test_without_maps_with_frames_it_learns_from_its_own_photons_and_says_so(files, caplog):
    with caplog.at_level(logging.WARNING):
        told = train(files, "element_maps")
    assert "kernels of the specimen's own photons" in caplog.text
    assert told["architecture"]["specimens"] == []
    assert set(told["made_by"]["inputs"]) == {"element_maps"}
    assert tables.read(files["losses"], ("step",))["step"].iloc[-1] == 3  # 2 x 3 tilts


def test_kernels_of_other_elements_are_refused(files, tmp_path):
    other = tmp_path / "other/kernel.zarr"
    store.write_group(other, {}, elements=["S", "Se"], pixel_nm=0.8)
    files["kernels"] = [files["kernel"], other]
    with pytest.raises(
        ValueError, match=r"expected the elements \['Se', 'S'\] .* found \['S', 'Se"
    ):
        train(files, "kernels", specimens=("flat", "other"))


def test_frames_are_learned_from_where_a_map_has_them(files, tmp_path, rng):
    axes = ("element", "frame", "y", "x")
    frames = (rng.random((2, 7, 18, 21)) < 0.1).astype(np.uint8)
    layers = {
        "maps": store.Layer(frames, axes, "count"),
        "scanned": store.Layer(np.ones(frames.shape[1:], np.uint8), axes[1:], "1"),
    }
    drift = tmp_path / "drift.zarr"
    store.write_group(drift, layers, lines=["Se_La", "S"], pixel_nm=0.8)
    compact = {**SMALL, "method": "frames", "n_levels": 2}
    params = TrainDenoiserParams(**compact, n_epochs=2, min_updates=4)
    named = {name: files[name] for name in ("element_maps", "weights", "losses")}
    train_denoiser.run(
        params, device="cpu", checkpoint=tmp_path / "kept.safetensors", drift=drift, **named
    )
    with safetensors.safe_open(files["weights"], "pt") as stored:
        told = json.loads(stored.metadata()["stemedx"])
    assert told["architecture"]["method"] == "frames"
    assert set(told["made_by"]["inputs"]) == {"element_maps", "drift"}
    assert tables.read(files["losses"], ("step", "loss", "held_out_loss")).notna().all(axis=None)
    names = ("element_maps", "weights", "denoised")
    denoise.run(
        DenoiseParams(), device="cpu", tilt_series=None, **{name: files[name] for name in names}
    )
    assert store.read_attrs(files["denoised"])["made_by"]["method"] == "frames"


@pytest.fixture
def enhancing(tmp_path):
    truth = np.zeros((2, 18, 18, 18), np.float32)
    truth[0, 3:8, 4:13, 7:12] = 0.04
    files = {name: tmp_path / f"{name}.zarr" for name in ("denoised", "volume", "alignment")}
    maps = project(truth, np.array(ATTRS["tilt_deg"]))
    store.write(files["denoised"], maps, axes=AXES, units="count", **ATTRS)
    store.write_volumes(files["volume"], truth / 0.8, units="count/nm", **ATTRS)
    layers = {
        "rotation_deg": store.Layer(np.zeros(3), ("tilt",), "deg"),
        "shift_px": store.Layer(np.zeros((3, 2)), ("tilt", "axis"), "pixel"),
    }
    store.write_group(files["alignment"], layers, map_shape=[18, 18], **ATTRS)
    return files


def test_the_published_enhancer_goes_from_training_to_views(enhancing, tmp_path):
    files = {"weights": tmp_path / "e.safetensors", "losses": tmp_path / "e.csv"}
    params = TrainEnhancerParams(**SMALL, n_epochs=2)
    train_enhancer.run(
        params, device="cpu", checkpoint=tmp_path / "kept.safetensors", **files, **enhancing
    )
    with safetensors.safe_open(files["weights"], "pt") as stored:
        told = json.loads(stored.metadata()["stemedx"])["architecture"]
    assert told["method"] == "paper"
    assert told["units"][0] == pytest.approx(0.04 * np.hypot(5, 5), rel=0.35)  # along a diagonal
    views = tmp_path / "projections_360.zarr"
    enhance.run(
        EnhanceParams(step_deg=10.0), device="cpu", volume=enhancing["volume"],
        weights=files["weights"], projections=views,
    )  # fmt: skip
    enhanced = store.read_layer(views, "enhanced", axes=AXES, units="count")
    assert enhanced.shape == (2, 36, 18, 18)
    assert enhanced.min() >= 0 and enhanced[0].max() <= told["units"][0]
    assert enhanced.std() > 0
