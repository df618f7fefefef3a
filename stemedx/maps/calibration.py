"""Energy axis and peak shape, fitted on the lines of a sum spectrum."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import astuple

import numpy as np
from scipy.optimize import least_squares

from stemedx.arrays import Columns, Spectrum
from stemedx.maps.lines import Family
from stemedx.maps.response import Response
from stemedx.maps.spectrum_fit import (
    SpectrumFit,
    SpectrumModel,
    fit_once,
    fit_spectrum,
    make_model,
    with_response_fitted,
    with_response_of,
)

log = logging.getLogger(__name__)
FEWEST_PHOTONS = 20_000  # in lines, to fit six numbers on
LARGEST_SHIFT_KEV, LARGEST_GAIN = 0.03, 0.007
NOISE_KEV = (0.010, 0.050)
TAIL_SHARE, TAIL_KEV = (0.0, 0.6), (0.04, 0.3)
SURFACE_KEV = (0.0, 0.03)
STEP = 1e-3  # of the range of a number, for its slope
BOUNDS_SPREAD = 0.3  # of the range: standard deviation of what lies anywhere within it
ROUNDS = 2  # of least squares, each with the weights of the last fit
SPLIT_PHOTONS, SPLIT_SHARE = 50_000, 0.02  # of a shell whose vacancies are told apart

Families = Callable[[frozenset[str]], list[Family]]


def fit_calibrated(
    counts: Spectrum, families: Families, response: Response, first: int, end: int
) -> SpectrumFit:
    """Fit a sum spectrum, its energy axis and its peak shape, and then its strong shells.

    Where lines are too weak to tell, `response` stays as it is.

    Parameters
    ----------
    counts
        ``(channel)`` photons.
    families
        Returns the families, those of the shells it is given one per vacancy.
    response
        To start from: the axis of the file, and its resolution.
    first, end
        Channels that are fitted, the last one excluded.
    """
    whole = families(frozenset())
    fit = fit_spectrum(counts, make_model(whole, response, first, end))
    if fit.photons[: len(whole)].sum() < FEWEST_PHOTONS:
        log.info("too few photons to calibrate on: the energy axis of the file is used")
        return fit
    fit = recalibrated(counts, fit)
    strong = strong_shells(fit)
    if strong:
        model = make_model(families(strong), fit.model.response, first, end)
        fit = recalibrated(counts, fit_spectrum(counts, model))
    return fit


def strong_shells(fit: SpectrumFit) -> frozenset[str]:
    """Return the shells whose photons tell the ratios of their lines."""
    least = max(SPLIT_PHOTONS, SPLIT_SHARE * fit.photons.sum())
    pairs = zip(fit.model.families, fit.photons, strict=False)
    return frozenset(f"{one.symbol} {one.shell}" for one, photons in pairs if photons > least)


def recalibrated(counts: Spectrum, start: SpectrumFit) -> SpectrumFit:
    """Return the fit of the same families with the response that fits best."""
    best = start
    for _ in range(ROUNDS):
        found = fit_spectrum(counts, _better_model(counts, best))
        if found.chi2 > best.chi2:
            break
        best = found
    # lines that overlap are told apart by their energies: what is uncertain of the axis is
    # uncertain of them
    return with_response_fitted(best, _changes(best), BOUNDS_SPREAD)


def calibrated_by(fit: SpectrumFit, total: SpectrumFit) -> SpectrumFit:
    """Return the fit of a part of the photons whose errors are also those of the calibration.

    Parameters
    ----------
    fit
        With the response of `total`.
    total
        Of all photons, on which the response was fitted, if they were enough.
    """
    if total.of_response is None:
        return fit
    return with_response_of(fit, _changes(fit), total.of_response)


def _changes(fit: SpectrumFit) -> Columns:
    """Return ``(channel, number)`` changes of the expectation with each number of the response.

    In shares of their ranges.
    """
    model = fit.model
    low, high = _bounds(model.response)
    place = np.array(astuple(model.response))
    found = []
    for step in STEP * np.diag(high - low):
        ahead, behind = (
            make_model(model.families, Response(*one.tolist()), model.first, model.end)
            for one in (place + step, place - step)
        )
        found.append((ahead.columns - behind.columns) @ fit.photons / (2 * STEP))
    return np.stack(found, axis=1)


def _better_model(counts: Spectrum, fit: SpectrumFit) -> SpectrumModel:
    """Return the model with the response of least squares, weighted by the fit so far."""
    model = fit.model
    low, high = _bounds(model.response)
    y = counts[model.first : model.end].astype(np.float64)
    weight = 1 / np.sqrt(fit.expected)

    def at(place: np.ndarray) -> SpectrumModel:
        response = Response(*(low + (high - low) * (place - 1) / 10).tolist())
        return make_model(model.families, response, model.first, model.end)

    def misfit(place: np.ndarray) -> np.ndarray:
        tried = at(place)
        return (y - tried.columns @ fit_once(y, fit.expected, fit.photons, tried)) * weight

    # from 1 to 11, so that relative steps of the solver are steps of a share of the range
    place = 1 + 10 * (np.array(astuple(model.response)) - low) / (high - low)
    found = least_squares(
        misfit, np.clip(place, 1.05, 10.95), bounds=(1, 11), diff_step=1e-4, max_nfev=10
    )
    return at(found.x)


def _bounds(response: Response) -> tuple[np.ndarray, np.ndarray]:
    offset, scale = response.offset_keV, response.scale_keV
    low = [offset - LARGEST_SHIFT_KEV, scale * (1 - LARGEST_GAIN)]
    high = [offset + LARGEST_SHIFT_KEV, scale * (1 + LARGEST_GAIN)]
    pairs: Sequence[tuple[float, float]] = (NOISE_KEV, TAIL_SHARE, TAIL_KEV, SURFACE_KEV)
    return np.array(low + [one for one, _ in pairs]), np.array(high + [top for _, top in pairs])
