"""The report: one page that holds every figure and table of a batch."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, StrictUndefined
from plotly.offline import get_plotlyjs

from stemedx.analyse.summary import RESOLVED, limit_text
from stemedx.figures.canvas import degrees
from stemedx.figures.page_html import HTML
from stemedx.figures.page_script import SCRIPT
from stemedx.figures.page_style import STYLE
from stemedx.figures.statements import warnings

Row = dict[str, str]
# The browser refuses to fetch anything: the page works offline, and tells nobody.
POLICY = (
    "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; font-src data:; base-uri 'none'; form-action 'none'"
)
STATUSES = ("finished", "partly failed", "failed")
PARTS = {
    "volumes": "Volumes",
    "resolution": "Resolution, and what not to believe",
    "thickness": "Thickness",
    "measured": "Measurement and alignment",
    "made": "How it was made",
}
PARTS_OF_MAPS = {"resolution": "What not to believe", "measured": "Measurement"}
HEADINGS = {
    "available": "made",
    "gain_nat_per_hit": "gain (nat per hit)",
    "resolution_nm": "resolution (nm)",
    "n_splits": "splits",
    "mean_nm": "mean (nm)",
    "std_nm": "std (nm)",
    "uncovered_percent": "uncovered (%)",
    "diameter_nm": "diameter (nm)",
    "touches_edge": "cut off",
    "n_tilts": "tilts found",
    "n_specimens": "specimens",
    "n_resolved": "resolved",
    "thickness_nm": "thickness (nm)",
}
SPECIMEN_FIRST = ("specimen", "status", "n_tilts", "counts", "warnings")
METHOD_FIRST = ("specimen", "method", "recommended", "gain_nat_per_hit", "independent")
TOLD_ELSEWHERE = ("stage", "reason", "log")  # in the list of failures
YES = {"True": "yes", "False": "no"}
SAYINGS = {
    "recommended": {"True": "★ yes", "False": ""},
    **dict.fromkeys(("available", "independent", "touches_edge"), YES),
}
DECIMALS = {"nm": 2, "percent": 1}
NUMERIC = {*HEADINGS, "counts", "particle"} - set(SAYINGS)
LONG = {"reason", "warnings"}
SHELL_COLUMNS = (
    "method",
    "particle",
    "element",
    "mean_nm",
    "std_nm",
    "uncovered_percent",
    "diameter_nm",
    "touches_edge",
)


@dataclass(frozen=True)
class Chapter:
    """What the page shows of one specimen."""

    facts: dict[str, Any]  # the list of its figures
    folder: str  # of its figures, seen from the page
    pictures: dict[str, str]  # place -> PNG as a data URI
    views: dict[str, str]  # place -> plotly figure, JSON

    @property
    def name(self) -> str:
        """The specimen."""
        return str(self.facts["specimen"])

    @property
    def anchor(self) -> str:
        """Where links lead; never the name of another section."""
        return f"specimen-{self.name}"


def render_page(title: str, tables: dict[str, list[Row]], chapters: list[Chapter]) -> str:
    """Return the report as HTML.

    Every text that comes from outside is escaped.

    Parameters
    ----------
    title
        Heading of the page.
    tables
        Rows of ``specimens, methods, resolution, thickness, groups``, as text.
    chapters
        The specimens that can be shown.
    """
    specimens, methods = tables["specimens"], tables["methods"]
    shown_specimens = {row["specimen"] for row in specimens if row["status"] != "failed"}
    groups = [with_spread(row) for row in tables["groups"]]
    plotly = any(chapter.views for chapter in chapters)
    return _environment().from_string(HTML.strip()).render(
        title=title,
        policy=POLICY,
        style=STYLE,
        script=SCRIPT,
        plotly=get_plotlyjs() if plotly else "",
        parts=PARTS,
        numeric=NUMERIC,
        long=LONG,
        statuses=STATUSES,
        specimens=specimens,
        specimen_columns=_headed(arranged(filled(specimens), SPECIMEN_FIRST, TOLD_ELSEWHERE)),
        failures=[row for row in specimens if row["status"] != "finished"],
        n_finished=sum(row["status"] == "finished" for row in specimens),
        methods=list(dict.fromkeys(row["method"] for row in methods)),
        method_rows=[row for row in methods if row["specimen"] in shown_specimens],
        method_columns=_headed(arranged(filled(methods), METHOD_FIRST, ())),
        groups=groups,
        group_columns=_headed(filled(groups)),
        resolution_columns=_headed(["method", "element", "threshold", "resolution_nm", "n_splits",
                                    "status"]),
        shell_columns=_headed(SHELL_COLUMNS),
        chapters=[_context(chapter, tables) for chapter in chapters],
    )  # fmt: skip


def filled(rows: list[Row]) -> list[str]:
    """Return the columns in which at least one row has something."""
    return [name for name in (rows[0] if rows else ()) if any(row[name] for row in rows)]


def arranged(names: list[str], first: Sequence[str], without: Sequence[str]) -> list[str]:
    """Return columns in another order: some first, some not at all."""
    rest = [name for name in names if name not in (*first, *without)]
    return [*(name for name in first if name in names), *rest]


def with_spread(row: Row) -> Row:
    """Return a row of the groups, each mean with its standard deviation in one cell."""
    told = {key: text for key, text in row.items() if not key.endswith(("_mean", "_std"))}
    for key in (key.removesuffix("_mean") for key in row if key.endswith("_mean")):
        cells = [shown(row[f"{key}_{what}"], key) for what in ("mean", "std")]
        told[key] = " ± ".join(cell for cell in cells if cell)
    return told


def by_threshold(rows: list[Row]) -> list[Row]:
    """Return one row per method and element, with a column for each threshold."""
    found: dict[tuple[str, str], Row] = {}
    for row in rows:
        keys = {name: row[name] for name in ("method", "element", "n_splits")}
        nm = shown(row["resolution_nm"], "resolution_nm")
        resolved = f"{nm} nm{limit_text(row['limited_by'])}"
        said = resolved if row["status"] == RESOLVED else row["status"]
        if row.get("note"):
            said += f"; {row['note']}"
        one = found.setdefault((row["method"], row["element"]), keys)
        one[f"at {row['threshold']}"] = said
    return list(found.values())


def _headed(names: Any) -> dict[str, str]:
    return {name: HEADINGS.get(name, name) for name in names}


def _context(chapter: Chapter, tables: dict[str, list[Row]]) -> dict[str, Any]:
    """Return a chapter and the rows of the tables that are about it."""
    own = {
        name: [row for row in rows if row["specimen"] == chapter.name]
        for name, rows in tables.items()
        if name != "groups"
    }
    recommended = [row["method"] for row in own["methods"] if row["recommended"] == "True"]
    methods = list(chapter.facts["made_by"])
    return {
        **{name: getattr(chapter, name) for name in ("facts", "folder", "pictures", "views")},
        "name": chapter.name,
        "anchor": chapter.anchor,
        "resolution": (resolution := by_threshold(own["resolution"])),
        "resolution_columns": _headed(resolution[0] if resolution else ()),
        "shells": own["thickness"],
        "doubts": warnings(chapter.facts, own["methods"], own["resolution"], own["thickness"]),
        "recommended": ", ".join(recommended),
        "methods": methods,
        "shown": next(iter([*recommended, *methods]), ""),
        "parts": PARTS if chapter.facts["kind"] == "series" else PARTS_OF_MAPS,
        "view_caption": next(
            (entry["caption"] for entry in chapter.facts["figures"] if "_3d" in entry["place"]), ""
        ),
    }


def _environment() -> Environment:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "angle": degrees,
        "compact": lambda value: json.dumps(value, ensure_ascii=False),
        "in_script": in_script,
        "shown": shown,
    }
    return environment


def in_script(text: str) -> str:
    """Return JSON that may stand in a script element: it cannot end the element."""
    return text.replace("<", "\\u003c")


def shown(text: str, column: str) -> str:
    """Return a cell of a table as the page shows it."""
    if column in SAYINGS:
        return SAYINGS[column].get(text, text)
    if column not in NUMERIC or not text:
        return text
    try:
        value = float(text)
    except ValueError:
        return text
    if value.is_integer() and not column.endswith(("_nm", "_percent")):
        return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return f"{value:.{DECIMALS.get(column.rsplit('_', 1)[-1], 3)}f}"
