"""Stage `tables`: what was measured of each specimen -> one table per question."""

import logging
import re
from pathlib import Path
from typing import Any

import pandas as pd

from stemedx import tables
from stemedx.analyse.batch import KEYS, Batch, group_table, joined, method_table
from stemedx.analyse.summary import CROSSING_COLUMNS, SUMMARY_COLUMNS, median_crossings
from stemedx.params import TablesParams

log = logging.getLogger(__name__)
# What we say of a specimen; a column of the sheet of such a name is renamed.
OUTCOME = ("status", "stage", "reason", "log", "n_tilts", "counts", "warnings")
SHELL_COLUMNS = ("particle", "mean_nm", "uncovered_percent", "touches_edge")
# What a spreadsheet would take for a formula. Numbers and ranges of tilts are none.
FORMULA = re.compile(r"[=@\t\r]|[+-](?![\d.:]+$)")


def run(  # noqa: PLR0913 - every table that is gathered, and every one that is written
    params: TablesParams,
    *,
    sheet: list[dict[str, Any]],
    methods_wanted: list[str],
    failed: list[dict[str, str]],
    left_out: list[dict[str, str]],
    manifests: list[Path],
    crossings: list[Path],
    held_out: list[Path],
    thickness: list[Path],
    specimens: Path,
    methods: Path,
    resolution: Path,
    thickness_table: Path,
    groups: Path,
) -> None:
    """Read what the specimens' stages measured; write the tables of the batch.

    Parameters
    ----------
    sheet
        Rows of the sample sheet, columns unknown to us included.
    methods_wanted
        Reconstructions that were asked for, in the order of the tables.
    failed
        What failed: specimen, stage, method (empty: all), reason, log.
    left_out
        What a specimen cannot have: specimen, method, reason.
    """
    batch = Batch(sheet, methods_wanted, failed, left_out)
    resolved = resolution_table(crossings)
    shells = shell_table(thickness)
    group_of = {row["specimen"]: row["group"] for row in sheet if row.get("group")}
    write(specimens, specimen_table(batch, {p.parent.name: p for p in manifests}))
    write(methods, method_table(batch, dict(map(gain_of, held_out))))
    write(resolution, resolved)
    write(thickness_table, shells)
    write(groups, group_table(group_of, resolved, shells))
    finished = [batch.status(row["specimen"]) for row in sheet].count("finished")
    log.info("%s: %d of %d specimens finished", specimens, finished, len(sheet))


def write(path: Path, table: pd.DataFrame) -> None:
    """Write a table whose texts no spreadsheet takes for formulas."""
    tables.write(path, table.map(harmless))


def harmless(value: Any) -> Any:
    """Return a value; a text that a spreadsheet would run comes with an apostrophe."""
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value


def specimen_table(batch: Batch, manifests: dict[str, Path]) -> pd.DataFrame:
    """Return the sheet with what became of each specimen."""
    rows = []
    for row in batch.sheet:
        specimen = row["specimen"]
        faults = batch.faults(specimen)
        told = {key: joined(fault[key] for fault in faults) for key in ("stage", "reason", "log")}
        measured = _measured(manifests[specimen]) if specimen in manifests else {}
        own = {f"sheet_{key}" if key in OUTCOME else key: _text(row[key]) for key in row}
        rows.append({**own, "status": batch.status(specimen), **told, **measured})
    columns = [key for row in rows for key in row if key not in OUTCOME]
    table = pd.DataFrame(rows, columns=[*dict.fromkeys(columns), *OUTCOME])
    whole = table[["n_tilts", "counts"]].convert_dtypes()  # 13 and not 13.0 beside an empty cell
    return table.assign(**whole)


def _text(value: Any) -> Any:
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else value


def _measured(manifest: Path) -> dict[str, Any]:
    """Return what the manifest of a tilt series says as a whole."""
    rows = tables.read(manifest, ("tilt_deg", "counts", "warnings"))
    warnings = joined(str(text) for text in rows["warnings"].dropna())
    n_tilts = int(rows["tilt_deg"].nunique())
    return {"n_tilts": n_tilts, "counts": rows["counts"].sum(), "warnings": warnings}


def gain_of(path: Path) -> tuple[tuple[str, str], tuple[float, bool]]:
    """Return specimen and method; mean gain per held-out hit, and is it independent."""
    rows = tables.read(path, ("element", "gain_nat_per_hit", "independent"))
    gain = float(rows["gain_nat_per_hit"].mean())
    return _specimen_and_method(path, "_held_out"), (gain, bool(rows["independent"].all()))


def resolution_table(crossings: list[Path]) -> pd.DataFrame:
    """Return the median resolution of each specimen, element and method."""
    parts = []
    for path in crossings:
        specimen, method = _specimen_and_method(path, "_crossings")
        found = median_crossings(tables.read(path, CROSSING_COLUMNS))
        parts.append(found.assign(specimen=specimen, method=method))
    return _stacked(parts, SUMMARY_COLUMNS)


def shell_table(folders: list[Path]) -> pd.DataFrame:
    """Return the statistics of every particle, element and method."""
    parts = []
    for folder in folders:
        found = tables.read(folder / "statistics.csv", SHELL_COLUMNS)
        parts.append(found.assign(specimen=folder.parent.parent.name, method=folder.name))
    return _stacked(parts, SHELL_COLUMNS)


def _specimen_and_method(path: Path, ending: str) -> tuple[str, str]:
    return path.parent.parent.name, path.stem.removesuffix(ending)


def _stacked(parts: list[pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    """Return tables below each other, keyed by specimen, element and method."""
    filled = [part for part in parts if len(part)]
    if not filled:
        return pd.DataFrame(columns=list(dict.fromkeys((*KEYS, *columns))))
    table = pd.concat(filled, ignore_index=True)
    return table[[*KEYS, *(name for name in table.columns if name not in KEYS)]]
