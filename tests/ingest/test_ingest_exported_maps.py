import mrcfile
import numpy as np
import pytest
import tifffile

from stemedx.ingest.contents import read_contents
from stemedx.ingest.exported_maps import map_files
from stemedx.ingest.files import raw_files
from stemedx.ingest.gather import gather
from stemedx.sheet import SheetRow


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "raw"


def gathered(folder, elements="Zn,S", **more):
    row = SheetRow(specimen="s", raw=str(folder), elements=elements, **more)
    return gather(raw_files(row.raw, "raw"), row, 0.2, read_contents)


def test_maps_in_the_order_of_the_sheet_and_of_rising_tilt(folder, write_maps):
    zn = write_maps(folder / "Zn.hspy", tilt=("tilt", "deg", 30.0, -25.0))
    s = write_maps(folder / "S.hspy", tilt=("tilt", "deg", 30.0, -25.0))
    write_maps(folder / "Se.hspy")
    series = gathered(folder)
    assert series.tilt_deg.tolist() == [-20, 5, 30]
    assert series.content.dtype == np.uint16
    assert (series.content == np.stack([zn, s])[:, ::-1]).all()
    rows = series.manifest
    assert [row["file"] for row in rows[:4]] == [*(f"Zn.hspy[{n}]" for n in (2, 1, 0)), "S.hspy[2]"]
    assert rows[0]["counts"] == zn[2].sum()
    assert {row["tilt_origin"] for row in rows[:6]} == {"axis"}
    assert rows[6]["warnings"] == "ignored: not named after an element of the sheet"


def test_fractions_stay_intensities(folder, write_maps, rng):
    values = rng.random((3, 5, 7)).astype(np.float32)
    write_maps(folder / "Zn.hspy", values)
    write_maps(folder / "S.hspy")
    series = gathered(folder)
    assert series.content.dtype == np.float32
    assert (series.content[0] == values).all()
    assert series.manifest[0]["counts"] == pytest.approx(values[0].sum(), abs=1e-3)  # 3 digits


def test_haadf_beside_the_maps(folder, write_maps, rng):
    for name in ("Zn", "S"):
        write_maps(folder / f"{name}.hspy")
    haadf = write_maps(folder / "HAADF.hspy", rng.random((3, 5, 7)))
    assert gathered(folder).haadf == pytest.approx(haadf, rel=1e-6)  # float32


def test_haadf_that_does_not_fit_is_left_out(folder, write_maps, rng):
    for name in ("Zn", "S"):
        write_maps(folder / f"{name}.hspy")
    write_maps(folder / "HAADF.hspy", rng.random((3, 5, 8)))
    series = gathered(folder)
    assert series.haadf is None
    assert "ignored: " in series.manifest[-1]["warnings"]
    with pytest.raises(ValueError, match="HAADF.hspy: expected HAADF of 5 x 7 pixels"):
        gathered(folder, haadf=str(folder / "HAADF.hspy"))


def test_element_without_a_file_is_refused(folder, write_maps):
    write_maps(folder / "S.hspy")
    with pytest.raises(ValueError, match=r"expected a file of maps of Zn, found only S.hspy. Add"):
        gathered(folder)


def test_tilts_of_the_sheet(folder, write_maps):
    for name in ("Zn", "S"):
        write_maps(folder / f"{name}.hspy", tilt=("z", "", 0.0, 1.0))
    assert gathered(folder, tilts="-7:7:7").tilt_deg.tolist() == [-7, 0, 7]
    with pytest.raises(ValueError, match=r"unknown: .*Zn.hspy\[0\]|tilts of Zn.hspy.* are unknown"):
        gathered(folder)
    with pytest.raises(ValueError, match=r"found 5 tilts for 3 views \(Zn.hspy\[0\] to"):
        gathered(folder, tilts="-20:20:10")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"tilt": ("tilt", "deg", -20.0, 20.0)},
            "S.hspy: expected the tilts of Zn.hspy .-20 to 30",
        ),
        ({"tilt": ("tilt", "deg", 30.0, 0.0)}, r"S.hspy: .* 30 degrees for both S.hspy\[0\] and"),
        ({"pixel": 1.6}, "S.hspy: expected pixels of 0.8 nm as in Zn.hspy, found 1.6 nm"),
        ({"units": "px"}, "S.hspy: expected the size of a pixel, found no calibration. Set pixel"),
        ({"values": np.zeros((3, 7, 5))}, "S.hspy: expected maps .tilt, y, x. of 3 x 5 x 7 pixels"),
        ({"values": np.zeros((5, 7))}, r"S.hspy: expected maps .* found y 5, x 7"),
        ({"values": np.zeros((3, 5, 7), np.complex64)}, "S.hspy: .* found complex numbers"),
        (
            {"values": np.full((3, 5, 7), np.nan)},
            "S.hspy: expected finite values, found nan at til",
        ),
        ({"values": np.full((3, 5, 7), -1)}, "S.hspy: expected values >= 0, found -1 at tilt 0"),
    ],
)
def test_maps_that_do_not_fit_are_refused(folder, write_maps, change, message):
    write_maps(folder / "Zn.hspy")
    write_maps(folder / "S.hspy", **change)
    with pytest.raises(ValueError, match=message):
        gathered(folder)


def test_files_are_found_by_line_or_element(tmp_path):
    files = [tmp_path / name for name in ("Se_La.hspy", "S.hspy", "Zn_Ka.hspy", "Zn.hspy")]
    found = map_files(files, ["Se", "S_Ka", "Zn_Ka", "Cd"])
    assert {line: path.name for line, path in found.items()} == {
        "Se": "Se_La.hspy",
        "S_Ka": "S.hspy",
        "Zn_Ka": "Zn_Ka.hspy",
    }


def test_two_files_for_one_element_are_refused(tmp_path):
    files = [tmp_path / name for name in ("Zn_Ka.hspy", "Zn_La.hspy")]
    with pytest.raises(ValueError, match="one file of maps of Zn, found Zn_Ka.hspy, Zn_La.hspy"):
        map_files(files, ["Zn"])
    assert map_files(files, ["Zn_La"]) == {"Zn_La": files[1]}


@pytest.mark.data
@pytest.mark.parametrize(("name", "pixel_nm"), [("sQD1", 0.189), ("sQD2", 0.189), ("cQD", 0.268)])
def test_real_maps(data, name, pixel_nm):
    series = gathered(data / "han2021" / name, "Se,S,Zn")
    assert series.tilt_deg.tolist() == list(range(-60, 61, 10))
    assert series.pixel_nm == pixel_nm
    assert series.content.shape == (3, 13, 256, 256)


@pytest.mark.data
def test_real_maps_without_a_pixel_size(data):
    folder = data / "han2021/Au_nanorod"
    with pytest.raises(ValueError, match="Au.hspy: expected the size of a pixel.*Set pixel_nm"):
        gathered(folder, "Au")
    assert gathered(folder, "Au", pixel_nm=0.6).content.dtype == np.float32


def write_mrc(path, values):
    with mrcfile.new(path, data=values) as file:
        file.voxel_size = 8.0  # angstrom


def write_tiff(path, values):
    tifffile.imwrite(path, values, photometric="minisblack")


@pytest.mark.parametrize(
    ("suffix", "writer", "pixel_nm"),
    [("mrc", write_mrc, None), ("tif", write_tiff, 0.8), ("tiff", write_tiff, 0.8)],
)
def test_maps_of_other_programs(tmp_path, rng, suffix, writer, pixel_nm):
    """Tilts from a list of the microscope; the scan step from the file, or the sheet."""
    maps = {name: rng.poisson(0.7, (3, 5, 7)).astype(np.uint16) for name in ("Zn", "S")}
    for name, values in maps.items():
        (tmp_path / "raw").mkdir(exist_ok=True)
        writer(tmp_path / f"raw/{name}.{suffix}", values)
    tilts = tmp_path / "tilts.rawtlt"
    tilts.write_text("20\n0\n-20\n")
    series = gathered(tmp_path / "raw", tilts=str(tilts), pixel_nm=pixel_nm)
    assert series.tilt_deg.tolist() == [-20, 0, 20]
    assert series.pixel_nm == pytest.approx(0.8, rel=1e-3)
    assert series.content.dtype == np.uint16
    assert (series.content == np.stack([maps["Zn"], maps["S"]])[:, ::-1]).all()
    assert series.manifest[0]["tilt_origin"] == "tilts.rawtlt"
    with pytest.raises(ValueError, match="unknown"):
        gathered(tmp_path / "raw")


def test_mrc_maps_below_zero_are_refused(folder):
    folder.mkdir()
    for name in ("Zn", "S"):
        write_mrc(folder / f"{name}.mrc", np.full((3, 5, 7), -3, np.int16))
    with pytest.raises(ValueError, match="Zn.mrc: expected values >= 0, found -3 at tilt 0"):
        gathered(folder, tilts="-20:20:20")
