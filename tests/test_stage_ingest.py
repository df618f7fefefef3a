import shutil

import numpy as np
import pytest

from stemedx import store, tables
from stemedx.ingest.raw_writer import write_haadf, write_spectrum_image
from stemedx.params import ElementMapsParams, IngestParams
from stemedx.sheet import SheetRow
from stemedx.stages import element_maps, ingest
from tests.ingest.conftest import write_signal

TILTS = (-30.0, 5.0, 20.0)


@pytest.fixture
def places(tmp_path):
    return {"tilt_series": tmp_path / "tilt_series.zarr", "manifest": tmp_path / "tilt_series.csv"}


@pytest.fixture
def raw(tmp_path, rng):
    """Raw files of three tilts, 3 x 5 pixels; their spectra and HAADF."""
    spectra = rng.poisson(0.3, (3, 3, 5, 60)).astype(np.uint16)
    haadf = rng.random((3, 3, 5)).astype(np.float32)
    for tilt, counts, image in zip(TILTS, spectra, haadf, strict=True):
        write_spectrum_image(
            tmp_path / f"simulated/x/EDX_{tilt:g}.hspy",
            counts,
            pixel_nm=0.8,
            tilt_deg=tilt,
            energy_offset_keV=-0.1,
            energy_scale_keV=0.05,
            detector={"energy_resolution_MnKa": 133.0},
        )
        path = tmp_path / f"simulated/x/HAADF_{tilt:g}.hspy"
        write_haadf(path, image, pixel_nm=0.8, tilt_deg=tilt)
    return spectra, haadf


def test_simulated_raw_files(raw, places, tmp_path):
    spectra, haadf = raw
    row = SheetRow(specimen="x", raw="simulated/x", elements="S,Zn", signal="counts")
    ingest.run(IngestParams(), row=row, simulated=[tmp_path / "simulated/x"], **places)
    attrs = store.read_attrs(places["tilt_series"])
    made_by = attrs.pop("made_by")
    of_spectra = ("spectra_counts", "spectra_channels", "spectra_ends")
    assert attrs == {
        "axes": {
            **dict(zip(of_spectra, (["entry"], ["entry"], ["row"]), strict=True)),
            "haadf": ["tilt", "y", "x"],
        },
        "units": {
            **dict(zip(of_spectra, ("count", "channel", "entry"), strict=True)),
            "haadf": "arb. unit",
        },
        "specimen": "x",
        "elements": ["S", "Zn"],
        "tilt_deg": list(TILTS),
        "tilt_origin": "metadata",
        "pixel_nm": 0.8,
        "lines": ["S", "Zn"],
        "signal": "counts",
        "has_haadf": True,
        "axes_shape": [3, 3, 5],
        "content": "spectra",
        "energy_offset_keV": -0.1,
        "energy_scale_keV": pytest.approx(0.05),
        "n_channels": 60,
        "first_channel": 6,
        "beam_keV": 200.0,
        "resolution_MnKa_eV": 133.0,
        "elements_in_files": [],
        "n_frames": [0, 0, 0],  # the files do not say
        "first_frame": 1,
        "detectors": [],
    }
    assert len(made_by["inputs"]) == 6
    counts, channels, ends = (
        store.read_layer(places["tilt_series"], f"spectra_{name}", axes=(axis,), units=units)
        for name, axis, units in (
            ("counts", "entry", "count"),
            ("channels", "entry", "channel"),
            ("ends", "row", "entry"),
        )
    )
    pixels = np.repeat(np.arange(3 * 3 * 5), np.diff(ends))
    found = np.zeros((3 * 3 * 5, 60), int)
    found[pixels, channels] = counts
    spectra[..., :6] = 0  # below 0.2 keV
    assert (found.reshape(spectra.shape) == spectra).all()
    stored = store.read_layer(
        places["tilt_series"], "haadf", axes=("tilt", "y", "x"), units="arb. unit"
    )
    assert (stored == haadf).all()
    columns = ("file", "tilt_deg", "tilt_origin", "counts", "warnings")
    table = tables.read(places["manifest"], columns)
    told = ("beam_keV", "beam_nA", "live_s", "real_s", "dose_e_per_A2", "n_frames", "detectors")
    assert tuple(table.columns) == (*columns, *told)
    assert table.beam_keV.tolist() == [200.0] * 3
    assert table[list(told[1:])].isna().all(axis=None)  # the files do not say
    assert table.counts.tolist() == spectra.sum(axis=(1, 2, 3)).tolist()


@pytest.mark.parametrize(("dtype", "units"), [(np.uint8, "count"), (np.float32, "intensity")])
def test_exported_maps(tmp_path, places, rng, dtype, units):
    values = (rng.random((3, 5, 7)) * 3).astype(dtype)
    path = tmp_path / "maps/S.npy"
    path.parent.mkdir()
    np.save(path, values)
    row = SheetRow(
        specimen="x", raw=str(tmp_path / "maps/*.npy"), elements="S", tilts="-9:9:9", pixel_nm=0.6
    )
    ingest.run(IngestParams(), row=row, simulated=[], **places)
    axes = ("element", "tilt", "y", "x")
    maps = store.read_layer(places["tilt_series"], "maps", axes=axes, units=units)
    assert (maps[0] == values).all()
    attrs = store.read_attrs(places["tilt_series"])
    assert (attrs["content"], attrs["tilt_origin"], attrs["pixel_nm"]) == ("maps", "sheet", 0.6)
    assert (attrs["signal"], attrs["has_haadf"]) == (None, False)


def test_a_refused_specimen_leaves_nothing(tmp_path, places):
    row = SheetRow(specimen="x", raw=str(tmp_path / "nowhere"), elements="S")
    with pytest.raises(ValueError, match="nowhere: expected a folder, a file.*column raw"):
        ingest.run(IngestParams(), row=row, simulated=[], **places)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.data
@pytest.mark.slow
def test_velox_frames_from_file_to_table(data, tmp_path, places):
    """Two copies of a file of 10 frames and one of 4 detectors, as a series each."""
    pytest.importorskip("sparse")
    told = {
        "fei_SI_SuperX-HAADF_10frames_10x50": (10, np.nan, 1.28e-3 * 500 * 10, ["SuperXG2"]),
        "fei_SI_EDS-HAADF-4detectors_2frames": (
            2, 0.66946, 0.064 * 256 * 2, [f"SuperXG2{n}" for n in (1, 2, 3, 4)],
        ),
    }  # fmt: skip
    for name, (n_frames, current, seconds, detectors) in told.items():
        folder = tmp_path / name
        folder.mkdir()
        for copy in "ab":
            shutil.copy(data / f"vendor/velox/{name}.emd", folder / f"{copy}.emd")
        row = SheetRow(specimen="x", raw=str(folder), elements="Si,Cu", tilts="-5:5:10")
        ingest.run(IngestParams(), row=row, simulated=[], **places)
        table = tables.read(places["manifest"], ("n_frames",))
        assert table.n_frames.tolist() == [n_frames] * 2
        assert table.beam_nA.to_numpy() == pytest.approx([current] * 2, nan_ok=True, rel=1e-4)
        assert table.real_s.to_numpy() == pytest.approx([seconds] * 2, rel=1e-6)
        area = (256 if n_frames == 2 else 500) * 12.34**2
        dose = current * 1e-9 * seconds / 1.602176634e-19 / area
        assert table.dose_e_per_A2.to_numpy() == pytest.approx([dose] * 2, nan_ok=True, rel=1e-3)
        assert [part.split()[0] for part in table.detectors[0].split(", ")] == detectors
        element_maps.run(
            ElementMapsParams(), lines=["Si", "Cu"], signal=None,
            tilt_series=places["tilt_series"], element_maps=tmp_path / "maps.zarr",
            net=tmp_path / "net.zarr", table=tmp_path / "maps.csv", frames=tmp_path / "frames.csv",
        )  # fmt: skip
        frames = tables.read(tmp_path / "frames.csv", ("tilt_deg", "frame", "detector", "element"))
        assert sorted(set(frames.frame)) == list(range(1, n_frames + 1))
        assert sorted(set(frames.detector)) == detectors
        totals = tables.read(tmp_path / "maps.csv", ("counts",)).counts
        by_map = frames.groupby(["element", "tilt_deg"], sort=False).counts.sum()
        assert sorted(by_map) == sorted(totals)
        assert frames.whole.all()


def test_frames_of_a_map(places, tmp_path, rng):
    frames = rng.poisson(0.4, (4, 3, 5)).astype(np.uint8)
    axes = [("frame", "", 0.0, 1.0), ("y", "nm", 0.0, 0.8), ("x", "nm", 0.0, 0.8)]
    for name in ("S", "HAADF"):
        write_signal(tmp_path / f"raw/{name}.hspy", frames, axes, title=name)
    row = SheetRow(specimen="x", raw=str(tmp_path / "raw"), elements="S", kind="map")
    ingest.run(IngestParams(), row=row, simulated=[], **places)
    path = places["tilt_series"]
    maps_axes = ("element", "frame", "y", "x")
    maps = store.read_layer(path, "maps", axes=maps_axes, units="count")
    assert np.array_equal(maps, frames[None])
    haadf = store.read_layer(path, "haadf", axes=maps_axes[1:], units="arb. unit")
    assert np.array_equal(haadf, frames)
    attrs = store.read_attrs(path)
    assert (attrs["content"], attrs["pixel_nm"], attrs["lines"]) == ("frames", 0.8, ["S"])
    assert len(tables.read(places["manifest"], ("file", "counts"))) == 1
