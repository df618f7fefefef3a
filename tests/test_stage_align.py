import json

import numpy as np
import pandas as pd
import pytest

from stemedx import store
from stemedx.align.alignment import Alignment
from stemedx.align.tilt_errors import TiltErrors
from stemedx.alignment import read_geometry, read_weights
from stemedx.params import AlignParams
from stemedx.project.geometry import least_shifts
from stemedx.stages import align
from tests.align.ellipsoids import CHAIN, project_ellipsoids

PARAMS = AlignParams(max_shift_px=12.0, smooth_px=1.0, n_refinements=1)
TILTS = np.arange(-60.0, 61.0, 20.0)
SHAPE = (42, 36)


@pytest.fixture
def shifts(rng):
    return rng.uniform(-3, 3, (len(TILTS), 2))


@pytest.fixture
def inputs(tmp_path, rng, shifts):
    """Element maps, and a tilt series without HAADF."""
    images = project_ellipsoids(CHAIN, shifts, -5.0, SHAPE, TILTS)
    maps = rng.poisson(np.stack([0.1 * images, 0.2 * images])).astype(np.uint16)
    described = {"tilt_deg": TILTS.tolist(), "pixel_nm": 0.8, "elements": ["Se", "S"]}
    axes = ("element", "tilt", "y", "x")
    store.write(tmp_path / "element_maps.zarr", maps, axes=axes, units="count", **described)
    layer = store.Layer(maps, axes, "count")
    store.write_group(tmp_path / "tilt_series.zarr", {"maps": layer}, **described)
    return tmp_path


def run(folder, tilt_axis_deg=None, by_hand=None):
    align.run(
        PARAMS,
        tilt_axis_deg=tilt_axis_deg,
        element_maps=folder / "element_maps.zarr",
        tilt_series=folder / "tilt_series.zarr",
        by_hand=by_hand,
        alignment=folder / "alignment.zarr",
        table=folder / "alignment.csv",
    )
    path = folder / "alignment.zarr"
    found = {
        "rotation_deg": store.read_layer(path, "rotation_deg", axes=("tilt",), units="deg"),
        "shift_px": store.read_layer(path, "shift_px", axes=("tilt", "axis"), units="pixel"),
        "residual": store.read_layer(path, "residual", axes=("tilt",), units="1"),
    }
    return found, store.read_attrs(path), pd.read_csv(folder / "alignment.csv")


def test_store_and_table_say_the_same(inputs, shifts):
    found, attrs, table = run(inputs, tilt_axis_deg=5.0)
    assert attrs["origin"] == "automatic"
    assert (attrs["warnings"], attrs["axis_error_deg"]) == ([], None)
    assert (attrs["tilt_deg"], attrs["map_shape"]) == (TILTS.tolist(), list(SHAPE))
    assert attrs["made_by"]["stage"] == "align"
    assert set(attrs["made_by"]["inputs"]) == {"element_maps", "tilt_series"}
    assert list(table.columns) == [
        *("tilt_deg", "rotation_deg", "shift_x_px", "shift_y_px", "residual"),
        *("error_x_px", "error_y_px", "tilt_off_deg", "tilt_off_error_deg", "seen_percent"),
    ]
    assert not table.tilt_off_deg.any()
    assert table.tilt_off_error_deg.isna().all()  # not looked for
    assert table.shift_x_px.to_numpy() == pytest.approx(found["shift_px"][:, 1])
    assert table.shift_y_px.to_numpy() == pytest.approx(found["shift_px"][:, 0])
    assert np.all(found["rotation_deg"] == -5.0)
    assert np.all((found["residual"] > 0) & (found["residual"] < 1))
    weights = read_weights(inputs / "alignment.zarr")
    assert weights.shape == (7, *SHAPE)
    assert table.seen_percent.to_numpy() == pytest.approx(100 * weights.mean(axis=(1, 2)), rel=1e-5)
    assert np.all((table.error_x_px > 0) & (table.error_x_px < 3))
    # 3000 photons per map, seven tilts: half a pixel is the project's aim for 13.
    error = least_shifts(found["shift_px"] - shifts, TILTS)
    assert np.sqrt(np.mean(error**2)) < 0.5


def test_tilts_that_are_off_are_told_and_taken(inputs, monkeypatch):
    """What was found stands in store and table, and in the geometry of every solver."""
    errors = TiltErrors(np.linspace(-1, 1, 7) ** 3, np.full(7, 0.3))
    monkeypatch.setattr(align, "align", lambda *_: level_with(errors))
    _, _, table = run(inputs)
    assert table.tilt_off_deg.to_numpy() == pytest.approx(errors.off_deg)
    assert table.tilt_off_error_deg.to_numpy() == pytest.approx(errors.error_deg)
    geometry = read_geometry(inputs / "alignment.zarr", TILTS.tolist(), SHAPE)
    assert geometry.tilt_deg == pytest.approx(TILTS + errors.off_deg)


def level_with(errors):
    """Return an alignment that moves nothing, of tilts that are off."""
    level = np.zeros((7, 2))
    weight = np.ones((7, *SHAPE), np.float32)
    zeros = np.zeros(7)
    return Alignment(zeros, level, zeros, level, weight, tilt_errors=errors)


def test_haadf_is_used_where_there_is_some(inputs, shifts, rng):
    other = rng.uniform(-3, 3, shifts.shape)
    images = project_ellipsoids(CHAIN, other, -5.0, SHAPE, TILTS).astype(np.float32)
    path = inputs / "tilt_series.zarr"
    layer = store.Layer(images, ("tilt", "y", "x"), "arb. unit")
    store.write_group(path, {"haadf": layer}, **store.read_attrs(path))
    found, _, _ = run(inputs, tilt_axis_deg=5.0)
    error = least_shifts(found["shift_px"] - other, TILTS)
    assert np.sqrt(np.mean(error**2)) < 0.3  # the project's aim for clean images


def test_an_alignment_by_hand_is_taken_as_it_is(inputs, shifts):
    given = {"shift_x_px": shifts[:, 1].tolist(), "shift_y_px": shifts[:, 0].tolist()}
    (inputs / "hand.json").write_text(json.dumps(given))
    found, attrs, _ = run(inputs, by_hand=inputs / "hand.json")
    assert attrs["origin"] == "by hand"
    assert "by_hand" in attrs["made_by"]["inputs"]
    assert found["shift_px"] == pytest.approx(shifts)
    assert not found["rotation_deg"].any()


def test_a_wrong_file_by_hand_is_named(inputs):
    path = inputs / "hand.json"
    path.write_text(json.dumps({"shift_x_px": [1, 2], "shift_y_px": [1, 2]}))
    with pytest.raises(ValueError, match=r"hand\.json: shift_y_px: .* 7 numbers.*found 2"):
        run(inputs, by_hand=path)
