"""Stage `align`: maps or HAADF -> rotation and shift of each tilt."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from stemedx import store, tables
from stemedx.align.automatic import align, align_by_hand
from stemedx.align.by_hand import read_by_hand
from stemedx.align.source import to_source
from stemedx.params import AlignParams
from stemedx.provenance import made_by

log = logging.getLogger(__name__)


def run(
    params: AlignParams,
    *,
    tilt_axis_deg: float | None,
    element_maps: Path,
    tilt_series: Path,
    by_hand: Path | None,
    alignment: Path,
    table: Path,
) -> None:
    """Align the tilt series, or take the file `by_hand`; write store and table.

    HAADF is used where the tilt series has it. The counts are not moved: the numbers
    go into the projector.
    """
    maps, attrs = store.read(
        element_maps, axes=("element", "tilt", "y", "x"), units=("count", "intensity")
    )
    haadf = None
    if store.has_layer(tilt_series, "haadf"):
        haadf = store.read_layer(tilt_series, "haadf", axes=("tilt", "y", "x"), units="arb. unit")
    tilt_deg = np.array(attrs["tilt_deg"], np.float64)
    source = to_source(maps, haadf, tilt_deg, params)
    inputs = {"element_maps": element_maps, "tilt_series": tilt_series}
    if by_hand is None:
        found = align(source, tilt_deg, params, tilt_axis_deg)
    else:
        inputs["by_hand"] = by_hand
        given = read_by_hand(by_hand, len(tilt_deg))
        found = align_by_hand(source, tilt_deg, params, *given)
    off_deg, off_error_deg = np.zeros_like(tilt_deg), np.full_like(tilt_deg, np.nan)
    if found.tilt_errors is not None:
        off_deg, off_error_deg = found.tilt_errors.off_deg, found.tilt_errors.error_deg
    store.write_group(
        alignment,
        {
            "rotation_deg": store.Layer(found.rotation_deg, ("tilt",), "deg"),
            "shift_px": store.Layer(found.shift_px, ("tilt", "axis"), "pixel"),
            "error_px": store.Layer(found.error_px, ("tilt", "axis"), "pixel"),
            "residual": store.Layer(found.residual, ("tilt",), "1"),
            "tilt_off_deg": store.Layer(off_deg, ("tilt",), "deg"),
            "weight": store.Layer(found.weight, ("tilt", "y", "x"), "1"),
        },
        tilt_deg=attrs["tilt_deg"],
        pixel_nm=attrs["pixel_nm"],
        map_shape=list(maps.shape[2:]),
        origin="automatic" if by_hand is None else "by hand",
        warnings=list(found.warnings),
        # None where it is not known.
        axis_error_deg=found.axis_error_deg if np.isfinite(found.axis_error_deg) else None,
        made_by=made_by("align", params, inputs),
    )
    columns = {
        "tilt_deg": tilt_deg,
        "rotation_deg": found.rotation_deg,
        "shift_x_px": found.shift_px[:, 1],
        "shift_y_px": found.shift_px[:, 0],
        "residual": found.residual,
        "error_x_px": found.error_px[:, 1],
        "error_y_px": found.error_px[:, 0],
        "tilt_off_deg": off_deg,
        "tilt_off_error_deg": off_error_deg,
        "seen_percent": 100 * found.weight.mean(axis=(1, 2), dtype=np.float64),
    }
    tables.write(table, pd.DataFrame(columns))
