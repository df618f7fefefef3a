import base64
import json

import pandas as pd
import pytest

from stemedx import tables
from stemedx.params import ReportParams
from stemedx.stages import report

PNG = b"\x89PNG not really"
KINDS = ("specimens", "methods", "resolution", "thickness", "groups")


def write_tables(folder, status="finished"):
    made = {name: pd.DataFrame(columns=["specimen"]) for name in KINDS}
    outcome = {"stage": "ingest", "reason": "no <files>", "log": "results/007/logs/ingest.log"}
    told = outcome if status == "failed" else dict.fromkeys(outcome, "")
    made["specimens"] = pd.DataFrame([{"specimen": "007", "status": status, **told}])
    gain = {"available": True, "reason": "", "gain_nat_per_hit": 0.5, "independent": True}
    best = {"specimen": "007", "method": "sirt", **gain, "recommended": True}
    made["methods"] = pd.DataFrame([best])
    for name, table in made.items():
        tables.write(folder / f"tables/{name}.csv", table)
    return [folder / f"tables/{name}.csv" for name in KINDS]


def write_figures(folder):
    drawn = {"place": "reconstruct/sirt_3d", "title": "In three dimensions", "caption": "Solid."}
    facts = {
        "specimen": "007",
        "kind": "series",
        "denoised_by": {"method": None, "learned_from": None},
        "elements": ["Se"],
        "tilt_deg": [-40.0, 0.0, 30.0],
        "pixel_nm": 0.8,
        "signal": "counts",
        "map_shape": [14, 18],
        "manifest_warnings": [],
        "map_warnings": [],
        "alignment": {"origin": "by hand", "warnings": []},
        "made_by": {"sirt": None},
        "figures": [drawn],
    }
    home = folder / "007/figures"
    (home / "reconstruct").mkdir(parents=True)
    (home / "contents.json").write_text(json.dumps(facts), encoding="utf-8")
    (home / "reconstruct/sirt_3d.png").write_bytes(PNG)
    (home / "reconstruct/sirt_3d.json").write_text('{"data": [], "layout": {}}')
    return home


@pytest.fixture
def page(tmp_path):
    write_tables(tmp_path)
    page = tmp_path / "report.html"
    inputs = [tmp_path / f"tables/{name}.csv" for name in KINDS]
    report.run(ReportParams(title="Dots"), figures=[write_figures(tmp_path)], tables=inputs,
               page=page)  # fmt: skip
    return page.read_text(encoding="utf-8")


def test_the_page_holds_pictures_and_views(page):
    assert f"data:image/png;base64,{base64.b64encode(PNG).decode()}" in page
    assert 'id="specimen-007-reconstruct/sirt_3d">{"data": [], "layout": {}}</script>' in page
    assert "plotly.js v" in page
    assert 'href="007/figures/reconstruct/sirt_3d.csv"' in page
    assert "<title>Dots</title>" in page


def test_a_specimen_named_like_a_number_keeps_its_name(page):
    assert "<h2>007</h2>" in page
    assert "<b>Recommended</b> sirt" in page


def test_the_same_inputs_give_the_same_page(tmp_path, page):
    inputs = [tmp_path / f"tables/{name}.csv" for name in KINDS]
    report.run(ReportParams(title="Dots"), figures=[tmp_path / "007/figures"], tables=inputs,
               page=tmp_path / "again.html")  # fmt: skip
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == page


def test_a_report_is_made_of_failures_alone(tmp_path):
    inputs = write_tables(tmp_path, "failed")
    report.run(ReportParams(), figures=[], tables=inputs, page=tmp_path / "new/report.html")
    text = (tmp_path / "new/report.html").read_text(encoding="utf-8")
    assert "In ingest: no &lt;files&gt;" in text
    assert "results/007/logs/ingest.log" in text
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.html"]
