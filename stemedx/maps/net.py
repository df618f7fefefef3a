"""Net photons of each element and tilt: by windows, or by a fit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stemedx.arrays import ChannelWeights, PerElement, PerMap, Shares, Spectrum
from stemedx.maps.background import Flanks, window_weights
from stemedx.maps.spectrum_fit import SpectrumFit
from stemedx.maps.windows import Window

LOWEST = 0.5  # of the straight line: a background that is believed
BIAS = 0.05  # share of the net counts that windows may be off by and not be told
CERTAIN = 3.0  # standard deviations that net counts need to tell a gain


@dataclass(frozen=True)
class NetTilt:
    """Net photons in the windows of one tilt, all pixels together.

    Attributes
    ----------
    net, variance
        ``(element)`` photons of the element in its window, and their variance.
    photons, photons_variance
        ``(element)`` of all lines of the shell (of the window, by windows).
    weights
        ``(channel, element)``: their sum over the spectrum of a pixel is its net photons.
    chi2
        Of the fit, reduced; NaN by windows.
    """

    net: np.ndarray
    variance: np.ndarray
    photons: np.ndarray
    photons_variance: np.ndarray
    weights: ChannelWeights
    chi2: float


def net_by_windows(
    counts: Spectrum, windows: Sequence[Window], flanks: Sequence[Flanks], heights: PerElement
) -> NetTilt:
    """Return the counts in windows less those interpolated between the flanks.

    Parameters
    ----------
    counts
        ``(channel)`` photons of a tilt.
    windows, flanks
        One per element.
    heights
        ``(element)`` of the background under each line: see `window_weights`.
    """
    weights = window_weights(windows, flanks, len(counts), heights)
    net, variance = counts @ weights, counts @ weights**2
    return NetTilt(net, variance, net, variance, weights, float("nan"))


def background_heights(
    total: Spectrum, fit: SpectrumFit, windows: Sequence[Window], flanks: Sequence[Flanks]
) -> tuple[PerElement, list[str]]:
    """Return how high the background under each line is, and what the user has to know.

    What windows make of the fitted spectrum, in which the photons of each line are known,
    is compared with these. Tails and weak lines of other elements may fill the valleys
    beside a line: then the background is lower than the straight line between them, in the
    same proportion at all tilts where the elements are the same. Twice as high or half as
    high and more are not believed: other lines lie in the window itself. Nor is a fit that
    misses the counts in and beside the window, as without an element that is there.

    Parameters
    ----------
    total
        ``(channel)`` photons of all spectra.
    fit
        Of them.
    windows, flanks
        One per element.

    Returns
    -------
    heights
        ``(element)`` of the background over that of the straight line; 1 where the
        difference may be chance, or cannot be believed.
    texts
        Of the lines where it matters.
    """
    expected = np.zeros(len(total))
    expected[fit.model.first : fit.model.end] = fit.expected
    straight = np.ones(len(windows))
    found = net_by_windows(expected, windows, flanks, straight)
    known = _membership(fit, windows)[0] @ fit.photons[: fit.model.n_lines]
    missed = np.abs(net_by_windows(total, windows, flanks, straight).net - found.net)
    chance = CERTAIN * np.sqrt(found.variance)
    inside = net_by_windows(expected, windows, flanks, np.zeros(len(windows))).net
    heights, texts = straight, []
    for n, window in enumerate(windows):
        excess = found.net[n] - known[n]
        if known[n] <= 0 or abs(excess) <= chance[n]:
            continue
        height = float((inside[n] - known[n]) / max(inside[n] - found.net[n], 1e-30))
        is_fitted = missed[n] <= BIAS * known[n] + chance[n]
        believed = height if is_fitted and LOWEST <= height <= 1 / LOWEST else None
        heights[n] = believed or 1.0
        if abs(excess) > BIAS * known[n]:
            texts.append(_bias_text(window.line.name, float(excess / known[n]), believed))
    return heights, texts


def _bias_text(name: str, share: float, height: float | None) -> str:
    begin = f"the windows beside {name} hold lines of other elements"
    off = f"{100 * abs(share):.0f} % too {'many' if share > 0 else 'few'} net counts"
    if height is None:
        return f"{begin}: by windows it has {off}; set element_maps.method to fit"
    return (
        f"{begin}: its background is set to {height:.2f} of the straight line between them, as in "
        f"the fit of all spectra; by the line it would have {off}. Where the elements lie apart, "
        "set element_maps.method to fit"
    )


def net_by_fit(fit: SpectrumFit, windows: Sequence[Window], n_channels: int) -> NetTilt:
    """Return the photons of each element in its window, by a fit of the whole spectrum.

    Parameters
    ----------
    fit
        Of the spectrum of a tilt.
    windows
        One per element.
    n_channels
        Of the detector.
    """
    in_window, of_shell = _membership(fit, windows)
    n_lines = fit.model.n_lines
    photons, covariance = fit.unbiased[:n_lines], fit.covariance[:n_lines, :n_lines]
    return NetTilt(
        in_window @ photons,
        _variances(in_window, covariance),
        of_shell @ photons,
        _variances(of_shell, covariance),
        _fit_weights(fit, in_window, n_channels),
        fit.chi2,
    )


def _variances(rows: Shares, covariance: np.ndarray) -> np.ndarray:
    return np.einsum("ei,ij,ej->e", rows, covariance, rows)


def _membership(fit: SpectrumFit, windows: Sequence[Window]) -> tuple[Shares, Shares]:
    """Return ``(element, family)``: share of each family in the window, 1 for its shell."""
    model = fit.model
    in_window = np.zeros((len(windows), model.n_lines))
    of_shell = np.zeros_like(in_window)
    for n, window in enumerate(windows):
        channels = slice(max(window.first - model.first, 0), max(window.end - model.first, 0))
        for m, family in enumerate(model.families):
            if family.symbol == window.line.symbol:
                in_window[n, m] = model.columns[channels, m].sum()
                of_shell[n, m] = family.shell == window.line.name.split("_")[1][0]
    return in_window, of_shell


def _fit_weights(fit: SpectrumFit, in_window: Shares, n_channels: int) -> ChannelWeights:
    """Return the weights of the best linear unbiased estimate for single pixels.

    Their background has the shape of the tilt's, their shells the ratios: one column each.
    """
    model = fit.model
    shapes, nets = [], []
    shells = [(family.symbol, family.shell) for family in model.families]
    for shell in dict.fromkeys(shells):
        members = [m for m, other in enumerate(shells) if other == shell]
        photons = fit.photons[members]
        ratios = photons / photons.sum() if photons.sum() > 0 else np.eye(len(members))[0]
        if photons.sum() > 0 or in_window[:, members].any():
            shapes.append(model.columns[:, members] @ ratios)
            nets.append(in_window[:, members] @ ratios)
    background = model.columns[:, model.n_lines :] @ fit.photons[model.n_lines :]
    if background.any():
        shapes.append(background / background.sum())
        nets.append(np.zeros(len(in_window)))
    columns = np.stack(shapes, axis=1)
    weighted = columns / fit.expected[:, None]
    inverse = np.linalg.pinv(columns.T @ weighted, hermitian=True)
    weights = np.zeros((n_channels, len(in_window)))
    weights[model.first : model.end] = weighted @ inverse @ np.stack(nets)
    return weights


def to_gains(net: PerMap, variance: PerMap) -> PerMap:
    """Return the net counts of each map over their mean of all tilts, by element.

    They tell shadowing, dose and thickness together, as long as the same matter is in
    view. Where a map has no net counts (less than 3 standard deviations), 1.
    """
    is_certain = net > CERTAIN * np.sqrt(np.maximum(variance, 1e-30))
    number = np.maximum(is_certain.sum(axis=1, keepdims=True), 1)
    means = np.where(is_certain, net, 0).sum(axis=1, keepdims=True) / number
    return np.where(is_certain, net / np.where(means > 0, means, 1.0), 1.0)
