import pandas as pd
import pytest

from stemedx import tables
from stemedx.params import TablesParams
from stemedx.stages import tables as stage

KINDS = {
    "specimens": "specimens",
    "methods": "methods",
    "resolution": "resolution",
    "thickness_table": "thickness",
    "groups": "groups",
}
ROW = {"specimen": "a", "raw": "data/a", "elements": ["Se_La", "S"], "tilts": "-60:60:10"}
FAULT = {"stage": "ingest", "method": "", "reason": "no files", "log": "results/b/logs/ingest.log"}


def specimen_files(folder):
    """Write what the tables read of one specimen with the methods sirt and fbp."""
    manifest = {"file": ["1", "2"], "tilt_deg": [-40.0, 30.0], "counts": [7, 5]}
    tables.write(folder / "tilt_series.csv", pd.DataFrame({**manifest, "warnings": ["", "dark"]}))
    for method, gain in (("sirt", 0.4), ("fbp", 0.1)):
        found = [(0, e, t, 1.25, "resolved") for e in ("Se", "S") for t in (0.5, 0.143)]
        names = ["split", "element", "threshold", "resolution_nm", "status"]
        stem = folder / f"resolution/{method}"
        tables.write(stem.with_name(f"{method}_crossings.csv"), pd.DataFrame(found, columns=names))
        gains = [(0, "Se", gain, 100, True), (0, "S", gain + 0.2, 90, True)]
        names = ["split", "element", "gain_nat_per_hit", "hits", "independent"]
        tables.write(stem.with_name(f"{method}_held_out.csv"), pd.DataFrame(gains, columns=names))
        shells = [(1, "Se", 2.0, 0.0, False), (1, "S", 1.5, 6.5, False)]
        names = ["particle", "element", "mean_nm", "uncovered_percent", "touches_edge"]
        tables.write(
            folder / f"thickness/{method}/statistics.csv",
            pd.DataFrame(shells if method == "sirt" else [], columns=names),
        )


def gather(folder, sheet, failed, methods=("sirt", "fbp"), left_out=()):
    """Run the stage on what there is; return the tables as text."""
    out = {name: folder / f"tables/{stem}.csv" for name, stem in KINDS.items()}
    stage.run(
        TablesParams(),
        sheet=sheet,
        methods_wanted=list(methods),
        failed=failed,
        left_out=list(left_out),
        manifests=sorted(folder.glob("*/tilt_series.csv")),
        crossings=sorted(folder.glob("*/resolution/*_crossings.csv")),
        held_out=sorted(folder.glob("*/resolution/*_held_out.csv")),
        thickness=sorted(folder.glob("*/thickness/*")),
        **out,
    )
    return {
        stem: pd.read_csv(out[name], dtype=str, keep_default_na=False)
        for name, stem in KINDS.items()
    }


@pytest.fixture
def gathered(tmp_path):
    specimen_files(tmp_path / "a")
    sheet = [{**ROW, "group": "dots", "note": "blue"}, {**ROW, "specimen": "b", "group": None}]
    return gather(tmp_path, sheet, [{**FAULT, "specimen": "b"}])


def test_specimens_keep_their_columns_and_tell_what_became_of_them(gathered):
    first, second = gathered["specimens"].to_dict("records")
    assert (first["elements"], first["note"], first["tilts"]) == ("Se_La,S", "blue", "-60:60:10")
    assert (first["status"], first["n_tilts"], first["counts"]) == ("finished", "2", "12")
    assert first["warnings"] == "dark"
    assert (second["status"], second["stage"], second["reason"]) == ("failed", "ingest", "no files")
    assert (second["log"], second["n_tilts"], second["note"]) == (FAULT["log"], "", "")


def test_methods_have_gains_or_reasons(gathered):
    rows = gathered["methods"].set_index(["specimen", "method"])
    assert rows.loc[("a", "sirt"), "gain_nat_per_hit"] == "0.5"
    assert rows["recommended"].tolist() == ["True", "False", "False", "False"]
    assert rows.loc[("b", "fbp"), "reason"] == "ingest: no files"


@pytest.mark.parametrize("name", ["resolution", "thickness"])
def test_tables_are_keyed(gathered, name):
    assert list(gathered[name].columns)[:3] == ["specimen", "element", "method"]
    assert gathered[name][["specimen", "element", "method"]].iloc[0].tolist()[0] == "a"


def test_groups_are_compared(gathered):
    row = gathered["groups"].set_index(["element", "method"]).loc[("S", "sirt")]
    assert (row["group"], row["n_specimens"], row["uncovered_percent_mean"]) == ("dots", "1", "6.5")


def test_a_failed_method_leaves_the_others(tmp_path):
    specimen_files(tmp_path / "a")
    fault = {**FAULT, "specimen": "a", "stage": "denoise", "method": "two_step"}
    found = gather(tmp_path, [ROW], [fault], ("sirt", "two_step"))
    assert found["specimens"].loc[0, ["status", "stage"]].tolist() == ["partly failed", "denoise"]
    assert found["methods"]["available"].tolist() == ["True", "False"]


def test_a_batch_of_which_nothing_finished_has_tables(tmp_path):
    found = gather(tmp_path, [ROW], [{**FAULT, "specimen": "a"}])
    assert found["specimens"]["status"].tolist() == ["failed"]
    assert found["methods"]["gain_nat_per_hit"].tolist() == ["", ""]
    assert all(found[name].empty for name in ("resolution", "thickness", "groups"))
    expected = ["specimen", "element", "method", "threshold", "resolution_nm"]
    assert list(found["resolution"].columns)[:5] == expected


def test_thickness_without_resolution_is_gathered(tmp_path):
    specimen_files(tmp_path / "a")
    for path in (tmp_path / "a/resolution").iterdir():
        path.unlink()
    found = gather(tmp_path, [{**ROW, "group": "dots"}], [])
    assert found["resolution"].empty
    assert found["groups"]["thickness_nm_mean"].tolist() == ["1.5", "2.0"]
    assert found["groups"]["resolution_nm_mean"].tolist() == ["", ""]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-2+cmd|x", "'-2+cmd|x"),
        ("\t=1", "'\t=1"),
        ("-60:60:10", "-60:60:10"),
        ("-1.5", "-1.5"),
        ("a=b", "a=b"),
    ],
)
def test_no_text_becomes_a_formula(tmp_path, text, written):
    found = gather(tmp_path, [{**ROW, "note": text}], [])
    assert found["specimens"]["note"].tolist() == [written]


def test_a_column_of_the_sheet_does_not_hide_the_outcome(tmp_path):
    found = gather(tmp_path, [{**ROW, "status": "mine"}], [])["specimens"]
    assert found[["sheet_status", "status"]].iloc[0].tolist() == ["mine", "finished"]


def test_a_method_that_a_specimen_cannot_have_is_told_and_is_no_failure(tmp_path):
    specimen_files(tmp_path / "a")
    without = {"specimen": "a", "method": "end_to_end", "reason": "other elements"}
    found = gather(tmp_path, [ROW], [], ("sirt", "end_to_end"), [without])
    rows = found["methods"].set_index("method")
    assert rows["available"].to_dict() == {"sirt": "True", "end_to_end": "False"}
    assert rows.loc["end_to_end", "reason"] == "other elements"
    assert found["specimens"]["status"].tolist() == ["finished"]
