"""The sample sheet: its columns, and the check of its rows.

Light on purpose (pydantic only): the Snakefile imports it on every start.
"""

import csv
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from stemedx.params import NAME, Phases, to_lines

# Folders that the batch has beside those of its specimens, or may have.
RESERVED = (
    *("simulated", "tables", "networks", "figures", "halves", "ensemble"),
    *("logs", "benchmarks", "checkpoints"),
)
LINE = re.compile(r"[A-Z][a-z]?(_[KLM][a-z]?[0-9]?)?")


def _list(text: str | list[str]) -> list[str]:
    parts = text.split(",") if isinstance(text, str) else text
    return [part.strip() for part in parts if part.strip()]


def _optional(cell: object) -> object:
    return None if cell == "" else cell


Names = Annotated[tuple[str, ...], BeforeValidator(_list)]
Lines = Annotated[tuple[str, ...], BeforeValidator(_list), Field(min_length=1)]
Text = Annotated[str | None, BeforeValidator(_optional)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
PositiveNumber = Annotated[Positive | None, BeforeValidator(_optional)]
Angle = Annotated[float, Field(ge=-180, le=180)]
AnyAngle = Annotated[Angle | None, BeforeValidator(_optional)]
Signal = Annotated[Literal["counts", "hits", "intensity"] | None, BeforeValidator(_optional)]


class SheetRow(BaseModel):
    """One specimen. Columns that are not listed here are kept and printed."""

    model_config = ConfigDict(frozen=True, extra="allow")

    specimen: str = Field(pattern=NAME)
    raw: str = Field(min_length=1)
    elements: Lines
    tilts: Text = None
    haadf: Text = None
    pixel_nm: PositiveNumber = None
    signal: Signal = None
    kind: Literal["series", "map"] = "series"
    tilt_axis_deg: AnyAngle = None
    phases: Names = ()
    size_images: Text = None
    alignment: Text = None
    group: Text = None
    optical: Text = None
    frames: Text = None

    @property
    def frame_range(self) -> range | None:
        """The frames of a raw file that are used, from 0; None for all."""
        if self.frames is None:
            return None
        first, last = map(int, self.frames.split(":"))
        return range(first - 1, last)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The element of each X-ray line: ``Se_La`` -> ``Se``."""
        return tuple(line.split("_")[0] for line in self.elements)


def read_sheet(path: Path) -> dict[str, SheetRow]:
    """Return the rows of a sample sheet by specimen.

    Paths in the sheet are relative to the sheet; they come back relative to the
    working directory. A `raw` of ``simulated/x`` is kept as it stands.

    Raises
    ------
    ValueError
        With one line per fault, naming file, line, column, value and remedy.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such sample sheet. Set `samples` in the configuration.")
    rows: dict[str, SheetRow] = {}
    faults: list[str] = []
    for where, fields in _lines(path):
        found = _row(fields, where, path.parent, faults)
        if found is None:
            continue
        if found.specimen.lower() in {name.lower() for name in rows}:
            faults.append(f"{where}: specimen {found.specimen!r} is listed twice; give each its "
                          "own name.")  # fmt: skip
        rows[found.specimen] = found
    if not rows and not faults:
        faults.append(f"{path}: no specimens. Add a row for each.")
    if faults:
        raise ValueError("\n".join(faults))
    return rows


def _lines(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the filled lines of a sheet: where each is, and its cells by column."""
    reader = csv.DictReader(
        StringIO(_text(path), newline=""), delimiter="\t", restkey="_surplus", strict=True
    )
    try:
        _insist_header(path, list(reader.fieldnames or []))
        for fields in reader:
            where = f"{path}, line {reader.line_num}"
            if any("\n" in cell or "\r" in cell for cell in fields.values() if cell):
                raise csv.Error("a cell goes on in the next line")
            if any(fields.values()):
                yield where, fields
    except csv.Error as fault:
        raise ValueError(
            f"{path}, line {reader.reader.line_num}: {fault}. A cell that begins with a double "
            "quote must end with one; remove it, or write two for each."
        ) from None


def _text(path: Path) -> str:
    """Return what a sheet says, without the mark that some programs begin a file with."""
    remedy = "Save the sheet as tab-separated text in UTF-8."
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = fault.object[: fault.start].count(b"\n") + 1
        raise ValueError(
            f"{path}, line {line}: expected text in UTF-8, found the byte "
            f"0x{fault.object[fault.start]:02x}. {remedy}"
        ) from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise ValueError(f"{path}, line {line}: expected text, found a zero byte. {remedy}")
    return text


def _insist_header(path: Path, header: list[str]) -> None:
    """Refuse a header that lacks a column, has one twice, or one that is nearly known."""
    missing = [name for name in ("specimen", "raw", "elements") if name not in header]
    if missing:
        raise ValueError(
            f"{path}: no column {', '.join(map(repr, missing))} in the header, found "
            f"{', '.join(map(repr, header)) or 'an empty file'}. The sheet is separated by tabs."
        )
    known = {_plain(name): name for name in SheetRow.model_fields}
    for name in header:
        if name and header.count(name) > 1:
            raise ValueError(f"{path}: column {name!r} is there twice. Remove one of them.")
        if name not in SheetRow.model_fields and _plain(name) in known:
            raise ValueError(
                f"{path}: column {name!r} would not be read. Write {known[_plain(name)]!r}, or "
                "give it another name if something else is meant."
            )


def _plain(name: str) -> str:
    """Return a name of a column without what is easily mistaken: case, spaces, plural."""
    return re.sub(r"[^a-z]", "", name.lower()).removesuffix("s")


def _row(fields: dict[str, str], where: str, folder: Path, faults: list[str]) -> SheetRow | None:
    """Check one line of the sheet; add what is wrong with it to `faults`."""
    if surplus := fields.pop("_surplus", None):
        faults.append(f"{where}: {len(surplus)} more fields than the header has.")
        return None
    given = {key: value for key, value in fields.items() if value}
    try:
        row = SheetRow.model_validate(given)
    except ValidationError as error:
        faults.extend(to_lines(error, where))
        return None
    faults.extend(f"{where}: {fault}" for fault in _faults(row))
    moved = {
        column: str((folder / value).resolve() if Path(value).is_absolute() else folder / value)
        for column in ("raw", "haadf", "alignment", "size_images", "optical")
        if (value := getattr(row, column)) and not value.startswith("simulated/")
    }
    if row.tilts and not is_range(row.tilts):
        moved["tilts"] = str(folder / row.tilts)
    return row.model_copy(update=moved)


def _faults(row: SheetRow) -> list[str]:
    """Return what pydantic cannot see in one row."""
    faults = []
    if row.specimen.lower() in RESERVED:
        faults.append(f"specimen {row.specimen!r}: the name is taken; choose another.")
    for line in row.elements:
        if not LINE.fullmatch(line):
            faults.append(
                f"elements: {line!r} is neither an element symbol nor an X-ray line; "
                "write Se or Se_La."
            )
    if row.frames and not is_frames(row.frames):
        faults.append(
            f"frames: expected first:last, counted from 1 and both included, such as 1:20, found "
            f"{row.frames!r}."
        )
    if len(set(row.symbols)) < len(row.symbols):
        faults.append(f"elements: an element is listed twice in {','.join(row.elements)}.")
    return faults


def check_phases(sheet: dict[str, SheetRow], phases: Phases, source: str) -> None:
    """Check that the phases of each specimen are defined and hold all its elements.

    Parameters
    ----------
    sheet
        Rows by specimen.
    phases
        `reconstruct.phases` of the configuration.
    source
        Path of the sheet, for the message.

    Raises
    ------
    ValueError
        With one line per fault, naming specimen, phase or element, and remedy.
    """
    faults = []
    for name, row in sheet.items():
        where = f"{source}: phases of {name!r}"
        unknown = [phase for phase in row.phases if phase not in phases]
        if unknown:
            faults.append(f"{where}: {', '.join(unknown)} not defined, known: "
                          f"{', '.join(phases) or 'none'}. Add to reconstruct.phases.")  # fmt: skip
        elif row.phases:
            held = {symbol for phase in row.phases for symbol in phases[phase]}
            lacking = [symbol for symbol in row.symbols if symbol not in held]
            if lacking:
                faults.append(f"{where}: {', '.join(row.phases)} hold no {', '.join(lacking)}, "
                              "which is mapped. Add the phase that holds it, or take it from "
                              "`elements`.")  # fmt: skip
        if len(set(row.phases)) < len(row.phases):
            faults.append(f"{where}: a phase is listed twice in {','.join(row.phases)}.")
    if faults:
        raise ValueError("\n".join(faults))


def is_frames(frames: str) -> bool:
    """Tell whether `frames` is ``first:last`` with 1 <= first <= last."""
    if not re.fullmatch(r"\d+:\d+", frames):
        return False
    first, last = map(int, frames.split(":"))
    return 1 <= first <= last


def is_range(tilts: str) -> bool:
    """Tell whether `tilts` is a list ``first:last:step`` and not a file."""
    number = r"-?\d+(\.\d*)?"
    return re.fullmatch(f"{number}:{number}:{number}", tilts.strip()) is not None
