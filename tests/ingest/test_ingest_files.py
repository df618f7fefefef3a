import pytest

from stemedx.ingest.files import numbers, raw_files


def touch(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_folder_holds_raw_files_in_order_of_their_numbers(tmp_path):
    folder = touch(tmp_path / "raw", "10.bcf", "-5.bcf", "2.BCF", "about.txt", ".hidden.bcf")
    assert [path.name for path in raw_files(str(folder), "raw")] == ["-5.bcf", "2.BCF", "10.bcf"]


def test_glob_and_path(tmp_path):
    folder = touch(tmp_path / "raw", "a_1.bcf", "a_2.bcf", "b_1.bcf")
    assert len(raw_files(str(folder / "a_*.bcf"), "raw")) == 2
    assert raw_files(str(folder / "b_1.bcf"), "raw") == [folder / "b_1.bcf"]


def test_parts_of_a_file_are_not_read_twice(tmp_path):
    names = ("scan.emi", "scan_1.ser", "scan_2.ser", "alone_1.ser", "map.asw", "map.pts")
    folder = touch(tmp_path / "raw", *names)
    found = {path.name for path in raw_files(str(folder), "raw")}
    assert found == {"scan.emi", "alone_1.ser", "map.asw"}


def test_zspy_is_a_file_although_it_is_a_folder(tmp_path):
    place = tmp_path / "Se.zspy"
    place.mkdir()
    assert raw_files(str(place), "raw") == [place]


@pytest.mark.parametrize("pattern", ["missing", "*.bcf"])
def test_nothing_found_is_refused(tmp_path, pattern):
    with pytest.raises(ValueError, match=r"expected a folder, a file.*found none.*column haadf"):
        raw_files(str(tmp_path / pattern), "haadf")


def test_folder_without_raw_files_is_refused(tmp_path):
    folder = touch(tmp_path / "raw", "notes.txt")
    with pytest.raises(ValueError, match=r"raw: expected raw files \(.ali, .*found none"):
        raw_files(str(folder), "raw")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("-40", [-40]),
        ("EDX_-7.5deg", [-7.5]),
        ("map 3_+20", [3, 20]),
        ("2018-11-29", [2018, 11, 29]),
    ],
)
def test_numbers_of_a_name(name, found):
    assert numbers(name) == found
