"""Stage `element_maps`: tilt series -> photons of each element in each pixel."""

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from stemedx import store, tables
from stemedx.arrays import MeasuredMaps
from stemedx.maps.common_field import on_common_field
from stemedx.maps.counting import Counted, SpectrumSeries, count_elements, net_maps
from stemedx.maps.frames import frames_of_tilts
from stemedx.maps.net import to_gains
from stemedx.maps.response import Response, noise_for
from stemedx.maps.signal import SignalMaps, to_signal
from stemedx.params import ElementMapsParams
from stemedx.provenance import made_by

log = logging.getLogger(__name__)
AXES = ("element", "tilt", "y", "x")
FRAME_COLUMNS = ("tilt_deg", "frame", "detector", "element", "counts", "whole")


def run(  # noqa: PLR0913 - one keyword per file of the rule
    params: ElementMapsParams,
    *,
    lines: list[str],
    signal: str | None,
    tilt_series: Path,
    drift: Path | None = None,
    element_maps: Path,
    net: Path,
    table: Path,
    frames: Path,
) -> None:
    """Read the store `tilt_series`; write `element_maps`, `net`, and tables of totals.

    Spectra are counted in the window of each line; exported maps stay as they are.
    `element_maps` holds ``(element, tilt, y, x)`` counts, or intensities where the sheet
    says so; `net` the same without background, with variances. `table` has one row per map,
    `frames` one per map, frame and detector, where the files tell them. The frames of a
    2-D acquisition are added up where all of them have scanned, as of one tilt of 0.

    Parameters
    ----------
    params
        Of the stage.
    lines
        Elements or X-ray lines of the sheet.
    signal
        What the sheet says that a pixel is; None to tell from the data.
    tilt_series, drift
        Stores to read; `drift` of a 2-D acquisition, whose frames lie on each other there.
    element_maps, net
        Stores to write.
    table, frames
        CSV to write.

    Raises
    ------
    ValueError
        If a line is not in the spectra, or the maps are not what the sheet says.
    """
    attrs = store.read_attrs(tilt_series)
    inputs = {"tilt_series": tilt_series, **({"drift": drift} if drift else {})}
    counted, series = None, None
    if attrs["content"] == "spectra":
        series = _series(tilt_series, attrs, params)
        counted = count_elements(series, lines, params)
        maps: MeasuredMaps = counted.maps
    elif drift is not None:
        maps, signal = _sum_of_frames(drift), "counts"
        attrs["tilt_deg"] = [0.0]
    else:
        maps = store.read_layer(tilt_series, "maps", axes=AXES, units=("count", "intensity"))
    symbols = [line.split("_")[0] for line in lines]
    try:
        recognised = to_signal(maps, symbols, signal)
    except ValueError as fault:
        raise ValueError(f"{tilt_series}: {fault}") from None
    totals = recognised.values.sum(axis=(2, 3), dtype=np.float64)
    log.info("%s of %s: %s", recognised.signal, ", ".join(lines), totals.sum(axis=1).tolist())
    common = {
        "elements": symbols,
        "tilt_deg": attrs["tilt_deg"],
        "pixel_nm": attrs["pixel_nm"],
        "signal": recognised.signal,
        "made_by": made_by("element_maps", params, inputs),
    }
    found = _of_spectra(counted, params) if counted else _of_maps(totals, lines)
    units = "intensity" if recognised.signal == "intensity" else "count"
    factors = recognised.variance_to_mean
    store.write(
        element_maps, recognised.values, axes=AXES, units=units, variance_to_mean=factors,
        **common, **found,
    )  # fmt: skip
    values, variance = (
        net_maps(series, counted.tilts) if series and counted else _as_net(recognised)
    )
    layers = {
        "net": store.Layer(values, AXES, units),
        "variance": store.Layer(variance, AXES, f"{units}^2"),
    }
    store.write_group(net, layers, **common)
    tables.write(table, _table(common, found, totals, counted))
    tables.write(frames, _frames(series, counted, attrs))


def _sum_of_frames(drift: Path) -> MeasuredMaps:
    """Return the sums of the frames of a 2-D acquisition, ``(element, 1, y, x)``."""
    axes = ("element", "frame", "y", "x")
    frames = on_common_field(
        store.read_layer(drift, "maps", axes=axes, units="count"),
        store.read_layer(drift, "scanned", axes=axes[1:], units="1"),
    )
    return frames.sum(axis=1, keepdims=True, dtype=np.uint32)


def _series(tilt_series: Path, attrs: dict[str, Any], params: ElementMapsParams) -> SpectrumSeries:
    """Return the sparse spectra of the store."""
    counts, channels, ends = (
        store.read_layer(tilt_series, f"spectra_{name}", axes=(axis,), units=units)
        for name, axis, units in (
            ("counts", "entry", "count"),
            ("channels", "entry", "channel"),
            ("ends", "row", "entry"),
        )
    )
    n_tilts, n_y, n_x = attrs["axes_shape"]
    shape = (n_tilts * n_y * n_x, attrs["n_channels"])
    resolution = attrs["resolution_MnKa_eV"] or params.resolution_MnKa_eV
    return SpectrumSeries(
        csr_array((counts, channels, ends), shape=shape),
        (n_tilts, n_y, n_x),
        Response(attrs["energy_offset_keV"], attrs["energy_scale_keV"], noise_for(resolution)),
        attrs["first_channel"],
        attrs["beam_keV"],
        tuple(attrs.get("elements_in_files", ())),
        _entries(tilt_series, "frames"),
        _entries(tilt_series, "detectors"),
        tuple(attrs.get("n_frames", ())),
        tuple(attrs.get("detectors", ())),
    )


def _entries(tilt_series: Path, name: str) -> np.ndarray | None:
    """Return the frame or detector of each entry; None where the files do not tell."""
    if not store.has_layer(tilt_series, f"spectra_{name}"):
        return None
    units = name.removesuffix("s")
    return store.read_layer(tilt_series, f"spectra_{name}", axes=("entry",), units=units)


def _of_spectra(counted: Counted, params: ElementMapsParams) -> dict[str, Any]:
    """Return what is known of maps that were counted."""
    return {
        "lines": [window.line.name for window in counted.windows],
        "method": params.method,
        "gain": counted.gain.tolist(),
        "background": counted.background.tolist(),
        "net": counted.per_map("net").tolist(),
        "net_variance": counted.per_map("variance").tolist(),
        "calibration": {
            **asdict(counted.response),
            "resolution_MnKa_eV": counted.response.resolution_eV,
        },
        **_of_sum(counted),
        "warnings": counted.warnings,
    }


def _of_sum(counted: Counted) -> dict[str, Any]:
    """Return the sum of all spectra, its fit, and where the windows are in it."""
    fit, model = counted.fit, counted.fit.model
    channels = slice(model.first, model.end)
    background = model.columns[:, model.n_lines :] @ fit.photons[model.n_lines :]
    edges = [model.response.energies(one.first, one.end + 1) for one in counted.windows]
    half = model.response.scale_keV / 2
    return {
        "spectrum": {
            "energy_keV": model.response.energies(model.first, model.end).tolist(),
            "counts": counted.total[channels].tolist(),
            "fit": fit.expected.tolist(),
            "background": background.tolist(),
        },
        "windows_keV": [[one[0] - half, one[-1] - half] for one in edges],
        "chi2_of_sum": fit.chi2,
    }


def _of_maps(totals: np.ndarray, lines: list[str]) -> dict[str, Any]:
    """Return what is known of exported maps: nothing of their background."""
    return {
        "lines": list(lines),
        "method": "exported",
        "gain": to_gains(totals, totals).tolist(),
        "background": np.zeros_like(totals).tolist(),
    }


def _as_net(maps: SignalMaps) -> tuple[np.ndarray, np.ndarray]:
    """Return exported maps as net photons with their variances."""
    values = maps.values.astype(np.float32)
    factors = np.array(maps.variance_to_mean, np.float32)
    return values, values * factors[:, None, None, None]


def _table(
    common: dict[str, Any], found: dict[str, Any], totals: np.ndarray, counted: Counted | None
) -> pd.DataFrame:
    """Return one row per map: counts, background, net counts, gain."""
    n_elements, n_tilts = totals.shape
    columns = {
        "element": np.repeat(common["elements"], n_tilts),
        "line": np.repeat(found["lines"], n_tilts),
        "tilt_deg": np.tile(common["tilt_deg"], n_elements),
        "method": found["method"],
        "counts": totals.ravel(),
        "background": np.ravel(found["background"]),
        "gain": np.ravel(found["gain"]),
    }
    if counted:
        columns |= {
            "net": counted.per_map("net").ravel(),
            "net_sd": np.sqrt(counted.per_map("variance")).ravel(),
            "photons": counted.per_map("photons").ravel(),
            "photons_sd": np.sqrt(counted.per_map("photons_variance")).ravel(),
            "chi2": np.tile([tilt.chi2 for tilt in counted.tilts], n_elements),
        }
    return pd.DataFrame(columns)


def _frames(
    series: SpectrumSeries | None, counted: Counted | None, attrs: dict[str, Any]
) -> pd.DataFrame:
    """Return one row per map, frame and detector; none where the files do not tell."""
    rows = []
    if series and counted:
        symbols = [window.line.symbol for window in counted.windows]
        of_tilts = frames_of_tilts(series, counted.windows)
        for tilt_deg, (counts, is_whole) in zip(attrs["tilt_deg"], of_tilts, strict=False):
            element, frame, detector = (axis.ravel() for axis in np.indices(counts.shape))
            numbers = frame + attrs["first_frame"]
            whole = (frame < counts.shape[1] - 1) | is_whole
            rows.append(
                pd.DataFrame(
                    {
                        "tilt_deg": tilt_deg,
                        "frame": numbers,
                        "detector": np.array(series.names)[detector],
                        "element": np.array(symbols)[element],
                        "counts": counts.ravel(),
                        "whole": whole,
                    }
                )
            )
    return pd.concat(rows) if rows else pd.DataFrame(columns=list(FRAME_COLUMNS))
