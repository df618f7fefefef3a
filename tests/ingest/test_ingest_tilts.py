from pathlib import Path

import pytest

from stemedx.ingest.tilts import View, tilts_of


def by_name(*names, **more):
    return [View(Path("raw", name), **more) for name in names]


def by_stage(*tilts):
    return [View(Path("raw", f"{n}.bcf"), stage_deg=tilt) for n, tilt in enumerate(tilts)]


THREE = by_name("a.bcf", "b.bcf", "c.bcf")


def test_calibrated_axis_goes_before_stage_and_name():
    views = [View(Path("s.hspy"), n, axis_deg=10.0 * n, stage_deg=float(n)) for n in range(3)]
    found = tilts_of(views, None)
    assert (found.deg, found.origin) == ((0.0, 10.0, 20.0), "axis")


def test_stage_goes_before_name():
    found = tilts_of(by_stage(-3.0, 4.0), None)
    assert (found.deg, found.origin, found.warnings) == ((-3.0, 4.0), "metadata", ())


def test_stage_that_never_turned_is_a_default_of_a_reader():
    """A file converted by a reader that fills in 0: the names tell, and it is said."""
    views = by_name("-40.bcf", "-20.bcf", "35.bcf", stage_deg=0.0)
    found = tilts_of(views, None)
    assert (found.deg, found.origin) == ((-40.0, -20.0, 35.0), "file name")
    assert found.warnings == ("stage tilt 0 in the metadata, not used",)


@pytest.mark.parametrize(
    "names",
    [
        ("EDX_-7.5.hspy", "EDX_0.hspy", "EDX_15.hspy"),
        ("dot2 -7.5deg.bcf", "dot2 0deg.bcf", "dot2 15deg.bcf"),
        ("p -7.5 x.bcf", "p 0 x.bcf", "p 15 x.bcf"),
    ],
)
def test_the_number_that_differs_between_names_is_the_tilt(names):
    assert tilts_of(by_name(*names), None).deg == (-7.5, 0, 15)


@pytest.mark.parametrize(
    "names",
    [
        ("1.bcf", "2.bcf", "3.bcf"),  # a count
        ("view_00.bcf", "view_01.bcf"),
        ("a.bcf", "b.bcf"),  # no number
        ("1 -10.bcf", "2 20.bcf"),  # two numbers differ
        ("dot-10.bcf", "dot-30.bcf"),  # a hyphen, or a sign?
        ("2118.bcf", "2126.bcf"),  # no tilt is so large
        ("x -10.bcf", "y.bcf"),
    ],
)
def test_names_that_may_mean_something_else_are_refused(names):
    with pytest.raises(
        ValueError, match=r"tilts of .* are unknown.*file names do not tell.*column"
    ):
        tilts_of(by_name(*names), None)


def test_count_of_degrees_is_a_tilt():
    assert tilts_of(by_name("0deg.bcf", "1deg.bcf"), None).deg == (0, 1)


def test_equal_stage_tilts_are_refused():
    with pytest.raises(ValueError, match=r"unknown: .*equal stage tilts \(0, 0\) in the metadata"):
        tilts_of(by_stage(0.0, 0.0), None)


def test_a_stage_tilt_that_is_missing_is_refused():
    with pytest.raises(
        ValueError, match=r"unknown: no calibrated tilt axis, stage tilts in 1 of 2 \(10\)"
    ):
        tilts_of(by_stage(10.0, None), None)


def test_two_equal_tilts_are_refused():
    with pytest.raises(ValueError, match=r"2.bcf: .* found 10 degrees for both 1.bcf and 2.bcf"):
        tilts_of(by_stage(-10.0, 10.0, 10.0), None)


def test_one_view_is_refused():
    with pytest.raises(ValueError, match="-40.bcf: expected a series of several tilts"):
        tilts_of([View(Path("raw/-40.bcf"), axis_deg=-40.0)], None)


def test_tilt_beyond_ninety_degrees_is_refused():
    with pytest.raises(ValueError, match="expected a tilt within .* found 120 "):
        tilts_of(by_stage(0.0, 120.0), None)


def test_list_of_the_sheet_goes_first():
    found = tilts_of(by_stage(1.0, 2.0, 3.0), "20:-20:-20")
    assert (found.deg, found.origin) == ((20.0, 0.0, -20.0), "sheet")


@pytest.mark.parametrize("said", ["-10:10:10", "-30:30:10"])
def test_list_of_another_length_is_refused(said):
    with pytest.raises(ValueError, match=r"found [37] tilts for 4 views \(0.bcf to 3.bcf\)"):
        tilts_of(by_stage(1.0, 2.0, 3.0, 4.0), said)


def test_rawtlt_in_order_of_the_views(tmp_path):
    path = tmp_path / "s.rawtlt"
    path.write_text("  -31.20\n 0.1\n\n29.7\n")
    found = tilts_of(THREE, str(path))
    assert (found.deg, found.origin) == ((-31.2, 0.1, 29.7), "s.rawtlt")
    path.write_text("-31.2\n0.1\n")
    with pytest.raises(ValueError, match="s.rawtlt: .* found 2 tilts for 3 views"):
        tilts_of(THREE, str(path))


def test_mdoc_of_serialem(tmp_path):
    path = tmp_path / "s.mdoc"
    path.write_text("[T = SerialEM]\n\n[ZValue = 0]\nTiltAngle = -31.2\nStagePosition = 1 2\n"
                    "[ZValue = 1]\nTiltAngle = 0.1\n[ZValue = 2]\nTiltAngle = 29.7\n")  # fmt: skip
    found = tilts_of(THREE, str(path))
    assert (found.deg, found.origin) == ((-31.2, 0.1, 29.7), "s.mdoc")
    path.write_text("[ZValue = 0]\nTiltAngle = -31.2\n")
    with pytest.raises(ValueError, match="s.mdoc: .* found 1 tilts for 3 views"):
        tilts_of(THREE, str(path))
    path.write_text("TiltAngle = steep\n")
    with pytest.raises(ValueError, match="s.mdoc, line 1: expected a tilt in degrees, found 'st"):
        tilts_of(THREE, str(path))


@pytest.mark.parametrize("header", ["", "file\ttilt_deg\n"])
def test_table_in_any_order(tmp_path, header):
    path = tmp_path / "tilts.tsv"
    path.write_text(f"{header}c.bcf\t30\na.bcf\t-20\nsub/b.bcf\t5\n")
    assert tilts_of(THREE, str(path)).deg == (-20, 5, 30)


def test_table_that_does_not_fit_the_files_is_refused(tmp_path):
    path = tmp_path / "tilts.tsv"
    path.write_text("a.bcf\t-20\nb.bcf\t5\nd.bcf\t30\n")
    with pytest.raises(ValueError, match=r"tilts.tsv: .* none for c.bcf, and lines for d.bcf"):
        tilts_of(THREE, str(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.bcf\t-20\nb.bcf\tfive\n", r"line 2: expected a tilt in degrees, found 'five'"),
        ("a.bcf\t-20\nb.bcf\n", r"line 2: expected a tilt in degrees, found ''"),
        ("file\ttilt_deg\na.bcf\tx\nb.bcf\t1\nc.bcf\t2\n", "line 2: expected a tilt in"),
        ("a.bcf\nb.bcf\t5\nc.bcf\t9\n", r"line 1: expected a tilt in degrees, found ''"),
        ("a.bcf\t1\nb.bcf\t5\nc.bcf\t9\na.bcf\t7\n", "line 4: expected each file once, found a"),
        ("-20\nnan\n4\n", "expected a tilt within .* found nan"),
    ],
)
def test_what_is_no_number_is_refused(tmp_path, text, message):
    path = tmp_path / "tilts.tsv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        tilts_of(THREE, str(path))


def test_missing_file_of_tilts_is_refused():
    with pytest.raises(ValueError, match="no.rawtlt: expected a file of tilts, found none"):
        tilts_of(THREE, "no.rawtlt")


def test_a_sheet_that_contradicts_the_microscope_is_followed_and_told():
    found = tilts_of(by_stage(-35.3, 0.0, 10.4), "-10:10:10")
    assert found.deg == (-10.0, 0.0, 10.0)
    assert found.warnings == (
        "1 of 3 files tell another tilt than the sheet, the first of them 0.bcf: -35.3 degrees, "
        "not -10; that of the sheet is used",
    )
    # 0 may be what a reader fills in
    assert tilts_of(by_stage(0.0, 0.0, 0.0), "-10:10:10").warnings == ()


def test_a_sheet_that_contradicts_the_names_of_the_files_is_told():
    """Such as a list in the order of acquisition."""
    found = tilts_of(by_name("x_-20.bcf", "x_0.bcf", "x_20.bcf"), "20:-20:-20")
    assert found.warnings == (
        "2 of 3 files tell another tilt than the sheet, the first of them x_-20.bcf: -20 degrees, "
        "not 20; that of the sheet is used",
    )


@pytest.mark.parametrize("said", ["-20:20:20", "s.rawtlt", "s.mdoc"])
def test_a_list_is_refused_where_names_do_not_tell_the_order(tmp_path, said, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("s.rawtlt").write_text("-20\n0\n20\n")
    Path("s.mdoc").write_text("TiltAngle = -20\nTiltAngle = 0\nTiltAngle = 20\n")
    views = by_name("dot0.bcf", "dot20.bcf", "dot-20.bcf")  # as `raw_files` sorts them
    message = "found a hyphen in dot-20.bcf that may be a sign, and none in dot0.bcf. Give .* table"
    with pytest.raises(ValueError, match=message):
        tilts_of(views, said)
    assert tilts_of(by_name("dot-1.bcf", "dot-2.bcf", "dot-3.bcf"), said).deg == (-20, 0, 20)
