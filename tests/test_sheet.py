"""samples.tsv: what is accepted, what is refused, and in which words."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemedx.sheet import SheetRow, check_phases, is_range, read_sheet

HEADER = "specimen\traw\telements"


def sheet(folder, *lines, header=HEADER):
    path = folder / "samples.tsv"
    path.write_text("\n".join([header, *lines, ""]))
    return path


def test_the_bundled_sheet_is_valid():
    rows = read_sheet(Path(__file__).parents[1] / "samples.tsv")
    assert rows["dot"].elements == ("Se", "S", "Zn")


def test_every_column_is_explained():
    text = (Path(__file__).parents[1] / "docs/sheet.md").read_text()
    told = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`(\w+)`", "".join(told))) == set(SheetRow.model_fields)


def test_paths_are_relative_to_the_sheet(tmp_path):
    header = HEADER + "\ttilts\talignment"
    rows = read_sheet(sheet(tmp_path, "np1\traw/*.bcf\tSi\ta.rawtlt\thand.json", header=header))
    row = rows["np1"]
    assert (row.raw, row.tilts) == (f"{tmp_path}/raw/*.bcf", f"{tmp_path}/a.rawtlt")
    assert row.alignment == f"{tmp_path}/hand.json"


def test_an_absolute_path_stays(tmp_path):
    assert read_sheet(sheet(tmp_path, "np1\t/data/np1\tSi"))["np1"].raw == "/data/np1"


def test_simulated_files_are_found_by_the_workflow(tmp_path):
    assert read_sheet(sheet(tmp_path, "np1\tsimulated/dot\tSi"))["np1"].raw == "simulated/dot"


def test_other_columns_are_kept(tmp_path):
    rows = read_sheet(sheet(tmp_path, "np1\traw\tSi\tJane", header=HEADER + "\toperator"))
    assert rows["np1"].model_dump()["operator"] == "Jane"


def test_lines_name_their_elements(tmp_path):
    row = read_sheet(sheet(tmp_path, "np1\traw\tSe_La, S_Ka,Zn"))["np1"]
    assert (row.elements, row.symbols) == (("Se_La", "S_Ka", "Zn"), ("Se", "S", "Zn"))


def test_a_row_survives_the_way_through_a_rule(tmp_path):
    header = f"{HEADER}\tpixel_nm\ttilt_axis_deg"
    row = read_sheet(sheet(tmp_path, "np1\traw\tSe_La,S\t0.4\t0", header=header))["np1"]
    assert row.tilt_axis_deg == 0  # known to be 0, not unknown
    assert SheetRow.model_validate(row.model_dump(mode="json")) == row


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("../up\traw\tSe", r"line 2: specimen = '../up': expected letters, digits, _ and -"),
        ("np1\t\tSe", "line 2: raw: Field required"),
        ("np1\traw\tselenium", "'selenium' is neither an element symbol nor an X-ray line"),
        ("np1\traw\tSe,Se_La", "an element is listed twice in Se,Se_La"),
        ("np1\traw\tSe\tx", "line 2: 1 more fields than the header has"),
        ("tables\traw\tSe", "specimen 'tables': the name is taken"),
        ("logs\traw\tSe", "specimen 'logs': the name is taken"),
        ('np1\traw\tSe\n"np2\tb\tSe\nnp3\tc\tSe', "line 4: unexpected end of data. A cell that"),
        ('np1\t"raw\nnp2\tb\tS"\tSe', "line 3: a cell goes on in the next line"),
        ('np1\t"a" b\tSe', "line 2: .* expected after"),
        ("np1\traw\x00\tSe", "line 2: expected text, found a zero byte"),
        ("\n\nnp1\traw\tse", "line 4: elements: 'se' is neither"),
    ],
)
def test_a_fault_is_named_with_line_and_value(tmp_path, line, message):
    with pytest.raises(ValueError, match=message):
        read_sheet(sheet(tmp_path, line))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("pixel_nm", "-1", "pixel_nm = '-1': .*greater than 0"),
        ("pixel_nm", "inf", "pixel_nm = 'inf': .*finite number"),
        ("tilt_axis_deg", "nan", "tilt_axis_deg = 'nan': .*180"),
        ("tilt_axis_deg", "400", "tilt_axis_deg = '400': .*180"),
        ("pixel_nm", "wide", "pixel_nm = 'wide': .*valid number"),
        ("signal", "photons", "signal = 'photons': .*'counts', 'hits' or 'intensity'"),
        ("frames", "3", "frames: expected first:last, counted from 1 .* found '3'"),
        ("frames", "0:4", "found '0:4'"),
        ("frames", "4:3", "found '4:3'"),
        ("kind", "maps", "kind = 'maps': Input should be 'series' or 'map'"),
    ],
)
def test_a_fault_in_an_optional_column_is_named(tmp_path, column, value, message):
    with pytest.raises(ValueError, match=message):
        read_sheet(sheet(tmp_path, f"np1\traw\tSe\t{value}", header=f"{HEADER}\t{column}"))


def test_frames_count_from_one_and_include_the_last(tmp_path):
    header = f"{HEADER}\tframes"
    row = read_sheet(sheet(tmp_path, "np1\traw\tSe\t3:7", header=header))["np1"]
    assert list(row.frame_range) == [2, 3, 4, 5, 6]
    assert read_sheet(sheet(tmp_path, "np1\traw\tSe"))["np1"].frame_range is None


@pytest.mark.parametrize("line", ["", "\t\t"])
def test_a_line_without_content_is_none(tmp_path, line):
    assert list(read_sheet(sheet(tmp_path, line, "np1\traw\tSe", line))) == ["np1"]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (f"{HEADER}\tPixel_nm", "column 'Pixel_nm' would not be read. Write 'pixel_nm'"),
        (f"{HEADER}\ttilt", "column 'tilt' would not be read. Write 'tilts'"),
        (f"{HEADER}\tsignal ", "column 'signal ' would not be read. Write 'signal'"),
        (f"{HEADER}\traw", "column 'raw' is there twice"),
    ],
)
def test_a_column_that_would_be_ignored_in_silence_is_refused(tmp_path, header, message):
    with pytest.raises(ValueError, match=message):
        read_sheet(sheet(tmp_path, "np1\traw\tSe\t0.4", header=header))


@pytest.mark.parametrize(
    ("encoding", "line", "byte"), [("latin-1", 2, "0xfc"), ("utf-16", 1, "0xff")]
)
def test_a_sheet_in_another_encoding_is_named(tmp_path, encoding, line, byte):
    path = tmp_path / "samples.tsv"
    path.write_bytes(f"{HEADER}\nnp1\tM\u00fcller\tSe\n".encode(encoding))
    message = f"samples.tsv, line {line}: expected text in UTF-8, found the byte {byte}. Save"
    with pytest.raises(ValueError, match=message):
        read_sheet(path)


@pytest.mark.parametrize("second", ["np1", "NP1"])
def test_a_duplicate_is_refused_also_where_only_the_case_differs(tmp_path, second):
    with pytest.raises(ValueError, match=f"line 3: specimen '{second}' is listed twice"):
        read_sheet(sheet(tmp_path, "np1\ta\tSe", f"{second}\tb\tSe"))


def test_every_fault_is_told_at_once(tmp_path):
    with pytest.raises(ValueError, match="line 2") as caught:
        read_sheet(sheet(tmp_path, "a b\tx\tSe", "c\ty\tQqq"))
    assert "line 3" in str(caught.value)


def test_a_missing_sheet_is_named(tmp_path):
    with pytest.raises(ValueError, match="no such sample sheet. Set `samples`"):
        read_sheet(tmp_path / "none.tsv")


def test_a_sheet_without_tabs_is_recognised(tmp_path):
    with pytest.raises(ValueError, match="no column 'specimen'.*separated by tabs"):
        read_sheet(sheet(tmp_path, header="specimen,raw,elements"))


def test_a_sheet_without_rows_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no specimens"):
        read_sheet(sheet(tmp_path))


PHASES = {"ZnSe": {"Zn": 1.0, "Se": 1.0}, "ZnS": {"Zn": 1.0, "S": 1.0}, "InP": {}}


def with_phases(folder, phases):
    return read_sheet(sheet(folder, f"np1\traw\tSe_La,S,Zn\t{phases}", header=f"{HEADER}\tphases"))


def test_phases_that_hold_all_elements_are_accepted(tmp_path):
    rows = with_phases(tmp_path, "InP, ZnSe,ZnS")
    check_phases(rows, PHASES, "samples.tsv")
    assert rows["np1"].phases == ("InP", "ZnSe", "ZnS")


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        ("ZnSe,ZnO", "samples.tsv: phases of 'np1': ZnO not defined, known: ZnSe, ZnS, InP. Add"),
        ("ZnSe,InP", "'np1': ZnSe, InP hold no S, which is mapped. Add the phase that holds it"),
        ("ZnSe,ZnS,ZnS", "'np1': a phase is listed twice in ZnSe,ZnS,ZnS"),
    ],
)
def test_phases_that_cannot_be_are_refused(tmp_path, phases, message):
    with pytest.raises(ValueError, match=message):
        check_phases(with_phases(tmp_path, phases), PHASES, "samples.tsv")


@given(st.floats(-90, 90), st.floats(0.5, 20))
def test_a_list_of_tilts_is_not_taken_for_a_file(first, step):
    assert is_range(f"{first:.1f}:{-first:.1f}:{step:.2f}")
    assert not is_range("tilts.rawtlt")
