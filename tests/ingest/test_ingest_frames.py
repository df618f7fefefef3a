import numpy as np
import pytest

from stemedx.ingest.contents import read_contents
from stemedx.ingest.files import raw_files
from stemedx.ingest.frames import gather_frames
from stemedx.sheet import SheetRow

FRAMES = ("frame", "", 0.0, 1.0)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "raw"


def gathered(folder, elements="Zn,S", **more):
    row = SheetRow(specimen="s", raw=str(folder), elements=elements, kind="map", **more)
    return gather_frames(raw_files(row.raw, "raw"), row, read_contents)


def test_frames_stay_in_their_order_and_haadf_is_found(folder, write_maps, rng):
    zn = write_maps(folder / "Zn.hspy", tilt=FRAMES)
    s = write_maps(folder / "S.hspy", tilt=FRAMES)
    haadf = write_maps(folder / "HAADF.hspy", rng.random((3, 5, 7)), tilt=FRAMES)
    write_maps(folder / "Cu.hspy", tilt=FRAMES)
    series = gathered(folder)
    assert series.maps.dtype.kind == "u"
    assert np.array_equal(series.maps, np.stack([zn, s]))
    assert series.haadf == pytest.approx(haadf, rel=1e-6)  # float32
    assert [row["counts"] for row in series.manifest[:2]] == [zn.sum(), s.sum()]
    assert series.manifest[2]["warnings"] == "ignored: not used"


def test_haadf_where_the_sheet_says(folder, tmp_path, write_maps, rng):
    for name in ("Zn", "S"):
        write_maps(folder / f"{name}.hspy", tilt=FRAMES)
    haadf = write_maps(tmp_path / "other.hspy", rng.random((3, 5, 7)), tilt=FRAMES)
    found = gathered(folder, haadf=str(tmp_path / "other.hspy")).haadf
    assert found == pytest.approx(haadf, rel=1e-6)  # float32


def test_an_element_without_a_file_is_refused(folder, write_maps):
    write_maps(folder / "S.hspy", tilt=FRAMES)
    with pytest.raises(ValueError, match=r"a file of frames \(frame, y, x\) of Zn, found S.hspy"):
        gathered(folder)


def test_fractions_are_refused(folder, write_maps, rng):
    write_maps(folder / "Zn.hspy", rng.random((3, 5, 7)), tilt=FRAMES)
    with pytest.raises(ValueError, match="Zn.hspy: expected whole counts in every frame"):
        gathered(folder, "Zn")


def test_a_sum_of_frames_is_refused(folder, write, rng):
    axes = [("y", "nm", 0.0, 0.8), ("x", "nm", 0.0, 0.8)]
    write(folder / "Zn.hspy", rng.poisson(1.0, (5, 7)).astype(np.uint8), axes)
    with pytest.raises(ValueError, match=r"expected frames \(frame, y, x\).*found 5 x 7. Export"):
        gathered(folder, "Zn")


def test_other_numbers_of_frames_are_refused(folder, write_maps, rng):
    write_maps(folder / "Zn.hspy", tilt=FRAMES)
    write_maps(folder / "S.hspy", rng.poisson(1.0, (2, 5, 7)).astype(np.uint8), tilt=FRAMES)
    with pytest.raises(ValueError, match="S.hspy: expected .* 3 x 5 x 7 .* found 2 x 5 x 7"):
        gathered(folder)
