import json

import numpy as np
import pandas as pd
import pytest

from stemedx import store, tables
from stemedx.figures import damage, drawings
from stemedx.figures.planes import find_focus
from stemedx.params import FiguresParams
from stemedx.stages import figures

ELEMENTS = ["Se", "S"]
TILTS = [-40.0, 0.0, 30.0]
SHARED = {"elements": ELEMENTS, "tilt_deg": TILTS, "pixel_nm": 0.8}
MADE_BY = {"stage": "reconstruct", "code": "0123", "parameters": {}, "packages": {}, "inputs": {}}


def write_measured(folder, rng, signal):
    described = {"axes": ("element", "tilt", "y", "x"), "units": "count"}
    maps = rng.poisson(0.4, (2, 3, 14, 18)).astype(np.uint16)
    if signal == "intensity":
        maps, described["units"] = (1.7 * maps).astype(np.float32), "intensity"
    flat = {"method": "exported", "gain": np.ones((2, 3)).tolist(),
            "background": np.zeros((2, 3)).tolist()}  # fmt: skip
    store.write(folder / "element_maps.zarr", maps, signal=signal,
                warnings=["Si overlaps"], **flat, **described, **SHARED)  # fmt: skip
    store.write(folder / "denoised.zarr", maps.astype(np.float32) / 2, **described, **SHARED)
    layer = store.Layer(maps, described["axes"], described["units"])
    store.write_group(folder / "tilt_series.zarr", {"maps": layer}, specimen="dot", **SHARED)
    manifest = pd.DataFrame({"tilt_deg": TILTS, "counts": [3, 4, 5], "warnings": ["", "", "dark"]})
    tables.write(folder / "tilt_series.csv", manifest)
    rows = [(-40.0, n, "SDD", e, 9 - n, True) for n in (1, 2, 3) for e in ELEMENTS]
    tables.write(folder / "element_frames.csv", pd.DataFrame(rows, columns=damage.COLUMNS))


def write_alignment(folder):
    shifts = np.array([[1.0, -2.0], [0.5, 0.0], [-1.5, 2.5]])
    layers = {"shift_px": store.Layer(shifts, ("tilt", "axis"), "pixel")}
    store.write_group(
        folder / "alignment.zarr", layers, origin="automatic", warnings=["tilt 30 is far off"],
        tilt_deg=TILTS, map_shape=[14, 18],
    )  # fmt: skip
    moves = {"shift_x_px": shifts[:, 1], "shift_y_px": shifts[:, 0]}
    table = {"tilt_deg": TILTS, "rotation_deg": 0.0, **moves, "residual": [0.1, 0.2, 0.4]}
    table |= {"error_x_px": 0.3, "error_y_px": 0.2}
    table |= {"tilt_off_deg": 0.0, "tilt_off_error_deg": np.nan}
    tables.write(folder / "alignment.csv", pd.DataFrame(table))


def write_method(folder, method, radius_px, elements=ELEMENTS):
    offset = np.indices((18, 14, 18)) - np.array([7.0, 8.0, 10.0])[:, None, None, None]
    inside = np.linalg.norm(offset, axis=0) < radius_px
    volumes = np.stack([inside * (n + 0.5) for n in range(len(elements))]).astype(np.float32)
    store.write_volumes(
        folder / f"volumes/{method}.ome.zarr",
        volumes,
        elements=elements,
        pixel_nm=0.8,
        units="count/nm",
        made_by=MADE_BY,
    )


def write_results(folder, method, particles=1):
    curve = {"split": 0, "element": "Se", "frequency_per_nm": [0.1, 0.3, 0.6], "fsc": [1, 0.6, 0]}
    tables.write(folder / f"resolution/{method}.csv", pd.DataFrame(curve))
    crossing = {"split": [0], "element": "Se", "threshold": 0.5, "resolution_nm": 2.4}
    crossings = pd.DataFrame({**crossing, "status": "resolved"})
    tables.write(folder / f"resolution/{method}_crossings.csv", crossings)
    names = ["particle", "element", "mean_nm", "std_nm", "uncovered_percent"]
    rows = [(n + 1, element, 2.0, 0.1, 0.0) for n in range(particles) for element in ELEMENTS]
    home = folder / f"thickness/{method}"
    tables.write(home / "statistics.csv", pd.DataFrame(rows, columns=names))
    theta, phi = np.meshgrid(np.arange(-90.0, 91), np.arange(0.0, 360), indexing="ij")
    rays = {"theta_deg": theta.ravel(), "phi_deg": phi.ravel(), "Se_nm": 2.0, "S_nm": 1.0}
    for n in range(particles):
        tables.write(home / f"particle_{n + 1}.csv", pd.DataFrame(rays))


def draw(folder, **changes):
    """Run the stage; return the list of what it drew."""
    inputs = {
        "manifest": folder / "tilt_series.csv",
        "tilt_series": folder / "tilt_series.zarr",
        "element_maps": folder / "element_maps.zarr",
        "frames": folder / "element_frames.csv",
        "alignment": folder / "alignment.zarr",
        "alignment_table": folder / "alignment.csv",
        "volumes": sorted(folder.glob("volumes/[!h]*")),
        "haadf": None,
        "networks": [],
        "denoised": None,
        "resolution": [],
        "thickness": [],
    }
    figures.run(FiguresParams(dpi=50), **{**inputs, **changes}, figures=folder / "figures")
    return json.loads((folder / "figures/contents.json").read_text())


@pytest.fixture(scope="module")
def specimen(tmp_path_factory):
    """All that can be drawn of a specimen; tests must leave it as it is."""
    folder, rng = tmp_path_factory.mktemp("dot"), np.random.default_rng(20240229)
    write_measured(folder, rng, "counts")
    write_alignment(folder)
    write_method(folder, "sirt", 4)
    write_method(folder, "two_step", 0)
    write_method(folder, "haadf", 5, ["HAADF"])
    write_results(folder, "sirt")
    write_results(folder, "two_step", particles=0)
    losses = pd.DataFrame({"step": [1, 2, 3], "loss": [0.9, 0.5, 0.4], "held_out_loss": 0.6})
    tables.write(folder / "networks/denoiser.csv", losses)
    return folder


def everything(specimen):
    return {
        "haadf": specimen / "volumes/haadf.ome.zarr",
        "networks": [specimen / "networks/denoiser.csv"],
        "denoised": specimen / "denoised.zarr",
        "resolution": sorted(specimen.glob("resolution/*")),
        "thickness": sorted(specimen.glob("thickness/*")),
    }


@pytest.fixture(scope="module")
def told(specimen):
    """What `contents.json` tells of everything."""
    return draw(specimen, **everything(specimen))


def test_everything_there_is_is_drawn(specimen, told):
    assert [entry["place"] for entry in told["figures"]] == [
        "reconstruct/sirt_3d",
        "reconstruct/sirt_planes",
        "reconstruct/two_step_3d",
        "reconstruct/two_step_planes",
        "reconstruct/haadf_planes",
        "reconstruct/composite",
        "reconstruct/comparison",
        "resolution/sirt_fsc",
        "resolution/two_step_fsc",
        "thickness/sirt_maps",
        "thickness/sirt_shares",
        "align/shifts",
        "align/profiles",
        "align/axis",
        "element_maps/maps",
        "element_maps/sums",
        "element_maps/gain",
        "element_maps/frames",
        "denoise/maps",
        "train_denoiser/losses",
    ]
    for entry in told["figures"]:
        assert entry["title"]
        assert entry["caption"]
        for ending in ("svg", "png", "csv"):
            assert (specimen / f"figures/{entry['place']}.{ending}").stat().st_size > 20
    assert (specimen / "figures/reconstruct/sirt_3d.json").stat().st_size < 1_500_000


def test_the_list_tells_what_the_report_needs(told):
    assert told["specimen"] == "dot"
    assert told["alignment"] == {"origin": "automatic", "warnings": ["tilt 30 is far off"]}
    assert (told["manifest_warnings"], told["map_warnings"]) == (["dark"], ["Si overlaps"])
    assert told["made_by"] == {"sirt": MADE_BY, "two_step": MADE_BY}
    assert (told["tilt_deg"], told["signal"], told["map_shape"]) == (TILTS, "counts", [14, 18])


@pytest.mark.usefixtures("told")
def test_plotted_numbers_are_those_of_the_stores(specimen):
    maps, _ = store.read(
        specimen / "element_maps.zarr", axes=("element", "tilt", "y", "x"), units="count"
    )
    table = pd.read_csv(specimen / "figures/element_maps/maps.csv")
    assert table.loc[table["panel"] == 30, "S_count"].sum() == maps[1, 2].sum()
    sums = pd.read_csv(specimen / "figures/element_maps/sums.csv")
    np.testing.assert_array_equal(sums["Se_count"], maps[0].sum(axis=(1, 2)))


@pytest.mark.usefixtures("told")
def test_every_plotted_number_has_its_unit(specimen):
    for path in (specimen / "figures").rglob("*.csv"):
        columns = list(pd.read_csv(path, nrows=1))
        assert not {"Se", "S"} & set(columns), path
    planes = pd.read_csv(specimen / "figures/reconstruct/sirt_planes.csv", nrows=1)
    assert list(planes) == ["panel", "down_nm", "across_nm", "Se_count_per_nm", "S_count_per_nm"]


@pytest.mark.usefixtures("told")
def test_profiles_are_of_the_maps_moved_as_told(specimen):
    maps, _ = store.read(
        specimen / "element_maps.zarr", axes=("element", "tilt", "y", "x"), units="count"
    )
    table = pd.read_csv(specimen / "figures/align/profiles.csv")
    first = table[(table["along"] == "y") & (table["tilt_deg"] == -40)]
    # One row down, two columns to the left: what leaves the map is lost.
    moved = maps[:, 0, :-1, 2:].sum(axis=(0, 2))
    np.testing.assert_allclose(first["after"], [0, *moved], rtol=1e-6)  # float32


def test_large_views_are_made_coarser(specimen, tmp_path, monkeypatch):
    volumes, attrs = store.read_volumes(specimen / "volumes/sirt.ome.zarr")
    sizes = {}
    for most in (figures.MAX_TRIANGLES, 300):
        monkeypatch.setattr(figures, "MAX_TRIANGLES", most)
        path = tmp_path / "sirt_3d.json"
        drawing = figures.view(volumes, attrs, find_focus(volumes), path)
        sizes[most] = len(drawing.numbers)
        assert len(json.loads(path.read_text())["data"]) == 2
    assert 0 < sizes[300] < 300 < sizes[80_000]


def test_one_method_is_not_compared(specimen):
    found = list(figures.of_volumes([specimen / "volumes/sirt.ome.zarr"], None, specimen / "one"))
    places = [drawing.place.removeprefix("reconstruct/") for drawing in found]
    assert places == ["sirt_3d", "sirt_planes", "composite"]


def test_intensities_are_read_and_named(tmp_path, rng):
    write_measured(tmp_path, rng, "intensity")
    maps, attrs = store.read(
        tmp_path / "element_maps.zarr", axes=("element", "tilt", "y", "x"), units="intensity"
    )
    assert drawings.draw_maps(maps, attrs)[0].title == "Measured maps: intensity per pixel"


@pytest.mark.slow
def test_the_same_inputs_give_the_same_bytes(specimen, told):
    first = {path: path.read_bytes() for path in (specimen / "figures").rglob("*.*")}
    assert draw(specimen, **everything(specimen)) == told
    assert {path: path.read_bytes() for path in first} == first


def test_of_a_map_the_kernel_is_drawn_beside_the_denoised_map(tmp_path, rng):
    write_measured(tmp_path, rng, "counts")
    rates = rng.random((2, 14, 18), np.float32)
    layer = store.Layer(rates, ("element", "y", "x"), "count")
    store.write_group(tmp_path / "kernel.zarr", {"rates": layer}, n_frames=5)
    nothing = {"alignment": None, "alignment_table": None, "volumes": []}
    told = draw(
        tmp_path,
        **nothing,
        denoised=tmp_path / "denoised.zarr",
        kernel=tmp_path / "kernel.zarr",
    )
    places = {entry["place"] for entry in told["figures"]}
    assert "denoise/maps" in places and not [p for p in places if p.startswith("align")]
    assert (told["kind"], told["alignment"]["origin"]) == ("map", "a single map: none")
    numbers = pd.read_csv(tmp_path / "figures/denoise/maps.csv")
    kernel = numbers.loc[numbers.panel == "kernel", "S_count"]
    np.testing.assert_allclose(kernel.sum(), 5 * rates[1].sum(), rtol=1e-4)
