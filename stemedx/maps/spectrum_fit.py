"""Fitting a spectrum by families of X-ray lines on a smooth background."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import nnls

from stemedx.arrays import Columns, Covariance, OfResponse, PerColumn, Spectrum, Ties
from stemedx.maps.lines import Family
from stemedx.maps.response import Response, background_columns, line_columns

N_ITERATIONS = 60
SAME = 1e-6  # relative change of the expectation that ends the iterations
# Ratios between the vacancies of a shell follow the table within so much of themselves,
# and of the strongest: absorption and the ionisation of inner shells change them.
RATIO_SPREAD, WEAK_SPREAD = 0.25, 0.05
BY_CHANCE = 3.0  # standard deviations below 0 that noise explains


@dataclass(frozen=True)
class SpectrumModel:
    """What a spectrum is made of.

    Attributes
    ----------
    families
        One for each of the first columns.
    columns
        ``(channel, column)`` shares of the photons: families, then background.
    ties
        ``(tie, column)`` combinations that are 0 if ratios of families are as in the
        table, and ``(tie, column)`` their spreads, both per photon of a column.
    first, end
        Channels, the last one excluded.
    """

    families: tuple[Family, ...]
    columns: Columns
    ties: tuple[Ties, Ties]
    response: Response
    first: int
    end: int

    @property
    def n_lines(self) -> int:
        """Number of families; the other columns are background."""
        return len(self.families)


@dataclass(frozen=True)
class SpectrumFit:
    """A fitted spectrum.

    Attributes
    ----------
    model
        That was fitted.
    photons
        ``(column)`` photons of each family and background column, >= 0.
    unbiased
        ``(column)`` the same without the bound: may be negative by chance (no more than 3
        standard deviations; 0 else), so that means over many are right.
    covariance
        ``(column, column)`` of `unbiased`.
    expected
        ``(channel)`` photons.
    chi2
        Reduced: per channel less the columns in use.
    of_response
        ``(number, number)`` covariance of the response in shares of the ranges of its
        numbers; None where it was not fitted.
    """

    model: SpectrumModel
    photons: PerColumn
    unbiased: PerColumn
    covariance: Covariance
    expected: Spectrum
    chi2: float
    of_response: OfResponse | None = None


def make_model(
    families: Sequence[Family], response: Response, first: int, end: int
) -> SpectrumModel:
    """Return the model of the channels from `first` to `end`."""
    lines = line_columns(families, response, first, end)
    background = background_columns(response.energies(first, end))
    columns = np.concatenate([lines, background], axis=1)
    return SpectrumModel(
        tuple(families), columns, _ties(families, columns.shape[1]), response, first, end
    )


def _ties(families: Sequence[Family], n_columns: int) -> tuple[Ties, Ties]:
    """Return what ties the vacancies of a shell to the strongest of them."""
    ties, spreads = [], []
    for n, family in enumerate(families):
        akin = [
            m
            for m, other in enumerate(families)
            if (other.symbol, other.shell) == (family.symbol, family.shell)
        ]
        main = max(akin, key=lambda m: families[m].weight)
        if n != main:
            ratio = family.weight / families[main].weight
            tie, spread = np.zeros((2, n_columns))
            tie[n], tie[main] = 1.0, -ratio
            spread[main] = RATIO_SPREAD * ratio + WEAK_SPREAD
            ties.append(tie)
            spreads.append(spread)
    shape = (len(ties), n_columns)
    return np.reshape(np.array(ties, np.float64), shape), np.reshape(
        np.array(spreads, np.float64), shape
    )


def fit_spectrum(counts: Spectrum, model: SpectrumModel) -> SpectrumFit:
    """Return the photons of each family that make a spectrum most likely.

    Least squares weighted by the expectation, which is fitted anew each time, end where
    the Poisson likelihood is greatest.

    Parameters
    ----------
    counts
        ``(channel)`` photons of all channels of the detector.
    model
        What they are made of.
    """
    y = counts[model.first : model.end].astype(np.float64)
    scale = max(float(y.sum()), 1.0)
    least = 1e-3 * scale / len(y)
    expected = np.maximum(_smooth(y), 10 * least)
    photons = np.zeros(model.columns.shape[1])
    for _ in range(N_ITERATIONS):
        photons = fit_once(y, expected, photons, model)
        before, expected = expected, np.maximum(model.columns @ photons, least)
        if np.abs(expected - before).max() <= SAME * expected.max():
            break
    unbiased, covariance = _without_bound(*_system(y, expected, photons, model), photons)
    in_use = int((photons > 0).sum())
    chi2 = float(((y - expected) ** 2 / expected).sum() / max(len(y) - in_use, 1))
    return SpectrumFit(model, photons, unbiased, covariance, expected, chi2)


def with_response_fitted(fit: SpectrumFit, changes: Columns, spread: float) -> SpectrumFit:
    """Return a fit whose covariance allows for a response that was fitted along.

    Parameters
    ----------
    fit
        As if the response were known.
    changes
        ``(channel, number)`` of the expectation with each number of the response.
    spread
        Standard deviation of each number before anything was measured.
    """
    is_free, weighted, change = _linear(fit, changes)
    within = change.T @ change + np.eye(change.shape[1]) / spread**2
    cross = change.T @ weighted
    # what each can explain of the other is taken from it
    information = weighted.T @ weighted
    of_columns = information - cross.T @ np.linalg.solve(within, cross)
    of_response = within - cross @ np.linalg.pinv(information, hermitian=True) @ cross.T
    covariance = np.zeros_like(fit.covariance)
    covariance[np.ix_(is_free, is_free)] = np.linalg.pinv(of_columns, hermitian=True)
    return replace(
        fit, covariance=covariance, of_response=np.linalg.pinv(of_response, hermitian=True)
    )


def with_response_of(fit: SpectrumFit, changes: Columns, of_response: OfResponse) -> SpectrumFit:
    """Return a fit whose covariance allows for a response that was fitted elsewhere.

    Parameters
    ----------
    fit
        As if the response were known.
    changes
        ``(channel, number)`` of the expectation with each number of the response.
    of_response
        ``(number, number)`` covariance of these.
    """
    is_free, weighted, change = _linear(fit, changes)
    answer = fit.covariance[np.ix_(is_free, is_free)] @ weighted.T @ change
    covariance = fit.covariance.copy()
    covariance[np.ix_(is_free, is_free)] += answer @ of_response @ answer.T
    return replace(fit, covariance=covariance)


def _linear(fit: SpectrumFit, changes: Columns) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which columns are free, and these and the changes as weighted equations."""
    weighted, _ = _system(fit.expected, fit.expected, fit.photons, fit.model)
    change = np.zeros((len(weighted), changes.shape[1]))
    change[: len(changes)] = changes / np.sqrt(fit.expected)[:, None]
    is_free = np.diag(fit.covariance) > 0
    return is_free, weighted[:, is_free], change


def fit_once(
    y: Spectrum, expected: Spectrum, photons: PerColumn, model: SpectrumModel
) -> PerColumn:
    """Return the photons of each column that fit best with the weights of an expectation.

    Parameters
    ----------
    y, expected
        ``(channel)`` photons of the channels of the model, as measured and to weight them.
    photons
        ``(column)`` that tell how tight ratios are tied.
    model
        Of the channels.
    """
    scale = max(float(y.sum()), 1.0)
    weighted, target = _system(y, expected, photons, model)
    found, _ = nnls(weighted * scale, target, maxiter=100 * len(photons))
    return found * scale


def _without_bound(
    weighted: np.ndarray, target: np.ndarray, photons: PerColumn
) -> tuple[PerColumn, Covariance]:
    """Return the solution of the equations without the bound at 0, and its covariance.

    What would be below 0 by more than chance is held at 0 with no spread: there the model is
    not quite right, and its neighbours would pay for it.
    """
    inverse = np.linalg.pinv(weighted.T @ weighted, hermitian=True)
    free = inverse @ (weighted.T @ target)
    spread = np.sqrt(np.maximum(np.diag(inverse), 0.0))
    is_free = (photons > 0) | (free > -BY_CHANCE * spread)
    part = weighted[:, is_free]
    unbiased, covariance = np.zeros_like(photons), np.zeros_like(inverse)
    inverse = np.linalg.pinv(part.T @ part, hermitian=True)
    unbiased[is_free] = inverse @ (part.T @ target)
    covariance[np.ix_(is_free, is_free)] = inverse
    return unbiased, covariance


def _smooth(y: Spectrum) -> Spectrum:
    return np.convolve(y, np.ones(9) / 9, mode="same")


def _system(
    y: Spectrum, expected: Spectrum, photons: PerColumn, model: SpectrumModel
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted equations of the channels, and of the ratios of lines."""
    weight = 1 / np.sqrt(expected)
    ties, spreads = model.ties
    spread = spreads @ photons
    is_used = spread > 1.0  # fewer photons than one tell no ratio
    rows = ties[is_used] / spread[is_used, None]
    return (
        np.concatenate([model.columns * weight[:, None], rows]),
        np.concatenate([y * weight, np.zeros(len(rows))]),
    )
