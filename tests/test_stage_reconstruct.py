import ast
import logging
from pathlib import Path

import numpy as np
import pytest

from stemedx import store
from stemedx.params import ON_DEVICE, RECONSTRUCT_METHODS, PoissonTvParams, ReconstructParams
from stemedx.project import products
from stemedx.project.place import HOST
from stemedx.project.projector import project
from stemedx.stages import reconstruct

PIXEL_NM = 0.8
TILT_DEG = np.array([-60.0, -30.0, -5.0, 20.0, 45.0])
SHARED = {"tilt_deg": TILT_DEG.tolist(), "pixel_nm": PIXEL_NM}
COUNTED = {
    "signal": "counts",
    "variance_to_mean": [1.0, 1.0],
    "gain": [[1.0] * 5] * 2,
    "background": [[0.0] * 5] * 2,
}
PARAMS = ReconstructParams.model_validate(
    {
        "fbp": {"filter_px": 3},
        "sirt": {"filter_px": 3, "n_iterations": 20},
        "l1": {"filter_px": 3, "n_outer": 5, "n_inner": 4, "penalty": 10.0},
        "haadf": {"n_iterations": 20, "vacuum_px": 3},
        "mlem": {"n_iterations": 20},
        "poisson_tv": {"tv_weight": 0.3, "gap": 0.05, "max_iterations": 300},
        "dip_tv": {"base_channels": 4, "learning_rate": 0.02, "tv_weight": 0.3, "patience": 20},
        "fusion": {"gap": 0.05, "max_iterations": 300, "vacuum_px": 3},
        "phases": {"heavy": {"Se": 1}, "light": {"S": 1}},
    }
)


@pytest.fixture
def truth():
    volumes = np.zeros((2, 14, 5, 14), np.float32)
    volumes[0, 3:8, 1:4, 7:12] = 4.0
    volumes[1, 6:9, 0:3, 5:9] = 9.0
    return volumes


@pytest.fixture
def stores(tmp_path, truth, rng):
    maps = project(truth, TILT_DEG)
    element_maps, tilt_series = tmp_path / "element_maps.zarr", tmp_path / "tilt_series.zarr"
    axes = ("element", "tilt", "y", "x")
    counts = rng.poisson(maps).astype(np.uint16)
    known = {"elements": ["Se", "S"], **COUNTED, **SHARED}
    store.write(element_maps, counts, axes=axes, units="count", **known)
    haadf = store.Layer(maps.sum(axis=0) + 50, ("tilt", "y", "x"), "arb. unit")
    store.write_group(tilt_series, {"haadf": haadf}, has_haadf=True, **SHARED)
    layers = {
        "rotation_deg": store.Layer(np.zeros(5), ("tilt",), "deg"),
        "shift_px": store.Layer(np.zeros((5, 2)), ("tilt", "axis"), "pixel"),
    }
    alignment = tmp_path / "alignment.zarr"
    store.write_group(alignment, layers, map_shape=[5, 14], **SHARED)
    inputs = {"element_maps": element_maps, "tilt_series": None, "alignment": alignment}
    return {**inputs, "volume": tmp_path / "volumes" / "method.ome.zarr"}


@pytest.mark.parametrize("method", ["fbp", "sirt", "l1", "mlem", "poisson_tv", "dip_tv"])
def test_volumes_are_photons_per_nm(stores, truth, method):
    reconstruct.run(PARAMS, method=method, **stores)
    volumes, attrs = store.read_volumes(stores["volume"])
    assert (attrs["units"], attrs["method"]) == ("count/nm", method)
    assert (attrs["elements"], attrs["pixel_nm"]) == (["Se", "S"], PIXEL_NM)
    for element in range(2):
        assert np.corrcoef(volumes[element].ravel(), truth[element].ravel())[0, 1] > 0.65
    # The tilts saw as many photons as there are, whatever the shape of the wedge.
    if method != "fbp":
        expected = truth.sum(axis=(1, 2, 3)) / PIXEL_NM
        assert volumes.sum(axis=(1, 2, 3)) == pytest.approx(expected, rel=0.25)


def test_haadf_is_one_channel_without_the_level_of_the_detector(stores, truth):
    stores["tilt_series"] = stores["element_maps"].with_name("tilt_series.zarr")
    reconstruct.run(PARAMS, method="haadf", **stores)
    volumes, attrs = store.read_volumes(stores["volume"])
    assert (attrs["elements"], attrs["units"]) == (["HAADF"], "arb. unit/nm")
    both = truth.sum(axis=0)
    assert np.corrcoef(volumes[0].ravel(), both.ravel())[0, 1] > 0.85
    assert volumes[0].sum() == pytest.approx(both.sum() / PIXEL_NM, rel=0.1)  # 50 per pixel more


def test_fusion_reads_haadf_and_phases(stores, truth):
    stores["tilt_series"] = stores["element_maps"].with_name("tilt_series.zarr")
    reconstruct.run(PARAMS, method="fusion", **stores)
    volumes, attrs = store.read_volumes(stores["volume"])
    assert (attrs["elements"], attrs["units"]) == (["Se", "S"], "count/nm")
    assert (attrs["shares"], attrs["shared_by_halves"]) == (["heavy", "light"], "HAADF")
    assert "warnings" not in attrs
    assert attrs["made_by"]["warnings"] == []
    for element in range(2):
        assert np.corrcoef(volumes[element].ravel(), truth[element].ravel())[0, 1] > 0.65


def test_fusion_does_without_phases_and_says_so(stores, truth):
    stores["tilt_series"] = stores["element_maps"].with_name("tilt_series.zarr")
    reconstruct.run(PARAMS.model_copy(update={"phases": {}}), method="fusion", **stores)
    volumes, attrs = store.read_volumes(stores["volume"])
    assert attrs["made_by"]["warnings"][0].startswith("the sheet names no phases of this specimen")
    for element in range(2):
        assert np.corrcoef(volumes[element].ravel(), truth[element].ravel())[0, 1] > 0.65


@pytest.mark.parametrize("method", ["mlem", "poisson_tv", "fusion"])
def test_what_counts_lack_is_told_with_the_volume(stores, method, caplog):
    maps, attrs = store.read(stores["element_maps"], axes=reconstruct.MAP_AXES, units="count")
    stores["tilt_series"] = stores["element_maps"].with_name("tilt_series.zarr")
    maps[1] = 0
    known = {key: attrs[key] for key in ("elements", *SHARED, *COUNTED)}
    store.write(stores["element_maps"], maps, axes=reconstruct.MAP_AXES, units="count", **known)
    with caplog.at_level(logging.WARNING):
        reconstruct.run(PARAMS, method=method, **stores)
    told = "S has no photons: its volume is empty"
    assert told in store.read_attrs(stores["volume"])["made_by"]["warnings"]
    assert told in caplog.text


@pytest.mark.parametrize(
    ("method", "done"), [("mlem", "are left out"), ("sirt", "are taken for signal by this method")]
)
def test_hot_pixels_are_told_with_the_volume(stores, method, done, caplog):
    maps, attrs = store.read(stores["element_maps"], axes=reconstruct.MAP_AXES, units="count")
    maps[1, 2, 4, 12] = 500
    known = {key: attrs[key] for key in ("elements", *SHARED, *COUNTED)}
    store.write(stores["element_maps"], maps, axes=reconstruct.MAP_AXES, units="count", **known)
    with caplog.at_level(logging.WARNING):
        reconstruct.run(PARAMS, method=method, **stores)
    told = f"1 hot pixels {done}, the first at -5 deg, y 4, x 12"
    assert store.read_attrs(stores["volume"])["made_by"]["warnings"] == [told]
    assert told in caplog.text


def test_fusion_without_tilt_series_is_refused(stores):
    with pytest.raises(ValueError, match="method 'fusion': expected a tilt series to read from"):
        reconstruct.run(PARAMS, method="fusion", **stores)


def test_intensities_stay_intensities(stores):
    maps, attrs = store.read(stores["element_maps"], axes=reconstruct.MAP_AXES, units="count")
    scaled = maps.astype(np.float32) / 100
    kept = {key: attrs[key] for key in ("elements", *SHARED, *COUNTED)}
    store.write(
        stores["element_maps"], scaled, axes=reconstruct.MAP_AXES, units="intensity", **kept
    )
    reconstruct.run(PARAMS, method="sirt", **stores)
    assert store.read_attrs(stores["volume"])["units"] == "intensity/nm"


def test_photons_are_read_with_what_is_known_of_them(stores):
    """The background comes as a total, an intensity as a multiple of that of one photon."""
    maps, attrs = store.read(stores["element_maps"], axes=reconstruct.MAP_AXES, units="count")
    known = {key: attrs[key] for key in ("elements", *SHARED, *COUNTED)}
    known |= {"signal": "intensity", "variance_to_mean": [0.5, 0.02]}
    photons = np.array([0.5, 0.02])[:, None, None, None]
    known["background"] = np.stack([[7.0 * 0.5] * 5, [3.0 * 0.02] * 5]).tolist()
    scaled = (maps * photons).astype(np.float32)
    store.write(
        stores["element_maps"], scaled, axes=reconstruct.MAP_AXES, units="intensity", **known
    )
    reconstruct.run(PARAMS, method="mlem", **stores)
    volumes, found = store.read_volumes(stores["volume"])
    assert found["background"][0] == pytest.approx([7 / 70] * 5)
    assert found["background"][1] == pytest.approx([3 / 70] * 5)
    expected = ((maps.sum(axis=(1, 2, 3)) - np.array([7, 3]) * 5) * photons.ravel()) / 5 / PIXEL_NM
    assert volumes.sum(axis=(1, 2, 3)) == pytest.approx(expected, rel=0.05)


def test_weights_of_the_alignment_reach_the_method(stores):
    reconstruct.run(PARAMS, method="mlem", **stores)
    before, _ = store.read_volumes(stores["volume"])
    layers = {
        "rotation_deg": store.Layer(np.zeros(5), ("tilt",), "deg"),
        "shift_px": store.Layer(np.zeros((5, 2)), ("tilt", "axis"), "pixel"),
        "weight": store.Layer(np.zeros((5, 5, 14), np.float32), ("tilt", "y", "x"), "1"),
    }
    store.write_group(stores["alignment"], layers, map_shape=[5, 14], **SHARED)
    reconstruct.run(PARAMS, method="mlem", **stores)
    after, _ = store.read_volumes(stores["volume"])
    assert before.any()
    assert not after.any()


def test_provenance_tells_the_method_and_its_own_code(stores):
    digests = {}
    for method in ("fbp", "sirt"):
        reconstruct.run(PARAMS, method=method, **stores)
        origin = store.read_attrs(stores["volume"])["made_by"]
        assert set(origin["inputs"]) == {"element_maps", "alignment"}
        digests[method] = origin["code"]
    assert digests["fbp"] != digests["sirt"]


def test_methods_are_not_imported_until_they_are_asked_for():
    """Or the change of one would rerun all of them."""
    tree = ast.parse(Path(reconstruct.__file__).read_text())
    names = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    methods = {f"stemedx.reconstruct.{method}" for method in RECONSTRUCT_METHODS}
    assert not methods & set(names)


@pytest.mark.parametrize(
    ("method", "std"),
    [("fbp", 0.80925893), ("sirt", 1.0286593), ("l1", 1.0239156), ("haadf", 2.0302566)],
)
def test_same_code_same_numbers(stores, method, std):
    """If this fails and it should: the numbers of users change; say so in the changelog."""
    stores["tilt_series"] = stores["element_maps"].with_name("tilt_series.zarr")
    reconstruct.run(PARAMS, method=method, **stores)
    volumes, _ = store.read_volumes(stores["volume"])
    assert volumes.std(dtype=np.float64) == pytest.approx(std, rel=1e-4)  # float32


PLACED = [method for method in ON_DEVICE if method != "dip_tv"]


CHOOSING = {"poisson_tv": PoissonTvParams(gap=0.05, max_iterations=300)}


@pytest.mark.parametrize(
    ("method", "changed"),
    [*((method, {}) for method in PLACED), ("fusion", {"phases": {}}), ("poisson_tv", CHOOSING)],
)
def test_volumes_of_a_device_are_those_of_the_cpu(
    stores, method, changed, device_place, monkeypatch
):
    params = PARAMS.model_copy(update=changed)
    stores["tilt_series"] = stores["element_maps"].with_name("tilt_series.zarr")
    reconstruct.run(params, method=method, **stores)
    here, attrs = store.read_volumes(stores["volume"])
    assert attrs["device"] == "cpu"
    device_place.name = "device"
    monkeypatch.setattr(reconstruct, "place_of", lambda device, n_values: device_place)
    # whatever is not put on the device is found here
    monkeypatch.setattr(products.CutMatrix, "times", None)
    reconstruct.run(params, method=method, **stores)
    there, attrs = store.read_volumes(stores["volume"])
    assert attrs["device"] == "device"
    # float32 of all iterations; where to stop and what is inside are decided by it, too
    assert np.abs(there - here).max() <= 1e-3 * here.max()


def test_only_methods_that_know_of_devices_are_asked_where(stores, monkeypatch):
    asked = []

    def place_of(device, n_values):
        asked.append((device, n_values))
        return HOST

    monkeypatch.setattr(reconstruct, "place_of", place_of)
    for method in ("sirt", "fbp", "l1"):
        reconstruct.run(PARAMS, method=method, device="cpu", **stores)
    assert asked == [("cpu", 2 * 14 * 5 * 14)]


def test_an_unknown_method_is_refused(stores):
    with pytest.raises(ValueError, match="one of the methods fbp, sirt, l1.*, haadf, found 'art'"):
        reconstruct.run(PARAMS, method="art", **stores)


def test_haadf_needs_a_tilt_series(stores):
    with pytest.raises(ValueError, match="'haadf': expected a tilt series"):
        reconstruct.run(PARAMS, method="haadf", **stores)
