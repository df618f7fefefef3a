"""Stage `ingest`: raw files -> one checked tilt series."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stemedx import store, tables
from stemedx.ingest.apart import reading_apart
from stemedx.ingest.files import raw_files
from stemedx.ingest.frames import FrameSeries, gather_frames
from stemedx.ingest.gather import gather
from stemedx.ingest.series import SparseSpectra, TiltSeries
from stemedx.params import IngestParams
from stemedx.provenance import made_by
from stemedx.sheet import SheetRow

log = logging.getLogger(__name__)


def run(
    params: IngestParams,
    *,
    row: SheetRow,
    simulated: list[Path],
    tilt_series: Path,
    manifest: Path,
) -> None:
    """Check the raw files of a specimen; write `tilt_series` and its `manifest`.

    Of a specimen of kind `map` the store holds frames: ``(element, frame, y, x)``.

    Parameters
    ----------
    params
        Of the stage.
    row
        What the sheet says of the specimen.
    simulated
        A folder to read in place of `row.raw`, or nothing.
    tilt_series, manifest
        Store and CSV to write.
    """
    files = raw_files(str(simulated[0]) if simulated else row.raw, "raw")
    haadf = raw_files(row.haadf, "haadf") if row.haadf else []
    with reading_apart() as read:
        if row.kind == "map":
            frames = gather_frames(files, row, read)
            _write_frames(frames, params, row, tilt_series, files + haadf)
            tables.write(manifest, pd.DataFrame(frames.manifest))
            return
        series = gather(files, row, params.min_keV, read)
    table = pd.DataFrame(series.manifest)
    origins = ", ".join(sorted(set(table.tilt_origin) - {""}))
    _tell(row.specimen, series, origins)
    layers, attrs = _content(series, params.min_keV, row.frame_range)
    if series.haadf is not None:
        layers["haadf"] = store.Layer(series.haadf, ("tilt", "y", "x"), "arb. unit")
    store.write_group(
        tilt_series,
        layers,
        specimen=row.specimen,
        tilt_deg=series.tilt_deg.tolist(),
        tilt_origin=origins,
        pixel_nm=series.pixel_nm,
        elements=list(row.symbols),
        lines=list(row.elements),
        signal=row.signal,
        has_haadf=series.haadf is not None,
        axes_shape=[len(series.tilt_deg), *series.shape],
        made_by=made_by("ingest", params, {path.name: path for path in files + haadf}),
        **attrs,
    )
    tables.write(manifest, table)


def _write_frames(
    series: FrameSeries, params: IngestParams, row: SheetRow, tilt_series: Path, files: list[Path]
) -> None:
    """Write the frames of a 2-D acquisition."""
    log.info(
        "%s: %d frames of %d x %d pixels of %g nm, %d counts",
        *(row.specimen, *series.maps.shape[1:], series.pixel_nm, series.maps.sum(dtype=np.int64)),
    )
    layers = {"maps": store.Layer(series.maps, ("element", "frame", "y", "x"), "count")}
    if series.haadf is not None:
        layers["haadf"] = store.Layer(series.haadf, ("frame", "y", "x"), "arb. unit")
    store.write_group(
        tilt_series,
        layers,
        specimen=row.specimen,
        pixel_nm=series.pixel_nm,
        elements=list(row.symbols),
        lines=list(row.elements),
        signal=row.signal,
        content="frames",
        has_haadf=series.haadf is not None,
        made_by=made_by("ingest", params, {path.name: path for path in files}),
    )


def _tell(specimen: str, series: TiltSeries, origins: str) -> None:
    """Log what a scientist would ask for."""
    log.info(
        "%s: %d tilts from %g to %g deg (from: %s), %g nm pixels, %d counts",
        specimen,
        len(series.tilt_deg),
        series.tilt_deg[0],
        series.tilt_deg[-1],
        origins,
        series.pixel_nm,
        sum(float(line["counts"]) for line in series.manifest),
    )


def _content(
    series: TiltSeries,
    min_keV: float,  # noqa: N803
    frames: range | None,
) -> tuple[dict[str, store.Layer], dict[str, Any]]:
    """Return the arrays of the series and what a reader of them needs to know."""
    content = series.content
    if not isinstance(content, SparseSpectra):
        units = "count" if content.dtype.kind == "u" else "intensity"
        maps = store.Layer(content, ("element", "tilt", "y", "x"), units)
        return {"maps": maps}, {"content": "maps"}
    layers = {
        "spectra_counts": store.Layer(content.counts, ("entry",), "count"),
        "spectra_channels": store.Layer(content.channels, ("entry",), "channel"),
        "spectra_ends": store.Layer(content.ends, ("row",), "entry"),
    }
    for name, values in (("frames", content.frames), ("detectors", content.detectors)):
        if values is not None:
            layers[f"spectra_{name}"] = store.Layer(values, ("entry",), name.removesuffix("s"))
    return layers, {
        "content": "spectra",
        "n_frames": list(content.n_frames),
        "first_frame": 1 if frames is None else frames.start + 1,
        "detectors": list(content.names),
        "energy_offset_keV": content.axis.offset_keV,
        "energy_scale_keV": content.axis.scale_keV,
        "n_channels": content.axis.n_channels,
        "first_channel": content.axis.first_above(min_keV),
        "beam_keV": content.beam_keV,
        "resolution_MnKa_eV": content.resolution_eV,
        "elements_in_files": list(content.elements),
    }
