"""Spectra of a tilt series -> photons of each element: counts, net counts, background."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from stemedx.arrays import ElementMaps, PerMap, Rates, SparseValues, Spectrum, TiltSpectra
from stemedx.logs import progress
from stemedx.maps.background import (
    find_flanks,
    find_overlaps,
    shares_in_windows,
)
from stemedx.maps.calibration import FEWEST_PHOTONS, calibrated_by, fit_calibrated, recalibrated
from stemedx.maps.lines import Family, Line, choose_line, families_of
from stemedx.maps.net import NetTilt, background_heights, net_by_fit, net_by_windows, to_gains
from stemedx.maps.residuals import unexplained
from stemedx.maps.response import FWHM_PER_SIGMA, Response
from stemedx.maps.spectrum_fit import SpectrumFit, fit_spectrum
from stemedx.maps.windows import Window, count_windows, to_window
from stemedx.params import ElementMapsParams

log = logging.getLogger(__name__)
MARGIN_FWHM = 3.0  # beyond a line that is asked for, that a fit needs


@dataclass(frozen=True)
class SpectrumSeries:
    """Spectra of a tilt series.

    Attributes
    ----------
    spectra
        ``(pixel, channel)`` photons, pixels in the order (tilt, y, x).
    shape
        Number of tilts, rows and columns.
    response
        Energy axis and resolution as the file has them.
    first_channel
        Channels below were left out.
    beam_keV
        Beam energy; None if the files do not say.
    elements
        That the files name.
    frames, detectors
        ``(entry)`` of the spectra: its frame and its detector, from 0; None where the files
        hold their sum.
    n_frames
        Of each tilt.
    names
        Of the detectors.
    """

    spectra: csr_array
    shape: tuple[int, int, int]
    response: Response
    first_channel: int
    beam_keV: float | None  # noqa: N815
    elements: tuple[str, ...]
    frames: SparseValues | None = None
    detectors: SparseValues | None = None
    n_frames: tuple[int, ...] = ()
    names: tuple[str, ...] = ()

    def of_tilts(self) -> TiltSpectra:
        """Return ``(tilt, channel)`` photons, all pixels together."""
        n_tilts = self.shape[0]
        n_pixels = self.spectra.shape[0] // n_tilts
        rows = np.repeat(np.arange(n_tilts), n_pixels)
        ones = np.ones(len(rows), np.int64)
        together = csr_array((ones, (rows, np.arange(len(rows)))), dtype=np.int64)
        return (together @ self.spectra).toarray()


@dataclass(frozen=True)
class Counted:
    """Photons of each element.

    Attributes
    ----------
    maps
        ``(element, tilt, y, x)`` photons in the window of each line.
    windows
        One per element.
    tilts
        Net photons, one per tilt.
    gain, background
        ``(element, tilt)`` net counts over their mean of all tilts, and counts of the
        window that are not of the element, all pixels together.
    total
        ``(channel)`` photons of all tilts and pixels.
    fit
        Of them; its response is the calibration.
    warnings
        What the user has to know.
    """

    maps: ElementMaps
    windows: list[Window]
    tilts: list[NetTilt]
    gain: PerMap
    background: PerMap
    total: Spectrum
    fit: SpectrumFit
    warnings: list[str]

    @property
    def response(self) -> Response:
        """Calibrated on the sum of all spectra."""
        return self.fit.model.response

    def per_map(self, name: str) -> PerMap:
        """Return a field of `NetTilt` as ``(element, tilt)``."""
        return np.stack([getattr(tilt, name) for tilt in self.tilts], axis=1)


def count_elements(
    series: SpectrumSeries, wanted: Sequence[str], params: ElementMapsParams
) -> Counted:
    """Return the photons of the elements or lines that the sheet asks for.

    Counts in windows are integers by either method: what is not of the element stays in
    them, and is told by `background`.

    Raises
    ------
    ValueError
        If a line is not in the spectra.
    """
    lines = _choose(series, wanted)
    of_tilts = series.of_tilts()
    total = of_tilts.sum(axis=0)
    fit = _fit_total(series, lines, total, params)
    response = fit.model.response
    windows = [_window(line, response, params.window_fwhm, len(total)) for line in lines]
    families = [one for one in fit.model.families if _is_there(one, fit, wanted)]
    shares = shares_in_windows(windows, families, response, len(total))
    warnings = unexplained(total, fit)
    warnings += find_overlaps(windows, families, shares, _remedy(params.method))
    if params.method == "fit":
        tilts = [
            net_by_fit(_fit_tilt(counts, fit), windows, len(total))
            for counts in progress(of_tilts, "tilts fitted", len(of_tilts))
        ]
    else:
        flanks = [find_flanks(total, one, response, series.first_channel) for one in windows]
        heights, texts = background_heights(total, fit, windows, flanks)
        tilts = [net_by_windows(counts, windows, flanks, heights) for counts in of_tilts]
        warnings += texts
    maps = count_windows(series.spectra, windows, series.shape)
    net, variance = (
        np.stack([getattr(tilt, name) for tilt in tilts], axis=1) for name in ("net", "variance")
    )
    warnings += _untrusted(windows, net, variance)
    for text in warnings:
        log.warning("%s", text)
    background = maps.sum(axis=(2, 3)) - net
    gain = to_gains(net, variance)
    return Counted(maps, windows, tilts, gain, background, total, fit, warnings)


def net_maps(series: SpectrumSeries, tilts: Sequence[NetTilt]) -> tuple[Rates, Rates]:
    """Return ``(element, tilt, y, x)`` net photons per pixel, and their variances.

    Linear in the counts, and so without bias: pixels may be negative by chance.
    """
    n_tilts, n_y, n_x = series.shape
    shape = (tilts[0].weights.shape[1], n_tilts, n_y, n_x)
    net, variance = np.empty(shape, np.float32), np.empty(shape, np.float32)
    for n, tilt in enumerate(tilts):
        rows = series.spectra[n * n_y * n_x : (n + 1) * n_y * n_x]
        for values, weights in ((net, tilt.weights), (variance, tilt.weights**2)):
            values[:, n] = (rows @ weights).T.reshape(-1, n_y, n_x)
    return net, variance


def _choose(series: SpectrumSeries, wanted: Sequence[str]) -> list[Line]:
    from_keV, to_keV = series.response.energies(0, series.spectra.shape[1])[  # noqa: N806
        [series.first_channel, -1]
    ]
    return [choose_line(one, float(from_keV), float(to_keV), series.beam_keV) for one in wanted]


def _fit_total(
    series: SpectrumSeries, lines: Sequence[Line], total: Spectrum, params: ElementMapsParams
) -> SpectrumFit:
    """Fit the sum of all spectra: all elements that are asked for, known, or usual."""
    response = series.response
    margins = [
        (line.energy_keV, MARGIN_FWHM * FWHM_PER_SIGMA * response.sigma_keV(line.energy_keV))
        for line in lines
    ]
    from_keV, to_keV = params.fit_from_keV, params.fit_to_keV  # noqa: N806
    from_keV = min([from_keV, *(at - by for at, by in margins if at < from_keV)])  # noqa: N806
    to_keV = max([to_keV, *(at + by for at, by in margins if at > to_keV)])  # noqa: N806
    energies = response.energies(0, len(total))
    first = max(series.first_channel, int(np.searchsorted(energies, from_keV)))
    end = min(len(total), int(np.searchsorted(energies, to_keV, side="right")))
    symbols = dict.fromkeys([line.symbol for line in lines])
    symbols |= dict.fromkeys([*series.elements, *params.extra_elements])

    def families(split: frozenset[str]) -> list[Family]:
        return [
            family
            for symbol in symbols
            for family in families_of(
                symbol, float(energies[first]), float(energies[end - 1]), series.beam_keV, split
            )
        ]

    fit = fit_calibrated(total, families, response, first, end)
    found = fit.model.response
    log.info(
        "energies: %+.1f eV at 0, gain %.5f, %.0f eV at Mn Ka; reduced chi2 %.2f with %d families",
        1e3 * (found.offset_keV - response.offset_keV),
        found.scale_keV / response.scale_keV,
        found.resolution_eV,
        fit.chi2,
        fit.model.n_lines,
    )
    return fit


def _fit_tilt(counts: Spectrum, total: SpectrumFit) -> SpectrumFit:
    """Fit one tilt with the families of the sum, and its own energies if it can tell them."""
    fit = fit_spectrum(counts, total.model)
    is_telling = fit.photons[: fit.model.n_lines].sum() >= 10 * FEWEST_PHOTONS
    return recalibrated(counts, fit) if is_telling else calibrated_by(fit, total)


def _window(line: Line, response: Response, half_fwhm: float, n_channels: int) -> Window:
    half = half_fwhm * FWHM_PER_SIGMA * response.sigma_keV(line.energy_keV)
    log.info("%s at %g keV, +- %.0f eV", line.name, line.energy_keV, 1e3 * half)
    shift = line.energy_keV - response.seen_keV(line.energy_keV)
    return to_window(line, half, response.offset_keV + shift, response.scale_keV, n_channels)


def _is_there(family: Family, fit: SpectrumFit, wanted: Sequence[str]) -> bool:
    """Tell whether a family was asked for, or has 3 standard deviations of photons."""
    n = fit.model.families.index(family)
    spread = float(np.sqrt(max(fit.covariance[n, n], 0.0)))
    is_wanted = family.symbol in {one.split("_")[0] for one in wanted}
    return is_wanted or bool(fit.photons[n] > 3 * spread)


def _remedy(method: str) -> str:
    if method == "fit":
        return ": counts hold them, net counts of the fit do not"
    return ": set element_maps.method to fit, which tells them apart"


def _untrusted(windows: Sequence[Window], net: PerMap, variance: PerMap) -> list[str]:
    """Return which lines have fewer counts than their background, beyond chance."""
    worst = (net / np.sqrt(np.maximum(variance, 1.0))).min(axis=1)
    return [
        f"the window of {window.line.name} cannot be trusted: its background is greater than "
        f"its counts by {-score:.0f} standard deviations; other lines lie beside it"
        for window, score in zip(windows, worst, strict=True)
        if score < -3
    ]
