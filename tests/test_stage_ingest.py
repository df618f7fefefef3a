import numpy as np
import pytest

from stemedx import store, tables
from stemedx.ingest.raw_writer import write_haadf, write_spectrum_image
from stemedx.params import IngestParams
from stemedx.sheet import SheetRow
from stemedx.stages import ingest

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
    assert attrs == {
        "specimen": "x",
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
    told = ("beam_keV", "beam_nA", "live_s", "real_s", "dose_e_per_A2")
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
