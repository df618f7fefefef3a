import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from stemedx import store, tables
from stemedx.params import TrainDenoiserParams
from stemedx.stages import train_denoiser

ROOT = Path(__file__).parents[1]
PARAMS = TrainDenoiserParams(
    min_updates=1, n_epochs=4, batch=2, base_channels=4, n_levels=2, crop_px=16
)
ATTRS = {
    "elements": ["Se", "S"],
    "tilt_deg": [-40.0, 0.0, 40.0],
    "pixel_nm": 0.8,
    "signal": "counts",
    "variance_to_mean": [1.0, 1.0],
}


@pytest.fixture
def files(tmp_path, rng):
    element_maps = tmp_path / "element_maps.zarr"
    counts = rng.poisson(2.0, size=(2, 3, 10, 14)).astype(np.uint16)
    store.write(element_maps, counts, axes=("element", "tilt", "y", "x"), units="count", **ATTRS)
    folder = tmp_path / "networks"
    return {
        "element_maps": element_maps,
        "tilt_series": None,
        "checkpoint": tmp_path / "checkpoints/one.safetensors",
        "weights": folder / "denoiser.safetensors",
        "losses": folder / "denoiser.csv",
    }


def told_by(path):
    with safetensors.safe_open(path, "pt") as stored:
        return json.loads(stored.metadata()["stemedx"])


def test_weights_and_losses_say_what_they_are(files):
    train_denoiser.run(PARAMS, device="cpu", **files)
    told = told_by(files["weights"])
    assert told["architecture"] == {
        "network": "denoiser",
        "elements": ["Se", "S"],
        "base_channels": 4,
        "n_levels": 2,
        "n_guides": 0,
        "crop_px": 16,
        "method": "thinning",
        "likelihood": "poisson",
        "specimens": [],
    }
    assert told["made_by"]["stage"] == "train_denoiser"
    assert told["made_by"]["parameters"]["share_max"] == 0.9
    assert told["made_by"]["device"] == "cpu"
    assert set(told["made_by"]["inputs"]) == {"element_maps"}
    table = tables.read(files["losses"], ("step", "loss", "held_out_loss"))
    assert table["step"].tolist() == [1, 2, 3, 4, 5, 6]  # 4 x 3 maps, two at a time
    assert table.notna().all(axis=None)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(files):
    written = []
    for seed in (3, 3, 4):
        train_denoiser.run(PARAMS.model_copy(update={"seed": seed}), device="cpu", **files)
        written.append((files["weights"].read_bytes(), files["losses"].read_bytes()))
    assert written[0] == written[1]
    assert written[0][1] != written[2][1]


def test_intensities_are_trained_on_as_photons(files, rng):
    """The unit of the intensity must not matter to the network."""
    counts, _ = store.read(files["element_maps"], axes=("element", "tilt", "y", "x"), units="count")
    train_denoiser.run(PARAMS, device="cpu", **files)
    of_counts = files["losses"].read_text()
    intensities = (counts * np.array([0.25, 8.0])[:, None, None, None]).astype(np.float32)
    attrs = {**ATTRS, "signal": "intensity", "variance_to_mean": [0.25, 8.0]}
    store.write(
        files["element_maps"],
        intensities,
        axes=("element", "tilt", "y", "x"),
        units="intensity",
        **attrs,
    )
    train_denoiser.run(PARAMS, device="cpu", **files)
    table = tables.read(files["losses"], ("loss",))
    assert of_counts.count("\n") == len(table) + 1
    # the draws differ, since rounding uses the generator too; units of 8 would double the loss
    first = float(of_counts.splitlines()[1].split(",")[1])
    assert table["loss"].iloc[0] == pytest.approx(first, abs=0.3)


KILLED = """
import logging, os, signal, sys
from pathlib import Path

from stemedx.learn import checkpoints, training
from stemedx.params import TrainDenoiserParams
from stemedx.stages import train_denoiser

updates_left, settings, *paths = sys.argv[1:]
logging.basicConfig(level=logging.INFO)
checkpoints.SECONDS_BETWEEN = 0.0
update, left = training._update, [None] * int(updates_left)


def killing(*given):
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    left.pop()
    return update(*given)


training._update = killing
names = ("element_maps", "checkpoint", "weights", "losses")
params = TrainDenoiserParams.model_validate_json(settings)
files = dict(zip(names, map(Path, paths)))
train_denoiser.run(params, device="cpu", tilt_series=None, **files)
"""


@pytest.mark.slow
def test_a_killed_training_goes_on_to_the_same_bits(files, tmp_path, rng):
    params = PARAMS.model_copy(update={"n_epochs": 20.0})  # 30 updates
    names = ("element_maps", "checkpoint", "weights", "losses")
    killed_after = int(rng.integers(1, 30))
    ended = []
    for n_updates in (killed_after, 30 - killed_after):
        command = [sys.executable, "-c", KILLED, str(n_updates), params.model_dump_json()]
        command += [str(files[name]) for name in names]
        ended.append(subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT))
        assert files["checkpoint"].exists() == (len(ended) == 1)
    assert [run.returncode for run in ended] == [-signal.SIGKILL, 0], ended[1].stderr
    assert f"going on after update {killed_after}" in ended[1].stderr
    resumed = files["weights"], files["losses"].read_text()
    files["weights"] = tmp_path / "whole.safetensors"
    train_denoiser.run(params, device="cpu", **files)
    whole, again = (safetensors.numpy.load_file(path) for path in (files["weights"], resumed[0]))
    assert files["losses"].read_text() == resumed[1]
    assert all(np.array_equal(whole[name], again[name]) for name in whole)


def test_volumes_are_refused(files, rng):
    store.write(
        files["element_maps"],
        rng.random((2, 3, 4, 8), np.float32),
        axes=("element", "z", "y", "x"),
        units="count/nm",
        **ATTRS,
    )
    with pytest.raises(ValueError, match=r"expected axes \('element', 'tilt'.* found \('element'"):
        train_denoiser.run(PARAMS, device="cpu", **files)
    assert not files["weights"].exists()


def test_shares_in_the_wrong_order_are_refused():
    with pytest.raises(ValueError, match="share_min must not exceed share_max"):
        TrainDenoiserParams(share_min=0.8, share_max=0.5)
