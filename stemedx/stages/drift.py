"""Stage `drift`: frames of a 2-D acquisition -> the same events without their drift."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from stemedx import store, tables
from stemedx.align.drift import FrameSource, find_drift, move_frames, to_frame_source
from stemedx.params import DriftParams
from stemedx.provenance import made_by

log = logging.getLogger(__name__)
MAP_AXES = ("element", "frame", "y", "x")
HAADF_AXES = MAP_AXES[1:]


def run(params: DriftParams, *, tilt_series: Path, drift: Path, table: Path) -> None:
    """Find the drift of the frames, by HAADF where there is any; write store and table.

    Events are moved by whole pixels onto a field that holds all of them: as many counts
    leave as came. Where and when the specimen was scanned is in the layer `scanned`.
    """
    maps = store.read_layer(tilt_series, "maps", axes=MAP_AXES, units="count")
    attrs = store.read_attrs(tilt_series)
    haadf = None
    if store.has_layer(tilt_series, "haadf"):
        haadf = store.read_layer(tilt_series, "haadf", axes=HAADF_AXES, units="arb. unit")
    source: FrameSource = to_frame_source(maps, haadf, params.smooth_px)
    found = find_drift(source, params.max_shift_px)
    for warning in found.warnings:
        log.warning("drift: %s", warning)
    whole_px = np.rint(found.shift_px).astype(np.int64)
    moved, scanned = move_frames(maps, whole_px)
    log.info(
        "%d frames moved by up to %d px; %d counts on %d x %d pixels",
        *(len(whole_px), int(np.ptp(whole_px, axis=0).max()), int(moved.sum()), *moved.shape[2:]),
    )
    layers = {
        "maps": store.Layer(moved, MAP_AXES, "count"),
        "scanned": store.Layer(scanned, HAADF_AXES, "1"),
        "shift_px": store.Layer(found.shift_px, ("frame", "axis"), "pixel"),
    }
    if haadf is not None:
        pictures, _ = move_frames(haadf[None], whole_px)
        layers["haadf"] = store.Layer(pictures[0], HAADF_AXES, "arb. unit")
    store.write_group(
        drift,
        layers,
        specimen=attrs["specimen"],
        lines=attrs["lines"],
        pixel_nm=attrs["pixel_nm"],
        signal=attrs["signal"],
        warnings=list(found.warnings),
        made_by=made_by("drift", params, {"tilt_series": tilt_series}),
    )
    columns = {
        "frame": np.arange(1, len(whole_px) + 1),
        "shift_x_px": found.shift_px[:, 1],
        "shift_y_px": found.shift_px[:, 0],
        "moved_x_px": whole_px[:, 1],
        "moved_y_px": whole_px[:, 0],
        "agreement": found.agreement,
        "counts": maps.sum(axis=(0, 2, 3), dtype=np.int64),
    }
    tables.write(table, pd.DataFrame(columns))
