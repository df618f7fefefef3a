import numpy as np
import pandas as pd
import pytest

from stemedx import store
from stemedx.params import DriftParams
from stemedx.stages import drift
from tests.align.test_align_drift import DRIFT, counts, scan

PARAMS = DriftParams(max_shift_px=10.0)
AXES = ("element", "frame", "y", "x")


@pytest.fixture
def frames(tmp_path, rng):
    """Counts of two elements and HAADF, in the store that ingest writes."""
    pictures = scan(DRIFT)
    maps = counts(rng, pictures)
    layers = {
        "maps": store.Layer(maps, AXES, "count"),
        "haadf": store.Layer(pictures.astype(np.float32), AXES[1:], "arb. unit"),
    }
    about = {"specimen": "s", "lines": ["Se", "S"], "pixel_nm": 0.8, "signal": "counts"}
    store.write_group(tmp_path / "tilt_series.zarr", layers, **about)
    return maps


def run(folder):
    path = folder / "drift.zarr"
    places = {"drift": path, "table": folder / "drift.csv"}
    drift.run(PARAMS, tilt_series=folder / "tilt_series.zarr", **places)
    return path, pd.read_csv(folder / "drift.csv")


def test_store_and_table(tmp_path, frames):
    path, table = run(tmp_path)
    moved = store.read_layer(path, "maps", axes=AXES, units="count")
    scanned = store.read_layer(path, "scanned", axes=AXES[1:], units="1")
    haadf = store.read_layer(path, "haadf", axes=AXES[1:], units="arb. unit")
    shift_px = store.read_layer(path, "shift_px", axes=("frame", "axis"), units="pixel")
    assert moved.dtype == frames.dtype
    assert np.array_equal(moved.sum(axis=(2, 3)), frames.sum(axis=(2, 3)))
    # Rounded to whole pixels, the frames of HAADF nearly lie on each other.
    common = scanned.all(axis=0)
    assert haadf[:, common].std(axis=0).max() < 0.5 * scan(DRIFT).std(axis=0).max()
    assert list(table.columns) == [
        *("frame", "shift_x_px", "shift_y_px", "moved_x_px", "moved_y_px", "agreement", "counts")
    ]
    assert table.shift_y_px.to_numpy() == pytest.approx(shift_px[:, 0])
    assert np.array_equal(table.moved_x_px, np.rint(table.shift_x_px))
    assert np.array_equal(table.counts, frames.sum(axis=(0, 2, 3)))
    attrs = store.read_attrs(path)
    assert attrs["made_by"]["stage"] == "drift"
    assert (attrs["pixel_nm"], attrs["lines"], attrs["warnings"]) == (0.8, ["Se", "S"], [])


def test_without_haadf_it_says_so(tmp_path, frames):
    source = tmp_path / "tilt_series.zarr"
    layer = store.Layer(frames, AXES, "count")
    store.write_group(source, {"maps": layer}, **store.read_attrs(source))
    path, _ = run(tmp_path)
    assert not store.has_layer(path, "haadf")
    assert "no HAADF frames" in store.read_attrs(path)["warnings"][0]
