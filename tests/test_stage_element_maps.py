import warnings

import numpy as np
import pytest
from scipy.sparse import csr_array

from stemedx import store, tables
from stemedx.maps.lines import families_of
from stemedx.maps.response import Response, line_columns, noise_for
from stemedx.params import ElementMapsParams, IngestParams, PhantomParams, SimulateParams
from stemedx.sheet import SheetRow
from stemedx.stages import element_maps, ingest, simulate

AXES = ("element", "tilt", "y", "x")
PARAMS = ElementMapsParams()


@pytest.fixture
def write_series(tmp_path):
    """Write a tilt series of maps or spectra by hand; return its path."""

    def write(layers, **attrs):
        common = {"tilt_deg": [-9.0, 0.0, 9.0], "pixel_nm": 0.8, "axes_shape": [3, 4, 5]}
        path = tmp_path / "tilt_series.zarr"
        store.write_group(path, layers, **common, **attrs)
        return path

    return write


def maps_layer(values, units="count"):
    return {"maps": store.Layer(values, AXES, units)}


def run(tilt_series, lines, signal=None, params=PARAMS, drift=None):
    """Run the stage; return its maps and attributes."""
    place = tilt_series.with_name("element_maps.zarr")
    element_maps.run(
        params,
        lines=lines,
        signal=signal,
        tilt_series=tilt_series,
        drift=drift,
        element_maps=place,
        net=place.with_name("net_maps.zarr"),
        table=place.with_name("element_maps.csv"),
        frames=place.with_name("element_frames.csv"),
    )
    return store.read(place, axes=AXES, units=("count", "intensity"))


def test_exported_maps_stay_as_they_are(write_series, rng):
    values = rng.poisson(2.0, (2, 3, 4, 5)).astype(np.uint16)
    maps, attrs = run(write_series(maps_layer(values), content="maps"), ["Se_La", "S"])
    assert (maps == values).all()
    made_by = attrs.pop("made_by")
    assert made_by["stage"] == "element_maps"
    totals = values.sum(axis=(2, 3))
    gains = totals / totals.mean(axis=1, keepdims=True)
    assert attrs == {
        "axes": list(AXES),
        "units": "count",
        "elements": ["Se", "S"],
        "lines": ["Se_La", "S"],
        "tilt_deg": [-9.0, 0.0, 9.0],
        "pixel_nm": 0.8,
        "signal": "counts",
        "variance_to_mean": [1.0, 1.0],
        "method": "exported",
        "gain": [pytest.approx(row) for row in gains.tolist()],
        "background": [[0.0] * 3] * 2,
    }


def test_what_the_maps_are_not_is_refused_with_the_store(write_series):
    values = np.full((1, 3, 4, 5), 2, np.uint16)
    with pytest.raises(ValueError, match=r"tilt_series.zarr: Au: expected hits of 0 or 1"):
        run(write_series(maps_layer(values), content="maps"), ["Au"], "hits")


def test_intensities_keep_their_unit_and_factor(tmp_path, rng):
    values = 0.3 * rng.poisson(2.0, (1, 3, 48, 64)).astype(np.float32)
    path = tmp_path / "tilt_series.zarr"
    layers = maps_layer(values, "intensity")
    store.write_group(path, layers, tilt_deg=[-9.0, 0.0, 9.0], pixel_nm=0.8, content="maps")
    maps, attrs = run(path, ["Au"], "intensity")
    assert (maps == values).all()
    assert (attrs["units"], attrs["signal"]) == ("intensity", "intensity")
    assert attrs["variance_to_mean"] == pytest.approx([0.3], rel=0.25)  # 90 tiles


def test_line_that_the_spectra_do_not_hold_is_refused(write_series):
    layers = {
        "spectra_counts": store.Layer(np.ones(0, np.uint16), ("entry",), "count"),
        "spectra_channels": store.Layer(np.ones(0, np.uint16), ("entry",), "channel"),
        "spectra_ends": store.Layer(np.zeros(61, np.int64), ("row",), "entry"),
    }
    energies = {"energy_offset_keV": 0.0, "energy_scale_keV": 0.02, "n_channels": 300}
    told = {"first_channel": 10, "beam_keV": 200.0, "resolution_MnKa_eV": None}
    path = write_series(layers, content="spectra", **energies, **told)
    with pytest.raises(ValueError, match="a line of Zn_Ka between 0.20 and 5.98 keV"):
        run(path, ["S", "Zn_Ka"])


@pytest.fixture
def spectra_of_two_lines(write_series, rng):
    """A tilt series of 3 x 4 x 5 pixels: Zn that rises with the tilt, and background."""
    response = Response(-0.1, 0.02, noise_for(140.0))
    energies = response.energies(0, 520)
    peak = line_columns(families_of("Zn", 7.0, 10.3, None, frozenset()), response, 0, 520)[:, 0]
    rates = np.repeat([[40.0], [60.0], [80.0]], 20, axis=0) * peak
    rates = rates + 0.02 * (energies > 0.3)
    spectra = csr_array(rng.poisson(rates).astype(np.uint16))
    layers = {
        "spectra_counts": store.Layer(spectra.data, ("entry",), "count"),
        "spectra_channels": store.Layer(spectra.indices.astype(np.uint16), ("entry",), "channel"),
        "spectra_ends": store.Layer(spectra.indptr.astype(np.int64), ("row",), "entry"),
    }
    energy = {"energy_offset_keV": -0.1, "energy_scale_keV": 0.02, "n_channels": 520}
    told = {"first_channel": 20, "beam_keV": 200.0, "resolution_MnKa_eV": 140.0}
    return write_series(layers, content="spectra", elements_in_files=["Zn"], **energy, **told)


@pytest.mark.parametrize("method", ["windows", "fit"])
def test_net_counts_gain_and_background(spectra_of_two_lines, method):
    params = ElementMapsParams(method=method, fit_from_keV=0.5, fit_to_keV=10.2)
    maps, attrs = run(spectra_of_two_lines, ["Zn_Ka"], params=params)
    table = tables.read(
        spectra_of_two_lines.with_name("element_maps.csv"), ("counts", "net", "net_sd", "gain")
    )
    assert table.counts.tolist() == maps.sum(axis=(2, 3)).ravel().tolist()
    # K alpha is 87 % of the family, a window of +- 1 FWHM holds 98 % of it
    truth = 0.981 * 0.8867 * 20 * np.array([40.0, 60.0, 80.0])
    assert (np.abs(table.net - truth) < 4 * table.net_sd).all()  # 4 standard deviations
    assert table.net_sd.to_numpy() == pytest.approx(np.sqrt(truth), rel=0.3)  # background adds
    assert attrs["gain"][0] == pytest.approx([2 / 3, 1, 4 / 3], rel=0.1)  # 3 % of noise
    assert attrs["background"][0] == pytest.approx(table.counts - table.net)
    place = spectra_of_two_lines.with_name("net_maps.zarr")
    net = store.read_layer(place, "net", axes=AXES, units="count")
    variance = store.read_layer(place, "variance", axes=AXES, units="count^2")
    assert net.sum(axis=(2, 3)).ravel() == pytest.approx(table.net, rel=2e-3)  # of the bound
    assert (variance >= 0).all()
    if method == "fit":
        assert table.photons.to_numpy() == pytest.approx(20 * np.array([40, 60, 80]), rel=0.15)


@pytest.mark.parametrize("shape", ["core_shell", "rod"])
def test_from_phantom_to_counts(tmp_path, shape):
    """The photons drawn come back, but for what the windows cut off: 1.9 % of a Gaussian."""
    phantom = PhantomParams(
        shape=shape, size_px=24, pixel_nm=0.8, tilts="-60:60:30", peak=4.0, hits=shape == "rod"
    )
    raw, truth = tmp_path / "simulated/x", tmp_path / "truth/x.ome.zarr"
    simulate.run(SimulateParams(seed=3, phantoms={"x": phantom}), phantom="x", raw=raw, truth=truth)
    _, told = store.read_volumes(truth)
    drawn = told["made_by"]["counts"]
    row = SheetRow(specimen="x", raw="simulated/x", elements=",".join(drawn))
    series = tmp_path / "x/tilt_series.zarr"
    ingest.run(IngestParams(), row=row, simulated=[raw], tilt_series=series,
               manifest=tmp_path / "x/tilt_series.csv")  # fmt: skip
    maps, attrs = run(series, list(row.elements))
    assert maps.dtype == np.uint16
    assert maps.shape == (len(drawn), 5, 24, 24)
    assert attrs["signal"] == ("hits" if shape == "rod" else "counts")
    assert attrs["tilt_deg"] == [-60, -30, 0, 30, 60]
    totals = maps.sum(axis=(1, 2, 3))
    expected = [0.98 * number for number in drawn.values()]
    # binomial scatter is below 1 %; the ends of a window fall on channels of 20 eV
    assert totals == pytest.approx(expected, rel=0.02)
    assert (totals <= list(drawn.values())).all()


def test_hyperspy_reads_what_simulate_writes(tmp_path):
    """The raw files are what users of HyperSpy expect, not only what ingest reads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # hyperspy warns of its own future
        import hyperspy.api as hs  # noqa: PLC0415

        phantom = PhantomParams(shape="rod", size_px=16, pixel_nm=0.8, tilts="-20:20:40")
        params = SimulateParams(phantoms={"x": phantom})
        simulate.run(params, phantom="x", raw=tmp_path / "x", truth=tmp_path / "t.ome.zarr")
        edx = hs.load(tmp_path / "x/EDX_-20.hspy")
        haadf = hs.load(tmp_path / "x/HAADF_-20.hspy")
    assert type(edx).__name__ == "EDSTEMSpectrum"
    assert edx.axes_manager.navigation_shape == (16, 16)
    assert edx.axes_manager[-1].units == "keV"
    assert [axis.scale for axis in edx.axes_manager.navigation_axes] == [0.8, 0.8]
    assert edx.metadata.Acquisition_instrument.TEM.Stage.tilt_alpha == -20
    assert type(haadf).__name__ == "Signal2D"
    assert haadf.axes_manager.signal_shape == (16, 16)


def test_frames_are_added_up_where_all_of_them_have_scanned(write_series, rng, tmp_path):
    axes = ("element", "frame", "y", "x")
    frames = rng.poisson(0.3, (2, 5, 6, 9)).astype(np.uint8)
    scanned = np.ones((5, 6, 9), np.uint8)
    scanned[1, 0] = scanned[3, :, -2:] = 0
    layers = {
        "maps": store.Layer(frames, axes, "count"),
        "scanned": store.Layer(scanned, axes[1:], "1"),
    }
    drift = tmp_path / "drift.zarr"
    store.write_group(drift, layers, lines=["Se", "S"], pixel_nm=0.8)
    series = write_series({}, content="frames")
    # of a single frame the sheet may say that it is hits; sums are counts
    maps, attrs = run(series, ["Se", "S"], "hits", drift=drift)
    np.testing.assert_array_equal(maps[:, 0], frames.sum(1)[:, 1:, :-2])
    assert (attrs["tilt_deg"], attrs["signal"]) == ([0.0], "counts")
    assert set(attrs["made_by"]["inputs"]) == {"tilt_series", "drift"}
