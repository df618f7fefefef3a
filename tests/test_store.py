"""Stores: what is written is what is read, and nothing else is taken for it."""

import json

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from ome_zarr_models.v05 import Image

from stemedx import store

MAP_AXES = ("element", "tilt", "y", "x")


def maps(rng):
    return rng.poisson(2.0, size=(2, 3, 4, 8)).astype(np.uint16)


@given(arrays(np.uint16, array_shapes(min_dims=4, max_dims=4, max_side=5)), st.text(max_size=5))
def test_a_store_comes_back_as_it_was(tmp_path_factory, values, note):
    path = tmp_path_factory.mktemp("store") / "maps.zarr"
    store.write(path, values, axes=MAP_AXES, units="count", note=note)
    again, attrs = store.read(path, axes=MAP_AXES, units="count")
    np.testing.assert_array_equal(again, values)
    assert (again.dtype, attrs["note"], attrs["axes"]) == (values.dtype, note, list(MAP_AXES))


def test_wrong_axes_are_refused_with_both_named(tmp_path, rng):
    path = tmp_path / "maps.zarr"
    store.write(path, maps(rng), axes=("tilt", "element", "y", "x"), units="count")
    with pytest.raises(ValueError, match=r"expected axes \('element'.* found \('tilt'"):
        store.read(path, axes=MAP_AXES, units="count")


def test_wrong_units_are_refused_with_both_named(tmp_path, rng):
    path = tmp_path / "maps.zarr"
    store.write(path, maps(rng), axes=MAP_AXES, units="intensity")
    with pytest.raises(ValueError, match="in 'count', found .* in 'intensity'"):
        store.read(path, axes=MAP_AXES, units="count")
    assert store.read(path, axes=MAP_AXES, units=("count", "intensity"))[0].sum() > 0


def test_axes_that_do_not_fit_the_array_are_refused(tmp_path, rng):
    with pytest.raises(ValueError, match="expected one axis per name"):
        store.write(tmp_path / "maps.zarr", maps(rng), axes=("y", "x"), units="count")
    assert not list(tmp_path.iterdir())


def test_a_missing_store_is_named(tmp_path):
    with pytest.raises(ValueError, match="none.zarr: expected a Zarr store, found none"):
        store.read(tmp_path / "none.zarr", axes=MAP_AXES, units="count")


def test_a_group_lends_its_layers_by_name(tmp_path, rng):
    haadf = rng.random((3, 4, 8), np.float32)
    layers = {"haadf": store.Layer(haadf, ("tilt", "y", "x"), "arb. unit")}
    store.write_group(tmp_path / "s.zarr", layers, tilt_deg=[-1.0, 0.0, 2.0])
    again = store.read_layer(
        tmp_path / "s.zarr", "haadf", axes=("tilt", "y", "x"), units="arb. unit"
    )
    np.testing.assert_array_equal(again, haadf)
    assert store.has_layer(tmp_path / "s.zarr", "haadf")
    assert not store.has_layer(tmp_path / "s.zarr", "maps")
    assert store.read_attrs(tmp_path / "s.zarr") == {
        "axes": {"haadf": ["tilt", "y", "x"]},
        "units": {"haadf": "arb. unit"},
        "tilt_deg": [-1.0, 0.0, 2.0],
    }


def test_a_missing_layer_is_named(tmp_path, rng):
    store.write_group(tmp_path / "s.zarr", {})
    with pytest.raises(ValueError, match="expected an array 'maps', found none"):
        store.read_layer(tmp_path / "s.zarr", "maps", axes=MAP_AXES, units="count")


def test_volumes_are_ome_zarr_that_its_published_model_reads(tmp_path, rng):
    volumes = rng.random((2, 4, 5, 6), np.float32)
    path = tmp_path / "sirt.ome.zarr"
    store.write_volumes(
        path, volumes, elements=["Se", "S"], pixel_nm=0.8, units="count/nm", tilt_deg=[0.0]
    )
    again, attrs = store.read_volumes(path)
    np.testing.assert_array_equal(again, volumes)
    assert attrs["elements"] == ["Se", "S"]
    assert attrs["pixel_nm"] == 0.8
    ome = json.loads((path / "zarr.json").read_text())["attributes"]["ome"]
    assert [axis["name"] for axis in ome["multiscales"][0]["axes"]] == ["c", "z", "y", "x"]
    assert [channel["label"] for channel in ome["omero"]["channels"]] == ["Se", "S"]
    image = Image.from_zarr(zarr.open_group(path, mode="r"))
    scale = image.ome_attributes.multiscales[0].datasets[0].coordinateTransformations[0]
    assert scale.scale == [1.0, 0.8, 0.8, 0.8]


def test_an_empty_volume_still_has_a_window(tmp_path):
    path = tmp_path / "sirt.ome.zarr"
    store.write_volumes(
        path, np.zeros((1, 2, 3, 4), np.float32), elements=["S"], pixel_nm=0.8, units="count/nm"
    )
    ome = json.loads((path / "zarr.json").read_text())["attributes"]["ome"]
    assert ome["omero"]["channels"][0]["window"]["end"] == 1.0


def test_a_failed_write_leaves_the_old_store_and_nothing_else(tmp_path, rng):
    path = tmp_path / "maps.zarr"
    store.write(path, maps(rng), axes=MAP_AXES, units="count", version=1)
    with pytest.raises(TypeError):
        store.write(path, maps(rng), axes=MAP_AXES, units="count", bad=object())
    assert store.read_attrs(path)["version"] == 1
    assert [item.name for item in tmp_path.iterdir()] == ["maps.zarr"]


def test_a_store_replaces_the_one_before(tmp_path, rng):
    path = tmp_path / "maps.zarr"
    for version in (1, 2):
        store.write(path, maps(rng), axes=MAP_AXES, units="count", version=version)
    assert store.read_attrs(path)["version"] == 2


def test_chunks_are_bounded(tmp_path, monkeypatch, rng):
    monkeypatch.setattr(store, "CHUNK_BYTES", 100)
    path = tmp_path / "maps.zarr"
    values = maps(rng)
    store.write(path, values, axes=MAP_AXES, units="count")
    chunk = json.loads((path / "zarr.json").read_text())["chunk_grid"]["configuration"]
    assert np.prod(chunk["chunk_shape"]) * 2 <= 100
    np.testing.assert_array_equal(store.read(path, axes=MAP_AXES, units="count")[0], values)
