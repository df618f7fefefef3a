import dask.array
import h5py
import numpy as np
import pytest

from stemedx.ingest import signals
from stemedx.ingest.apart import reading_apart
from stemedx.ingest.contents import Contents, read_contents
from stemedx.ingest.files import raw_files
from stemedx.ingest.gather import gather
from stemedx.ingest.photons import from_streams
from stemedx.sheet import SheetRow

Y, X, E = ("y", "nm", 0.0, 0.8), ("x", "nm", 0.0, 0.8), ("Energy", "keV", -0.1, 0.05)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "raw"


def gathered(folder, min_kev=0.2, read=read_contents, **more):
    row = SheetRow(specimen="s", raw=str(folder), elements="S,Zn", **more)
    return gather(raw_files(row.raw, "raw"), row, min_kev, read)


def dense(series):
    """Spectra as ``(tilt, y, x, channel)``."""
    content, n_tilts = series.content, len(series.tilt_deg)
    spectra = np.zeros((len(content.ends) - 1, content.axis.n_channels), int)
    for row, (first, end) in enumerate(zip(content.ends[:-1], content.ends[1:], strict=True)):
        spectra[row, content.channels[first:end]] = content.counts[first:end]
    return spectra.reshape(n_tilts, *series.shape, -1)


def manifest(series, column):
    return [row[column] for row in series.manifest]


def test_one_file_per_tilt_sorted_by_tilt(folder, write_spectra):
    later = write_spectra(folder / "a.hspy", tilt=25.0)
    first = write_spectra(folder / "b.hspy", tilt=-10.0)
    series = gathered(folder)
    assert series.tilt_deg.tolist() == [-10, 25]
    assert (series.pixel_nm, series.shape) == (0.8, (3, 4))
    # channels 0 to 5 lie below 0.2 keV: -0.1 + 0.05 * 6 = 0.2
    kept = np.stack([first, later])
    kept[..., :6] = 0
    assert (dense(series) == kept).all()
    assert manifest(series, "file") == ["b.hspy", "a.hspy"]
    assert manifest(series, "counts") == kept.sum(axis=(1, 2, 3)).tolist()
    assert series.content.beam_keV == 200.0
    assert series.haadf is None


def test_one_file_of_several_tilts(folder, write, rng):
    spectra = rng.poisson(0.2, (3, 4, 5, 30)).astype(np.uint8)
    write(folder / "all.hspy", spectra, [("tilt", "deg", 30.0, -20.0), Y, X, E])
    series = gathered(folder / "all.hspy", min_kev=0.0)
    assert series.tilt_deg.tolist() == [-10, 10, 30]
    assert (dense(series)[..., 2:] == spectra[::-1, ..., 2:]).all()
    assert manifest(series, "file") == ["all.hspy[2]", "all.hspy[1]", "all.hspy[0]"]


def test_energy_may_come_first(folder, write, rng):
    spectra = rng.poisson(0.2, (30, 4, 5)).astype(np.uint8)
    for tilt in (-5.0, 5.0):
        write(folder / f"{tilt}.hspy", spectra, [E, Y, X], tilt=tilt)
    series = gathered(folder, min_kev=0.0)
    assert series.shape == (4, 5)
    assert (dense(series)[0, ..., 2:] == np.moveaxis(spectra, 0, -1)[..., 2:]).all()


def test_energy_before_the_tilts_is_refused(folder, write):
    spectra = np.zeros((30, 3, 4, 5), np.uint8)
    write(folder / "all.hspy", spectra, [E, ("tilt", "deg", 0.0, 10.0), Y, X])
    with pytest.raises(ValueError, match=r"all.hspy: expected the axes \(tilt, y, x, energy\)"):
        gathered(folder)


def test_whole_floats_are_counts(folder, write):
    for tilt in (-5.0, 5.0):
        write(folder / f"{tilt}.hspy", np.full((3, 4, 30), 2.0), [Y, X, E], tilt=tilt)
    assert gathered(folder).content.counts.dtype == np.uint16


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "5.0.hspy: expected finite values, found nan at y 1, x 2, channel 3"),
        (-1.0, "5.0.hspy: expected values >= 0, found -1 at y 1, x 2, channel 3"),
        (0.5, "5.0.hspy: expected spectra of counted photons, found fractions such as 0.5"),
    ],
)
def test_spectra_that_were_not_counted_are_refused(folder, write, value, message):
    spectra = np.zeros((3, 4, 30))
    write(folder / "-5.0.hspy", spectra, [Y, X, E], tilt=-5.0)
    spectra[1, 2, 3] = value
    write(folder / "5.0.hspy", spectra, [Y, X, E], tilt=5.0)
    with pytest.raises(ValueError, match=message):
        gathered(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": (4, 4, 40)}, "b.hspy: expected maps of 3 x 4 pixels as in a.hspy, found 4 x 4"),
        ({"pixel": 1.6}, "b.hspy: expected pixels of 0.8 nm as in a.hspy, found 1.6 nm"),
        ({"units": ""}, "b.hspy: expected the size of a pixel, found no calibration. Set pixel_nm"),
        ({"shape": (3, 4, 50)}, "b.hspy: expected the energy axis of a.hspy"),
        ({"tilt": -10.0}, "unknown: .* equal stage tilts"),
        ({"tilt": None}, "unknown: .* stage tilts in 1 of 2"),
    ],
)
def test_files_that_do_not_fit_each_other_are_refused(folder, write_spectra, change, message):
    write_spectra(folder / "a.hspy", tilt=-10.0)
    write_spectra(folder / "b.hspy", **{"tilt": 5.0, **change})
    with pytest.raises(ValueError, match=message):
        gathered(folder)


def test_pixel_of_the_sheet_overrules_and_is_told(folder, write_spectra):
    for tilt in (-10.0, 5.0):
        write_spectra(folder / f"{tilt}.hspy", tilt=tilt)
    series = gathered(folder, pixel_nm=0.5)
    assert series.pixel_nm == 0.5
    assert manifest(series, "warnings") == ["pixel_nm of the sheet used, not 0.8 nm"] * 2


def test_two_spectrum_images_in_a_file_are_refused(folder, write_spectra):
    for title in ("SDD 1", "SDD 2"):
        write_into(folder / "a.hspy", write_spectra, title)
    with pytest.raises(ValueError, match="a.hspy: expected one spectrum image, found 2 .*'SDD 1'"):
        gathered(folder)


def write_into(path, write_spectra, title):
    """Add a signal to a HyperSpy file, as several detectors of one measurement are."""
    part = path.with_name(f"{title}.part.hspy")
    write_spectra(part, title=title, tilt=0.0)
    with h5py.File(part) as source, h5py.File(path, "a") as target:
        target.attrs.update(source.attrs)
        source.copy(f"Experiments/{title}", target.require_group("Experiments"), title)
    part.unlink()


def test_no_spectrum_image_is_refused(folder, write):
    write(folder / "a.hspy", np.zeros((40,)), [E], title="Sum")
    with pytest.raises(ValueError, match=r"maps named S, Zn, found none \(a.hspy: Sum \(40\)\)"):
        gathered(folder)


def add_haadf(folder, write, rng, *, tilts, shape=(3, 4), title="HAADF", name="HAADF"):
    images = rng.random((len(tilts), *shape)).astype(np.float32)
    for tilt, image in zip(tilts, images, strict=True):
        write(folder / f"{name}_{tilt:g}.hspy", image, [Y, X], title=title, tilt=tilt)
    return images


def test_haadf_beside_the_spectra(folder, write_spectra, write, rng):
    for tilt in (25.0, -10.0):
        write_spectra(folder / f"EDX_{tilt:g}.hspy", tilt=tilt)
    images = add_haadf(folder, write, rng, tilts=[25.0, -10.0])
    series = gathered(folder)
    assert (series.haadf == images[::-1]).all()
    assert manifest(series, "warnings") == ["", ""]


def test_other_pictures_are_ignored_and_told(folder, write_spectra, write, rng):
    for tilt in (25.0, -10.0):
        write_spectra(folder / f"EDX_{tilt:g}.hspy", tilt=tilt)
    add_haadf(folder, write, rng, tilts=[0.0], title="BF", name="overview")
    series = gathered(folder)
    assert series.haadf is None
    assert series.manifest[-1]["file"] == "overview_0.hspy"
    assert series.manifest[-1]["warnings"] == "ignored: BF (3 x 4)"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tilts": [25.0, -20.0]}, "expected a HAADF image at -10 degrees, found -20"),
        ({"tilts": [25.0, -10.0], "shape": (6, 8)}, "expected HAADF of 3 x 4 pixels as the maps"),
        ({"tilts": [0.0]}, "expected a series of several tilts, found one view"),
    ],
)
def test_haadf_that_does_not_fit(folder, tmp_path, write_spectra, write, rng, change, message):
    """What lies beside the spectra is left out; what the sheet names must fit."""
    for tilt in (25.0, -10.0):
        write_spectra(folder / f"EDX_{tilt:g}.hspy", tilt=tilt)
    add_haadf(tmp_path / "haadf", write, rng, **change)
    with pytest.raises(ValueError, match=message):
        gathered(folder, haadf=str(tmp_path / "haadf"))
    add_haadf(folder, write, rng, **change)
    series = gathered(folder)
    assert series.haadf is None
    assert "ignored: HAADF does not fit" in series.manifest[-1]["warnings"]


def test_haadf_stack_by_the_tilts_of_the_sheet(folder, tmp_path, write_spectra, write, rng):
    for name in "ab":
        write_spectra(folder / f"{name}.hspy")
    stack = rng.random((2, 3, 4))
    write(tmp_path / "HAADF.hspy", stack, [("z", "", 0.0, 1.0), Y, X], title="")
    series = gathered(folder, haadf=str(tmp_path / "HAADF.hspy"), tilts="20:-20:-40")
    assert series.tilt_deg.tolist() == [-20, 20]
    assert series.haadf == pytest.approx(stack[::-1], rel=1e-6)  # float32
    with pytest.raises(ValueError, match="HAADF.hspy: .* 1 tilts for 2 views|unknown"):
        gathered(folder, haadf=str(tmp_path / "HAADF.hspy"), tilts=None)


@pytest.mark.parametrize("value", [np.nan, 1j])
def test_haadf_that_is_no_image_is_refused(folder, tmp_path, write_spectra, write, value):
    write_spectra(folder / "a.hspy", tilt=-10.0)
    write_spectra(folder / "b.hspy", tilt=5.0)
    write(tmp_path / "HAADF_5.hspy", np.full((3, 4), value), [Y, X], title="HAADF", tilt=5.0)
    with pytest.raises(ValueError, match="HAADF_5.hspy: expected a HAADF image .y, x. of finite"):
        gathered(folder, haadf=str(tmp_path / "HAADF_5.hspy"))


def test_haadf_files_without_a_picture_are_refused(folder, tmp_path, write_spectra):
    write_spectra(folder / "a.hspy", tilt=-10.0)
    write_spectra(folder / "b.hspy", tilt=5.0)
    with pytest.raises(
        ValueError, match="a.hspy: expected one HAADF image or stack, found no imag"
    ):
        gathered(folder, haadf=str(folder))


@pytest.mark.data
@pytest.mark.slow
def test_real_bruker_series(data):
    row = SheetRow(specimen="l2083", raw=str(data / "l2083"), elements="Si,Fe,O")
    with reading_apart() as read:
        series = gather(raw_files(row.raw, "raw"), row, 0.2, read)
    assert series.tilt_deg.tolist() == [-40, -30, -20, -10, 0, 10, 20, 30]
    assert {row["tilt_origin"] for row in series.manifest[:8]} == {"file name"}
    assert series.pixel_nm == pytest.approx(13.0814, rel=1e-4)
    assert series.haadf.shape == (8, 256, 256)
    assert series.manifest[0]["counts"] == 1_284_515
    assert "After HAADF" in series.manifest[8]["file"]


def test_pruned_velox_file_is_refused(folder, write):
    """Among whole files it must not go as one HAADF image more."""
    write(folder / "a.hspy", np.ones((3, 4)), [Y, X], title="HAADF", tilt=5.0)

    def read(path):
        return Contents(read_contents(path).signals, ["the file has been 'pruned'"])

    with pytest.raises(ValueError, match="a.hspy: expected a spectrum image, found a pruned Velox"):
        gathered(folder, read=read)


def test_parts_of_an_image_make_the_whole(folder, write_spectra, monkeypatch):
    """Whatever the memory that a part may take, the counts are the same."""
    for tilt in (-10.0, 5.0):
        write_spectra(folder / f"{tilt}.hspy", tilt=tilt, shape=(7, 4, 40))
    whole = gathered(folder)
    monkeypatch.setattr(signals, "PART_BYTES", 3 * 4 * 40)
    assert (dense(gathered(folder)) == dense(whole)).all()


def test_place_of_a_fault_counts_from_the_first_row(folder, write, monkeypatch):
    monkeypatch.setattr(signals, "PART_BYTES", 1)
    spectra = np.zeros((3, 4, 30))
    spectra[2, 1, 3] = -1
    write(folder / "5.0.hspy", spectra, [Y, X, E], tilt=5.0)
    with pytest.raises(ValueError, match="found -1 at y 2, x 1, channel 3"):
        gathered(folder)


def test_dose_of_a_tilt(folder, write_spectra):
    for tilt in (-10.0, 5.0):
        write_spectra(folder / f"{tilt}.hspy", tilt=tilt)
        with h5py.File(folder / f"{tilt}.hspy", "a") as file:
            tem = file["Experiments/EDX/metadata/Acquisition_instrument/TEM"]
            tem.attrs["beam_current"] = 0.5
            detector = tem.require_group("Detector").require_group("EDS")
            detector.attrs["live_time"], detector.attrs["real_time"] = 9.0, 12.0
    series = gathered(folder)
    assert manifest(series, "live_s") == [9.0, 9.0]
    electrons = 0.5e-9 * 12 / 1.602176634e-19
    assert manifest(series, "dose_e_per_A2") == pytest.approx([electrons / (3 * 4 * 8.0**2)] * 2)


class Stream:
    """What the readers of photon streams hand over: ``(frame, y, x, channel)``, sparse."""

    def __init__(self, dense):
        self.coords, self.data, self.shape = (
            np.stack(np.nonzero(dense)), dense[dense > 0], dense.shape
        )  # fmt: skip


@pytest.fixture
def read_streams(rng):
    """Read two tilts of 3 x 4 pixels, 3 frames and 2 detectors; see `truth`."""
    truth = {f"{tilt}deg.emd": rng.poisson(0.2, (2, 3, 3, 4, 40)) for tilt in (-10, 5)}

    def read(path):
        names = ["SDD 2", "SDD 1"] if path.name == "5deg.emd" else ["SDD 1", "SDD 2"]
        streams = [Stream(one) for one in truth[path.name]]
        axes = [signals.Axis(n, "nm", 0.8 * np.arange(size)) for n, size in (("y", 3), ("x", 4))]
        axes.append(signals.Axis("Energy", "keV", -0.1 + 0.05 * np.arange(40)))
        image = signals.Signal(
            path, "EDS", from_streams(streams, names), tuple(axes), False, None, 200.0, None,
            (), 0.5, None, 12.0,
        )  # fmt: skip
        return Contents([image], [])

    return truth, read


def with_streams(tmp_path, read, **more):
    for name in ("-10deg.emd", "5deg.emd"):
        (tmp_path / name).touch()
    return gathered(tmp_path, read=read, **more)


def test_frames_and_detectors_are_kept(tmp_path, read_streams):
    truth, read = read_streams
    series = with_streams(tmp_path, read)
    content = series.content
    assert (content.n_frames, content.names) == ((3, 3), ("SDD 1", "SDD 2"))
    pixels = np.repeat(np.arange(24), np.diff(content.ends))
    found = np.zeros((2, 3, 24, 40), int)
    place = (content.detectors, content.frames, pixels, content.channels)
    np.add.at(found, place, content.counts)
    found = found.reshape(2, 3, 2, 3, 4, 40)
    other = truth["5deg.emd"][::-1]  # its detectors come in another order
    expected = np.stack([truth["-10deg.emd"], other], axis=2)
    expected[..., :6] = 0  # below 0.2 keV
    assert (found == expected).all()
    first = expected[:, :, 0].sum(axis=(1, 2, 3, 4))
    told = manifest(series, "detectors")[0]
    assert told == f"SDD 1 {first[0]}, SDD 2 {first[1]}"
    assert manifest(series, "n_frames") == [3, 3]


def test_frames_of_the_sheet(tmp_path, read_streams):
    truth, read = read_streams
    series = with_streams(tmp_path, read, frames="2:3")
    kept = truth["-10deg.emd"][:, 1:, ..., 6:]
    assert manifest(series, "counts")[0] == kept.sum()
    assert manifest(series, "real_s") == [8.0, 8.0]  # two of three frames
    assert set(series.content.frames.tolist()) == {0, 1}
    message = "-10deg.emd: expected frames 2 to 4 as the sheet says, found 3 frames. Correct the"
    with pytest.raises(ValueError, match=message):
        with_streams(tmp_path, read, frames="2:4")


def test_frames_of_a_file_that_has_none_are_refused(folder, write_spectra):
    for tilt in (-10.0, 5.0):
        write_spectra(folder / f"{tilt}.hspy", tilt=tilt)
    with pytest.raises(ValueError, match="found the sum of its frames alone"):
        gathered(folder, frames="1:1")


def test_frames_are_kept_only_where_all_files_have_them(tmp_path, read_streams, write_spectra):
    _, read = read_streams
    write_spectra(tmp_path / "20deg.hspy")

    def either(path):
        return read_contents(path) if path.suffix == ".hspy" else read(path)

    content = with_streams(tmp_path, either).content
    assert (content.frames, content.detectors, content.names) == (None, None, ())
    assert content.n_frames == (3, 3, 0)


def test_streams_of_different_shape_are_refused(rng):
    streams = [Stream(rng.poisson(0.2, (n, 3, 4, 40))) for n in (2, 3)]
    with pytest.raises(ValueError, match=r"expected streams of one shape, found \[\(2, 3, 4, 40\)"):
        from_streams(streams, ["SDD 1", "SDD 2"])


def test_a_stream_without_a_sparse_array_is_refused():
    lazy = dask.array.zeros((2, 3))
    with pytest.raises(TypeError, match="expected one sparse array behind a stream, found 0"):
        signals._sparse_of(lazy)
