"""Exported element maps, one tilt series per file named after the element."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stemedx.arrays import Series
from stemedx.ingest.calibration import one_pixel_nm, to_pixel_nm
from stemedx.ingest.contents import Read
from stemedx.ingest.haadf import is_haadf, read_pictures, to_pictures, to_series
from stemedx.ingest.series import (
    ManifestRow,
    TiltSeries,
    ignored_row,
    insist_equal_shapes,
    manifest_row,
)
from stemedx.ingest.signals import Signal
from stemedx.ingest.tilts import Tilts, View, tilts_of
from stemedx.ingest.views import views_of
from stemedx.maps.checks import insist_counts_or_rates, to_integers
from stemedx.sheet import SheetRow

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MapSeries:
    """The maps of one element: ``(tilt, y, x)``, their views and scan step."""

    file: Path
    values: Series
    views: list[View]
    pixel_nm: float | None
    warnings: tuple[str, ...]


def map_files(files: Sequence[Path], lines: Sequence[str]) -> dict[str, Path]:
    """Return the files that are named after lines or elements of the sheet.

    ``Se.hspy`` and ``Se_La.hspy`` both serve for ``Se`` and ``Se_La``; a file of the
    very name goes first.

    Raises
    ------
    ValueError
        If several files serve for one line.
    """
    found = {}
    for line in lines:
        symbol = line.split("_")[0]
        named = [path for path in files if path.stem == line]
        akin = named or [path for path in files if path.stem.split("_")[0] == symbol]
        akin = [path for path in akin if path.stem in (line, symbol) or symbol == line]
        if len(akin) > 1:
            raise ValueError(
                f"{akin[0].parent}: expected one file of maps of {line}, found "
                f"{', '.join(path.name for path in akin)}. Name one line in the column elements."
            )
        if akin:
            found[line] = akin[0]
    return found


def gather_maps(
    files: Sequence[Path], named: dict[str, Path], row: SheetRow, read: Read
) -> TiltSeries:
    """Return the tilt series of a specimen whose raw files are element maps.

    Parameters
    ----------
    files
        All raw files, HAADF and such too.
    named
        File of each line, from `map_files`.
    row
        What the sheet says.
    read
        Reads one file.

    Raises
    ------
    ValueError
        If an element has no file, or the files do not fit each other.
    """
    missing = [line for line in row.elements if line not in named]
    if missing:
        raise ValueError(
            f"{row.raw}: expected a file of maps of {', '.join(missing)}, found only "
            f"{', '.join(path.name for path in files)}. Add the file, or take the element from "
            "the column elements of the sheet."
        )
    series = [_read(named[line], read) for line in row.elements]
    in_files = [one.file for one in series]
    insist_equal_shapes([one.values.shape for one in series], in_files, "maps (tilt, y, x)")
    tilts = [tilts_of(one.views, row.tilts) for one in series]
    _insist_equal_tilts(tilts, in_files)
    order = np.argsort(tilts[0].deg)
    tilt_deg = np.array(tilts[0].deg)[order]
    pixel_nm, doubt = one_pixel_nm([one.pixel_nm for one in series], in_files, row.pixel_nm)
    maps = _stack([one.values[order] for one in series])
    shape = (int(maps.shape[2]), int(maps.shape[3]))
    unused = [path for path in files if path not in in_files]
    haadf, others = _haadf(unused, tilt_deg, shape, pixel_nm, row, read)
    rows = [
        line
        for one, own in zip(series, tilts, strict=True)
        for line in _manifest(one, own, order, doubt)
    ]
    return TiltSeries(tilt_deg, pixel_nm, shape, maps, haadf, rows + others)


def _read(path: Path, read: Read) -> MapSeries:
    contents = read(path)
    signals, said = contents.signals, contents.said
    if len(signals) != 1 or len(signals[0].axes) != 3:
        found = "; ".join(_text(signal) for signal in signals) or "nothing"
        raise ValueError(
            f"{path}: expected maps of one element with the axes (tilt, y, x), found {found}. "
            "Export one tilt series per file."
        )
    signal = signals[0]
    values = signal.load()
    insist_counts_or_rates(values, path, ("tilt", "y", "x"))
    pixel_nm = to_pixel_nm(signal.axes[1], signal.axes[2], path)
    return MapSeries(path, values, views_of(signal, signal.axes[0]), pixel_nm, tuple(said))


def _text(signal: Signal) -> str:
    return ", ".join(f"{axis.name or 'axis'} {len(axis.values)}" for axis in signal.axes)


def _insist_equal_tilts(tilts: Sequence[Tilts], files: Sequence[Path]) -> None:
    for own, file in zip(tilts, files, strict=True):
        if not np.allclose(own.deg, tilts[0].deg, rtol=0, atol=0.01):
            raise ValueError(
                f"{file}: expected the tilts of {files[0].name} "
                f"({tilts[0].deg[0]:g} to {tilts[0].deg[-1]:g} degrees), found {own.deg[0]:g} to "
                f"{own.deg[-1]:g}. Correct the tilt axis of the file, or give the tilts in the "
                "column tilts of the sheet."
            )


def _stack(maps: Sequence[np.ndarray]) -> np.ndarray:
    """Return ``(element, tilt, y, x)`` integers if all values are whole, else float32."""
    whole = [to_integers(one) for one in maps]
    counted = [one for one in whole if one is not None]
    if len(counted) < len(maps):
        return np.stack(maps).astype(np.float32)
    return np.stack(counted)


def _haadf(
    others: list[Path],
    tilt_deg: np.ndarray,
    shape: tuple[int, int],
    pixel_nm: float,
    row: SheetRow,
    read: Read,
) -> tuple[Series | None, list[ManifestRow]]:
    """Return the HAADF series (None without), and lines for files that are not used."""
    if row.haadf:
        pictures = read_pictures(row.haadf, read)
    else:
        named = [path for path in others if "haadf" in path.stem.lower()]
        others = [path for path in others if path not in named]
        signals = [one for path in named for one in read(path).signals if is_haadf(one)]
        pictures = [picture for one in signals for picture in to_pictures(one)]
    rows = [ignored_row(path, "not named after an element of the sheet") for path in others]
    if not pictures:
        return None, rows
    try:
        return to_series(pictures, {}, tilt_deg, shape, pixel_nm, row.tilts), rows
    except ValueError as misfit:
        if row.haadf:
            raise
        log.warning("HAADF left out: %s", misfit)
        return None, [*rows, ignored_row(pictures[0].view.file, str(misfit))]


def _manifest(series: MapSeries, tilts: Tilts, order: np.ndarray, doubt: str) -> list[ManifestRow]:
    return [
        manifest_row(
            series.views[n].name,
            tilts.deg[n],
            tilts.origin,
            float(series.values[n].sum(dtype=np.float64)),
            [*series.warnings, *tilts.warnings, doubt],
        )
        for n in order.tolist()
    ]
