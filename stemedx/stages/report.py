"""Stage `report`: figures and tables of the batch -> one page."""

import csv
import json
import logging
import os
from base64 import b64encode
from pathlib import Path

from stemedx.figures.page import Chapter, render_page
from stemedx.params import ReportParams

log = logging.getLogger(__name__)


def run(params: ReportParams, *, figures: list[Path], tables: list[Path], page: Path) -> None:
    """Read the figures' folders and the tables; write the page `page`.

    It holds all it shows. Without figures it tells what failed.
    """
    rows = {path.stem: read_text(path) for path in tables}
    chapters = [read_chapter(folder, page.parent) for folder in figures]
    text = render_page(params.title, rows, chapters)
    page.parent.mkdir(parents=True, exist_ok=True)
    partial = page.with_name(f".{page.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(page)
    log.info("wrote %s: %d specimens, %.1f MB", page, len(chapters), len(text) / 1e6)


def read_text(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table as they are written: a specimen may be named 007."""
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def read_chapter(folder: Path, beside: Path) -> Chapter:
    """Return what a folder of figures holds, pictures as data URIs.

    Parameters
    ----------
    folder
        As the stage `figures` writes it.
    beside
        Folder of the page, where links start.
    """
    facts = json.loads((folder / "contents.json").read_text(encoding="utf-8"))
    places = [entry["place"] for entry in facts["figures"]]
    views = {place: folder / f"{place}.json" for place in places}
    return Chapter(
        facts,
        Path(os.path.relpath(folder, beside)).as_posix(),
        {place: data_uri(folder / f"{place}.png") for place in places},
        {
            place: path.read_text(encoding="utf-8")
            for place, path in views.items()
            if path.is_file()
        },
    )


def data_uri(path: Path) -> str:
    """Return a PNG file as text that an image element can show."""
    return f"data:image/png;base64,{b64encode(path.read_bytes()).decode('ascii')}"
