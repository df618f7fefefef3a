"""How well one half of the photons predicts the other.

Needs no truth, and puts every reconstruction on one scale: the gain in log-likelihood
over the prediction that every pixel of a map is alike, in nat per photon.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stemedx.arrays import ByElement, Mask, MeasuredMaps, Rates, RatesPerMap
from stemedx.reconstruct.measured import Measured

FLOOR = 1e-4
N_EM = 30
LogLikelihood = Callable[[MeasuredMaps, RatesPerMap], RatesPerMap]


@dataclass(frozen=True)
class HeldOut:
    """What one half tells about the other, per element."""

    gain_nat_per_hit: ByElement
    hits: ByElement  # photons predicted


def held_out_gain(
    predicted: Rates,
    seen: MeasuredMaps,
    unseen: MeasuredMaps,
    *,
    covered: Mask,
    log_likelihood: LogLikelihood,
) -> HeldOut:
    """Return the gain of a prediction of unseen photons over a constant.

    The stage gains of tilts and elements are not modelled yet: prediction and constant
    are scaled to the total of each seen map. A prediction is never below a ten
    thousandth of its mean, so that one photon cannot cost everything.

    Parameters
    ----------
    predicted
        ``(element, tilt, y, x)`` expected photons, from a reconstruction of `seen`.
    seen, unseen
        ``(element, tilt, y, x)`` photons of the two halves.
    covered
        ``(tilt, y, x)`` pixels whose rays meet the volume; of the others nothing can
        be predicted, and they do not count.
    log_likelihood
        `poisson` or `bernoulli`.
    """
    n_pixels = np.maximum(covered.sum(axis=(1, 2)), 1)[:, None, None]
    # Half a photon per map where there is none: a constant of 0 would forbid all.
    constant = np.maximum(_totals(seen, covered), 0.5) / n_pixels
    means = _totals(predicted, covered) / n_pixels
    relative = np.divide(predicted, means, np.ones(predicted.shape), where=means > 0)
    model = constant * np.maximum(relative, FLOOR)
    gained = log_likelihood(unseen, model) - log_likelihood(unseen, constant)
    gain = _totals(gained, covered).sum(axis=(1, 2, 3))
    hits = _totals(unseen, covered).sum(axis=(1, 2, 3))
    return HeldOut(np.divide(gain, hits, np.full(hits.shape, np.nan), where=hits > 0), hits)


def poisson(counts: MeasuredMaps, rate: RatesPerMap) -> RatesPerMap:
    """Return the log-likelihood of counts, up to what does not depend on the rate."""
    return counts * np.log(rate) - rate


def bernoulli(counts: MeasuredMaps, rate: RatesPerMap) -> RatesPerMap:
    """Return the log-likelihood of hits: 1 where there was any photon.

    Of a half, where each hit was given to one side, this is an approximation; the
    error is of the order of the rate.
    """
    return np.where(counts > 0, np.log(-np.expm1(-rate)), -rate)


def _totals(maps: MeasuredMaps, covered: Mask) -> RatesPerMap:
    """Return the sum over the covered pixels of each map, ``(element, tilt, 1, 1)``."""
    return (maps * covered).sum(axis=(2, 3), dtype=np.float64, keepdims=True)


def fitted_gain(predicted: Rates, seen: Measured, unseen: MeasuredMaps, share: float) -> ByElement:
    """Return the gain of a prediction over a constant, its gain and background fitted.

    Whether a method models the gain of a tilt or its background must not decide how
    its volume compares: both are fitted to the seen photons of each map. Pixels of all
    maps count alike.

    Parameters
    ----------
    predicted
        ``(element, tilt, y, x)`` photons of the seen share, from a volume.
    seen
        The share that was reconstructed.
    unseen
        ``(element, tilt, y, x)`` photons of the rest.
    share
        The share of the photons that was seen.

    Returns
    -------
    gain_nat_per_hit
        ``(element)``; NaN where there is nothing to predict.
    """
    rate = fit_rates(np.maximum(predicted, 0), seen)
    constant = seen.maps.mean(axis=(2, 3), keepdims=True, dtype=np.float64)
    constant = np.maximum(constant, 0.5 / seen.maps[0, 0].size)
    odds = (1 - share) / share
    if seen.signal == "hits":
        even = odds * np.minimum(constant, 0.99)
        model = odds * -np.expm1(-rate)
        gained = np.where(unseen > 0, np.log(model / even), np.log((1 - model) / (1 - even)))
    else:
        gained = poisson(unseen, odds * rate) - poisson(unseen, odds * constant)
    hits = unseen.sum(axis=(1, 2, 3), dtype=np.float64)
    total = gained.sum(axis=(1, 2, 3), dtype=np.float64)
    return np.divide(total, hits, out=np.full(len(hits), np.nan), where=hits > 0)


def fit_rates(predicted: Rates, seen: Measured) -> RatesPerMap:
    """Return ``gain * predicted + background`` of each map, the likeliest for its photons.

    By expectation maximisation over both. Never below a ten thousandth of the mean.
    """
    rates = np.empty(predicted.shape)
    for element, tilt in np.ndindex(*predicted.shape[:2]):
        signal, counts = predicted[element, tilt].astype(np.float64), seen.maps[element, tilt]
        mean = max(float(counts.mean()), 0.5 / counts.size)
        total = signal.sum()
        gain, background = 0.5 * mean * signal.size / total if total > 0 else 0.0, 0.5 * mean
        for _ in range(N_EM):
            expected = gain * signal + background
            ratio = counts / (-np.expm1(-expected) if seen.signal == "hits" else expected)
            gain *= (signal * ratio).sum() / total if total > 0 else 0.0
            background = max(background * ratio.mean(), FLOOR * mean)
        rates[element, tilt] = np.maximum(gain * signal + background, FLOOR * mean)
    return rates
