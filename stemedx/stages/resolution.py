"""Stage `resolution`: volumes of independent halves -> FSC and held-out likelihood."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stemedx import store, tables
from stemedx.alignment import read_geometry
from stemedx.arrays import MeasuredMaps, Volumes
from stemedx.params import ResolutionParams
from stemedx.project.blocks import block_to_maps, volumes_to_block
from stemedx.project.projector import projector
from stemedx.reconstruct.measured import Measured
from stemedx.resolve.halves import Resolution, compare_halves, is_at_pixel_limit
from stemedx.resolve.held_out import held_out_gain

log = logging.getLogger(__name__)
CURVES = ("split", "element", "frequency_per_nm", "fsc", "n")
CROSSINGS = ("split", "element", "threshold", "resolution_nm", "status", "limited_by", "note")
# A ray that only grazes a corner of the volume, or leaves the field once it is aligned.
SHORTEST_PATH = 0.1
HALF = 0.5
Half = tuple[Volumes, dict[str, Any]]  # with its attributes
HELD_OUT = ("split", "element", "gain_nat_per_hit", "hits", "independent")


def run(
    params: ResolutionParams,
    *,
    halves: list[Path],
    maps: list[Path],
    alignment: Path,
    curves: Path,
    crossings: Path,
    held_out: Path,
) -> None:
    """Compare the halves of each split; write three tables.

    `halves` and `maps` hold a and b of each split in turn. ``limited_by`` is ``pixel``
    where the FSC never falls below the threshold: the resolution is then that of the
    grid, two pixels; ``note`` says where halves share what the method reads besides the
    photons. A resolution is empty where the status is ``no resolved signal``.
    """
    rows: dict[Path, list[dict[str, Any]]] = {curves: [], crossings: [], held_out: []}
    for split in range(len(halves) // 2):
        pair = slice(2 * split, 2 * split + 2)
        (a, attrs), (b, of_b) = (store.read_volumes(path) for path in halves[pair])
        elements, pixel_nm = attrs["elements"], attrs["pixel_nm"]
        for element, found in zip(elements, compare_halves(a, b, params), strict=True):
            named = {"split": split, "element": element}
            rows[curves] += [{**named, **row} for row in _curve(found, pixel_nm)]
            note = assisted(attrs)
            of_element = _crossings(found, pixel_nm, named)
            rows[crossings] += [{**named, **row, "note": note} for row in of_element]
        gains = _held_out(((a, attrs), (b, of_b)), maps[pair], alignment)
        rows[held_out] += [{"split": split, **row} for row in gains]
    for path, columns in ((curves, CURVES), (crossings, CROSSINGS), (held_out, HELD_OUT)):
        tables.write(path, pd.DataFrame(rows[path], columns=list(columns)))


def assisted(attrs: dict[str, Any]) -> str | None:
    """Return what to say of halves that share more than the geometry; None if they do not."""
    shared = attrs.get("shared_by_halves")
    return f"{shared}-assisted, not independent" if shared else None


def _curve(found: Resolution, pixel_nm: float) -> list[dict[str, Any]]:
    curve = found.curve
    columns = (curve.frequency / pixel_nm, curve.fsc, curve.n)
    return [dict(zip(CURVES[2:], values, strict=True)) for values in zip(*columns, strict=True)]


def _crossings(found: Resolution, pixel_nm: float, named: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for threshold, frequency in found.frequency.items():
        resolution_nm = None if frequency is None else pixel_nm / frequency
        row = {
            "threshold": threshold,
            "resolution_nm": resolution_nm,
            "status": "no resolved signal" if frequency is None else "resolved",
            "limited_by": "pixel" if frequency and is_at_pixel_limit(frequency) else None,
        }
        log.info("split %d, %s: %s", *named.values(), row)
        rows.append(row)
    return rows


def _held_out(halves: tuple[Half, Half], maps: list[Path], alignment: Path) -> list[dict[str, Any]]:
    """Return what each half tells about the other, the mean of both directions.

    A volume whose method moved tilts is seen where it was found.
    """
    axes, units = ("element", "tilt", "y", "x"), ("count", "intensity")
    (a, attrs), (b, _) = (store.read(path, axes=axes, units=units) for path in maps)
    photons = _photons(a, attrs), _photons(b, attrs)
    n_elements, _, n_y, n_x = a.shape
    geometry = read_geometry(alignment, attrs["tilt_deg"], (n_y, n_x))
    operator = projector(geometry, n_elements)
    paths = block_to_maps(operator.forward(np.ones(operator.domain_shape, np.float32)))
    covered = (paths[0] > SHORTEST_PATH * n_x).astype(np.float32)
    nothing = np.zeros(a.shape[:2])
    gains = []
    for (half, found), (seen, unseen) in zip(halves, (photons, photons[::-1]), strict=True):
        seen_by = operator
        if "moved_px" in found:
            seen_by = projector(geometry.moved(np.array(found["moved_px"])), n_elements)
        predicted = block_to_maps(seen_by.forward(volumes_to_block(half)))
        about = Measured(seen, geometry, attrs["signal"], nothing + 1, nothing, covered)
        gains.append(held_out_gain(predicted, about, unseen, HALF))
    mean = np.mean([g.gain_nat_per_hit for g in gains], axis=0)
    hits = np.sum([g.hits for g in gains], axis=0)
    independent = attrs["signal"] != "intensity"
    return [
        dict(zip(HELD_OUT[1:], (*row, independent), strict=True))
        for row in zip(attrs["elements"], mean, hits, strict=True)
    ]


def _photons(maps: MeasuredMaps, attrs: dict[str, Any]) -> MeasuredMaps:
    """Return the maps in photons: intensities are divided by that of one photon."""
    if attrs["units"] == "count":
        return maps
    return maps / np.array(attrs["variance_to_mean"], np.float32)[:, None, None, None]
