"""The tilt of each view, and where it is known from.

In this order: the sheet, a calibrated axis, the metadata of the stage, the file name.
A tilt that is not certain is refused: a wrong one is not seen in any later stage.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from stemedx.ingest.files import numbers
from stemedx.params import tilt_range
from stemedx.sheet import is_range

REMEDY = (
    "Give them in the column tilts of the sheet: a list such as -60:60:10, a .rawtlt or .mdoc "
    "file, or a table file<TAB>tilt_deg."
)
LARGEST_DEG = 90.0
HYPHEN = re.compile(r"[A-Za-z]-\d")  # a sign or not
SAME_TILT_DEG = 1.0  # by which stages are off without being wrong


@dataclass(frozen=True)
class View:
    """One tilt of a series, before its tilt is certain; views of one place are equal.

    Attributes
    ----------
    file
        Where it is from.
    index
        Place in a file of several tilts; None in a file of one.
    axis_deg
        Tilt by a calibrated axis of the file; None without one.
    stage_deg
        Tilt by the metadata of the stage; None without.
    """

    file: Path
    index: int | None = None
    axis_deg: float | None = field(default=None, compare=False)
    stage_deg: float | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """File name, and the place in it if it holds several tilts."""
        return self.file.name if self.index is None else f"{self.file.name}[{self.index}]"


@dataclass(frozen=True)
class Tilts:
    """The tilt of each view, degrees, where they are known from, and what is odd."""

    deg: tuple[float, ...]
    origin: str
    warnings: tuple[str, ...] = ()


def tilts_of(views: Sequence[View], said: str | None) -> Tilts:
    """Return the tilts of all views of a series, in the order of `views`.

    Parameters
    ----------
    views
        In natural order of their files.
    said
        What the sheet says: a list ``first:last:step``, a file, or nothing.

    Raises
    ------
    ValueError
        If there is one view only, a tilt is unknown, two are equal, or one is beyond 90
        degrees, or the sheet has more or fewer than there are views.
    """
    if len(views) < 2:
        raise ValueError(
            f"{views[0].file}: expected a series of several tilts, found one view. Name all raw "
            "files in the column raw."
        )
    found = _said(views, said) if said else _measured(views)
    _insist_distinct(views, found)
    if said:
        found = replace(found, warnings=_contradicted(views, found))
    return found


def _contradicted(views: Sequence[View], found: Tilts) -> tuple[str, ...]:
    """Return how many files, or their names, tell another tilt than the sheet; 0 says none."""
    named = _named(views) or len(views) * (None,)
    measured = [
        (view.stage_deg or name) if view.axis_deg is None else view.axis_deg
        for view, name in zip(views, named, strict=True)
    ]
    trios = [
        (view.name, tilt, known)
        for view, tilt, known in zip(views, found.deg, measured, strict=True)
        if known and abs(known - tilt) > SAME_TILT_DEG
    ]
    if not trios:
        return ()
    name, tilt, known = trios[0]
    return (
        f"{len(trios)} of {len(views)} files tell another tilt than the sheet, the first of them "
        f"{name}: {known:g} degrees, not {tilt:g}; that of the sheet is used",
    )


def _said(views: Sequence[View], said: str) -> Tilts:
    if is_range(said):
        _insist_order(views, said)
        return Tilts(_as_many(views, list(tilt_range(said)), f"tilts {said}"), "sheet")
    path = Path(said)
    if not path.is_file():
        raise ValueError(f"{said}: expected a file of tilts, found none. {REMEDY}")
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    if path.suffix.lower() == ".mdoc":
        _insist_order(views, said)
        found = [_number(path, n, text[1]) for n, text in _mdoc_tilts(lines)]
        return Tilts(_as_many(views, found, said), path.name)
    rows = [row for row in csv.reader(lines, delimiter="\t") if any(cell.strip() for cell in row)]
    if all(len(row) == 1 for row in rows):
        _insist_order(views, said)
        return Tilts(_as_many(views, _column(path, rows), said), path.name)
    return Tilts(_by_name(path, views, rows), path.name)


def _insist_order(views: Sequence[View], said: str) -> None:
    """Refuse a list, which goes by the order of the files, where names do not tell that.

    In ``dot-20, dot0, dot20`` the hyphen may be a sign; in ``dot-1, dot-2`` it is none.
    """
    odd = [view for view in views if HYPHEN.search(view.file.stem)]
    if odd and len(odd) < len(views):
        plain = next(view for view in views if view not in odd)
        raise ValueError(
            f"{odd[0].file}: expected names that tell the order of the files, found a hyphen in "
            f"{odd[0].name} that may be a sign, and none in {plain.name}. Give the tilts in a "
            f"table file<TAB>tilt_deg instead of {said}."
        )


def _mdoc_tilts(lines: Sequence[str]) -> list[tuple[int, re.Match[str]]]:
    """Return number and match of the lines ``TiltAngle = ...`` of a file of SerialEM."""
    pairs = ((n, re.match(r"\s*TiltAngle\s*=\s*(\S*)", line)) for n, line in enumerate(lines, 1))
    return [(n, match) for n, match in pairs if match]


def _column(path: Path, rows: list[list[str]]) -> list[float]:
    return [_number(path, n, row[0]) for n, row in enumerate(rows, start=1)]


def _by_name(path: Path, views: Sequence[View], rows: list[list[str]]) -> tuple[float, ...]:
    """Match a table ``file<TAB>tilt_deg`` with the views; its header may be missing."""
    known: dict[str, float] = {}
    for n, row in enumerate(rows, start=1):
        tilt = row[1].strip() if len(row) > 1 else ""
        if n == 1 and tilt == "tilt_deg":
            continue
        name = Path(row[0].strip()).name
        if name in known:
            raise ValueError(
                f"{path}, line {n}: expected each file once, found {name} again. Remove one of the "
                "lines."
            )
        known[name] = _number(path, n, tilt)
    missing = [view.name for view in views if view.name not in known]
    surplus = sorted(known.keys() - {view.name for view in views})
    if missing or surplus:
        raise ValueError(
            f"{path}: expected one line for each raw file, found none for "
            f"{', '.join(missing) or 'nothing'}, and lines for {', '.join(surplus) or 'nothing'} "
            "that no file has. Correct the table or the column raw."
        )
    return tuple(known[view.name] for view in views)


def _as_many(views: Sequence[View], tilts: list[float], where: str) -> tuple[float, ...]:
    if len(tilts) != len(views):
        raise ValueError(
            f"{where}: expected as many tilts as views, found {len(tilts)} tilts for "
            f"{len(views)} views ({views[0].name} to {views[-1].name}). Correct the column tilts "
            "or the column raw of the sheet."
        )
    return tuple(tilts)


def _number(path: Path, line: int, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(
            f"{path}, line {line}: expected a tilt in degrees, found {text!r}. {REMEDY}"
        ) from None


def _measured(views: Sequence[View]) -> Tilts:
    on_axis = [view.axis_deg for view in views if view.axis_deg is not None]
    if len(on_axis) == len(views):
        return Tilts(tuple(on_axis), "axis")
    on_stage = [view.stage_deg for view in views if view.stage_deg is not None]
    is_told = len(on_stage) == len(views) and len(set(on_stage)) > 1
    if is_told:
        return Tilts(tuple(on_stage), "metadata")
    named = _named(views)
    if named is None:
        stage = _about_stage(on_stage, len(views))
        raise ValueError(
            f"{views[0].file.parent}: the tilts of {views[0].name} to {views[-1].name} are "
            f"unknown: no calibrated tilt axis, {stage} in the metadata, and the file names do "
            f"not tell. {REMEDY}"
        )
    doubt = [f"stage tilt {tilt:g} in the metadata, not used" for tilt in on_stage[:1]]
    return Tilts(named, "file name", tuple(doubt))


def _about_stage(on_stage: list[float], n_views: int) -> str:
    if not on_stage:
        return "no stage tilt"
    told = ", ".join(f"{tilt:g}" for tilt in on_stage[:3])
    if len(on_stage) < n_views:
        return f"stage tilts in {len(on_stage)} of {n_views} ({told})"
    return f"equal stage tilts ({told})"


def _named(views: Sequence[View]) -> tuple[float, ...] | None:
    """Return the one number that differs from file name to file name, if it can be a tilt.

    A count of the files (0, 1, 2 ... or 1, 2, 3 ...) is no tilt, unless "deg" follows;
    and whether the hyphen of ``dot-40`` is a sign cannot be told.
    """
    stems = [view.file.stem for view in views]
    if any(HYPHEN.search(stem) for stem in stems):
        return None
    columns = list(zip(*map(numbers, stems), strict=False))
    is_regular = len({len(numbers(stem)) for stem in stems}) == 1
    varying = [column for column in columns if len(set(column)) > 1]
    if not is_regular or len(varying) != 1 or any(view.index is not None for view in views):
        return None
    tilts = varying[0]
    start = min(tilts)
    is_count = start in (0, 1) and sorted(tilts) == [start + n for n in range(len(tilts))]
    if is_count and not all(re.search(r"\d ?(deg|°)", stem) for stem in stems):
        return None
    return tuple(tilts) if max(map(abs, tilts)) <= LARGEST_DEG else None


def _insist_distinct(views: Sequence[View], tilts: Tilts) -> None:
    seen: dict[float, str] = {}
    for view, tilt in zip(views, tilts.deg, strict=True):
        if not abs(tilt) <= LARGEST_DEG:  # NaN too
            raise ValueError(
                f"{view.file}: expected a tilt within +-90 degrees, found {tilt:g} ({view.name}, "
                f"from the {tilts.origin}). {REMEDY}"
            )
        if tilt in seen:
            raise ValueError(
                f"{view.file}: expected different tilts, found {tilt:g} degrees for both "
                f"{seen[tilt]} and {view.name} (from the {tilts.origin}). {REMEDY}"
            )
        seen[tilt] = view.name
