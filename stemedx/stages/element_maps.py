"""Stage `element_maps`: tilt series -> photons of each element in each pixel."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from stemedx import store
from stemedx.arrays import MeasuredMaps
from stemedx.maps.lines import choose_line
from stemedx.maps.signal import to_signal
from stemedx.maps.windows import Window, count_windows, fwhm_keV, to_window, warn_of_overlaps
from stemedx.params import ElementMapsParams
from stemedx.provenance import made_by

log = logging.getLogger(__name__)
AXES = ("element", "tilt", "y", "x")


def run(
    params: ElementMapsParams,
    *,
    lines: list[str],
    signal: str | None,
    tilt_series: Path,
    element_maps: Path,
) -> None:
    """Read the store `tilt_series`, write the store `element_maps`.

    Spectra are counted in the window of each line; exported maps stay as they are.
    Writes ``(element, tilt, y, x)`` counts, or intensities where the sheet says so.

    Parameters
    ----------
    params
        Of the stage.
    lines
        Elements or X-ray lines of the sheet.
    signal
        What the sheet says that a pixel is; None to tell from the data.
    tilt_series, element_maps
        Stores to read and to write.

    Raises
    ------
    ValueError
        If a line is not in the spectra, or the maps are not what the sheet says.
    """
    attrs = store.read_attrs(tilt_series)
    symbols = [line.split("_")[0] for line in lines]
    found: dict[str, Any] = {"lines": list(lines)}
    if attrs["content"] == "spectra":
        windows = _windows(params, lines, attrs)
        maps = _count(tilt_series, windows, attrs)
        overlaps = warn_of_overlaps(windows, attrs["energy_scale_keV"])
        found = {"lines": [window.line.name for window in windows], "warnings": overlaps}
    else:
        maps = store.read_layer(tilt_series, "maps", axes=AXES, units=("count", "intensity"))
    try:
        recognised = to_signal(maps, symbols, signal)
    except ValueError as fault:
        raise ValueError(f"{tilt_series}: {fault}") from None
    totals = recognised.values.sum(axis=(1, 2, 3), dtype=np.float64)
    log.info("%s of %s: %s", recognised.signal, ", ".join(found["lines"]), totals.tolist())
    store.write(
        element_maps,
        recognised.values,
        axes=AXES,
        units="intensity" if recognised.signal == "intensity" else "count",
        elements=symbols,
        tilt_deg=attrs["tilt_deg"],
        pixel_nm=attrs["pixel_nm"],
        signal=recognised.signal,
        variance_to_mean=recognised.variance_to_mean,
        made_by=made_by("element_maps", params, {"tilt_series": tilt_series}),
        **found,
    )


def _windows(params: ElementMapsParams, lines: list[str], attrs: dict[str, Any]) -> list[Window]:
    """Return the window of each line on the energy axis of the series."""
    offset, scale, n_channels = (
        attrs[key] for key in ("energy_offset_keV", "energy_scale_keV", "n_channels")
    )
    first_keV = offset + scale * attrs["first_channel"]  # noqa: N806
    last_keV = offset + scale * (n_channels - 1)  # noqa: N806
    resolution = attrs["resolution_MnKa_eV"] or params.resolution_MnKa_eV
    windows = []
    for wanted in lines:
        line = choose_line(wanted, first_keV, last_keV, attrs["beam_keV"])
        half = params.window_fwhm * fwhm_keV(line.energy_keV, resolution)
        windows.append(to_window(line, half, offset, scale, n_channels))
        log.info("%s at %g keV, +- %.0f eV", line.name, line.energy_keV, 1e3 * half)
    return windows


def _count(tilt_series: Path, windows: list[Window], attrs: dict[str, Any]) -> MeasuredMaps:
    """Return the photons in each window from the sparse spectra of the store."""
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
    spectra = csr_array((counts, channels, ends), shape=shape)
    return count_windows(spectra, windows, (n_tilts, n_y, n_x))
