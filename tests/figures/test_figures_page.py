import dataclasses
import re
from html.parser import HTMLParser

import pytest

from stemedx.figures.page import Chapter, arranged, by_threshold, filled, render_page, shown

VICIOUS = "<script>alert('x')</script>"
FIGURES = [
    {"place": f"reconstruct/{name}", "title": f"title {name}", "caption": "A caption."}
    for name in ("sirt_3d", "sirt_planes", "composite", "comparison")
] + [{"place": "align/shifts", "title": "Alignment", "caption": VICIOUS}]
MADE_BY = {
    "stage": "reconstruct",
    "code": "0123456789abcdef",
    "parameters": {"n_iterations": 100},
    "packages": {"numpy": "2.4.1"},
    "inputs": {"element_maps": "fedc"},
}


def table(names, *rows):
    return [dict(zip(names.split(), row, strict=True)) for row in rows]


def tables(**changes):
    made = {
        "specimens": table(
            "specimen note n_tilts counts warnings status stage reason log",
            ("007", VICIOUS, "13", "71234", "", "finished", "", "", ""),
            ("bad", "", "", "", "", "failed", "ingest", VICIOUS, "results/bad/logs/ingest.log"),
        ),
        "methods": table(
            "specimen method available reason gain_nat_per_hit independent recommended",
            ("007", "sirt", "True", "", "0.5", "False", "True"),
        ),
        "resolution": table(
            "specimen element method threshold resolution_nm n_splits status limited_by",
            ("007", "Se", "sirt", "0.5", "1.2345", "3", "resolved", "pixel"),
            ("007", "Se", "sirt", "0.143", "", "3", "no resolved signal", ""),
        ),
        "thickness": table(
            "specimen element method particle mean_nm std_nm uncovered_percent diameter_nm "
            "touches_edge",
            ("007", "Se", "sirt", "1", "2.0", "0.25", "7.125", "9.5", "False"),
        ),
        "groups": [],
    }
    return {**made, **changes}


@pytest.fixture
def chapter():
    facts = {
        "specimen": "007",
        "kind": "series",
        "denoised_by": {"method": None, "learned_from": None},
        "elements": ["Se"],
        "tilt_deg": [-60.0, 0.0, 60.0],
        "pixel_nm": 0.8,
        "signal": "counts",
        "map_shape": [14, 18],
        "manifest_warnings": [VICIOUS],
        "map_warnings": [VICIOUS],
        "alignment": {"origin": "automatic", "warnings": ["tilt 60 is far off"]},
        "made_by": {"sirt": MADE_BY, "two_step": None},
        "figures": list(FIGURES),
    }
    pictures = {entry["place"]: "data:image/png;base64,AAAA" for entry in FIGURES}
    views = {"reconstruct/sirt_3d": '{"data": [], "layout": {"meta": "</script>"}}'}
    return Chapter(facts, "007/figures", pictures, views)


class Reader(HTMLParser):
    """What a browser would make of a page."""

    void = frozenset({"meta", "img", "br", "link"})

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.text, self.ids = [], [], "", []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        self.ids += [attrs["id"]] if "id" in attrs else []
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.text += re.sub(r"[ \n]+", " ", data) + "\n"

    def attributes(self, name):
        return [attrs[name] for _, attrs in self.tags if name in attrs]


@pytest.fixture
def page(chapter):
    return render_page("Dots & rods", tables(), [chapter])


@pytest.fixture
def read(page):
    return Reader(page)


def test_texts_from_outside_are_shown_and_not_run(page, read):
    assert VICIOUS not in page
    assert read.text.count(VICIOUS) == 5  # sheet, reason, caption, manifest, maps
    scripts = [attrs.get("type") for tag, attrs in read.tags if tag == "script"]
    assert scripts == ["application/json", None, None]  # the view, plotly, ours


def test_the_page_is_whole(read):
    assert read.open == []
    assert len(set(read.ids)) == len(read.ids)
    inside = [link[1:] for link in read.attributes("href") if link.startswith("#")]
    assert set(inside) <= set(read.ids)
    assert all(attrs["alt"] for tag, attrs in read.tags if tag == "img")


def test_the_page_asks_for_nothing_from_elsewhere(read):
    for name in ("src", "href", "action", "data", "poster", "srcset"):
        for link in read.attributes(name):
            assert not re.match(r"(\w+:)?//", link), link
    assert not [tag for tag, _ in read.tags if tag in ("link", "iframe", "object")]
    (policy,) = [attrs["content"] for _, attrs in read.tags if "http-equiv" in attrs]
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


def test_failures_come_first_with_stage_reason_and_log(read):
    assert read.ids[:2] == ["failures", "specimens"]
    for text in ("nothing of it is shown", "In ingest:", "results/bad/logs/ingest.log"):
        assert text in read.text


def test_a_specimen_is_told_with_its_doubts(read):
    for text in (
        "007",
        "★ yes",
        "0.500",
        "71\N{NARROW NO-BREAK SPACE}234",
        "1.23 nm",
        "no resolved signal",
        "7.1",
        "−60° to",
        "Alignment: tilt 60 is far off",
        "independent half of the photons",
        "missing wedge",
        "0123456789abcdef",
        '{"n_iterations": 100}',
        "The volume does not say how it was made.",
    ):
        assert text in read.text, text


def test_the_recommended_method_is_shown_and_the_others_are_folded(chapter):
    places = [f"{folder}_fsc" for folder in ("resolution/two_step", "resolution/sirt")]
    drawn = [{"place": place, "title": place, "caption": ""} for place in places]
    chapter.facts["figures"] += drawn
    chapter.pictures.update(dict.fromkeys(places, "data:image/png;base64,AAAA"))
    chapter.facts["made_by"] = {"two_step": None, "sirt": None}
    text = render_page("Dots", tables(), [chapter])
    assert "<summary>resolution/two_step_fsc</summary>" in text
    assert "<summary>resolution/sirt_fsc</summary>" not in text
    assert 'alt="resolution/sirt_fsc"' in text


def test_numbers_of_figures_are_linked_beside_the_page(read):
    assert "007/figures/reconstruct/composite.csv" in read.attributes("href")
    assert "specimen-007-reconstruct/sirt_3d" in read.attributes("data-json")


def test_nothing_finished_gives_a_page_that_says_so():
    only_failed = tables(specimens=tables()["specimens"][1:], methods=[], resolution=[])
    html = render_page("Dots", {**only_failed, "thickness": []}, [])
    read = Reader(html)
    assert read.open == []
    assert "0 of 1 specimens finished" in read.text
    assert "No specimen got as far as a reconstruction." in read.text
    assert len(html) < 100_000  # without views no plotly


def test_groups_have_mean_and_spread_in_a_cell(chapter):
    names = "group element method threshold n_specimens n_resolved thickness_nm_mean"
    group = table(f"{names} thickness_nm_std", ("dots", "S", "sirt", "0.5", "2", "0", "4", "1.5"))
    assert "4.00 ± 1.50" in Reader(render_page("Dots", tables(groups=group), [chapter])).text


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("True", "available", "yes"),
        ("True", "note", "True"),
        ("1e3", "note", "1e3"),
        ("13", "n_tilts", "13"),
        ("2", "resolution_nm", "2.00"),
        ("", "resolution_nm", ""),
        ("many", "n_splits", "many"),
        ("False", "recommended", ""),
    ],
)
def test_cells_are_shown_by_what_their_column_holds(text, column, expected):
    assert shown(text, column) == expected


def test_columns_are_arranged():
    rows = [{"a": "", "b": "1", "c": "2", "d": ""}, {"a": "", "b": "", "c": "3", "d": "4"}]
    assert filled(rows) == ["b", "c", "d"]
    assert arranged(filled(rows), ("d", "a"), ("c",)) == ["d", "b"]
    assert filled([]) == []


def test_thresholds_are_columns():
    (row,) = by_threshold(tables()["resolution"])
    assert list(row.items()) == [
        ("method", "sirt"),
        ("element", "Se"),
        ("n_splits", "3"),
        ("at 0.5", "1.23 nm (limited by the pixel)"),
        ("at 0.143", "no resolved signal"),
    ]


def test_of_a_map_the_page_shows_what_was_measured_and_no_volumes(chapter):
    facts = {**chapter.facts, "kind": "map", "tilt_deg": [0.0], "made_by": {}}
    html = render_page("t", tables(), [dataclasses.replace(chapter, facts=facts, views={})])
    assert 'id="specimen-007-measured"' in html
    for part in ("volumes", "thickness", "made"):
        assert f"specimen-007-{part}" not in html
