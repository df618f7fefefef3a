"""How well one part of the photons predicts the other.

Needs no truth, and puts every reconstruction on one scale: the gain in log-likelihood
over the prediction that every pixel of a map is alike, in nat per photon.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import xlogy

from stemedx.arrays import ByElement, MeasuredMaps, Rates, RatesPerMap
from stemedx.reconstruct.measured import Measured

FLOOR = 1e-4
N_EM = 30


@dataclass(frozen=True)
class HeldOut:
    """What one part tells about the other, per element."""

    gain_nat_per_hit: ByElement  # NaN where there is nothing to predict
    hits: ByElement  # photons predicted


def held_out_gain(predicted: Rates, seen: Measured, unseen: MeasuredMaps, share: float) -> HeldOut:
    """Return the gain of a prediction of unseen photons over a constant.

    Whether a method models the gain of a tilt or its background must not decide how
    its volume compares: both are fitted to the seen photons of each map, for every
    method. A prediction is never below a ten thousandth of its mean, so that one photon
    cannot cost everything.

    Parameters
    ----------
    predicted
        ``(element, tilt, y, x)`` photons, from a reconstruction of `seen`; its scale and
        background do not count.
    seen
        The part that was reconstructed; pixels count by their weight.
    unseen
        ``(element, tilt, y, x)`` photons of the rest.
    share
        Of the photons, how many were seen.
    """
    weight, odds = seen.weight.astype(np.float64), (1 - share) / share
    rate = fit_rates(np.maximum(predicted, 0), seen)
    n_pixels = np.maximum(weight.sum(axis=(1, 2)), 1)[:, None, None]
    # Half a photon per map where there is none: a constant of 0 would forbid all.
    constant = np.maximum(_totals(seen.maps, weight), 0.5) / n_pixels
    if seen.signal == "hits":
        # of a hit only this is known: it was there, and fell to one of the two parts
        even = odds * np.minimum(constant, 0.99)
        model = odds * -np.expm1(-rate)
        gained = np.where(unseen > 0, np.log(model / even), np.log((1 - model) / (1 - even)))
    else:
        gained = xlogy(unseen, rate / constant) - odds * (rate - constant)
    gain = _totals(gained, weight).sum(axis=(1, 2, 3))
    hits = _totals(unseen, weight).sum(axis=(1, 2, 3))
    return HeldOut(np.divide(gain, hits, np.full(hits.shape, np.nan), where=hits > 0), hits)


def fit_rates(predicted: Rates, seen: Measured) -> RatesPerMap:
    """Return ``gain * predicted + background`` of each map, the likeliest for its photons.

    By expectation maximisation over both numbers of each map.

    Parameters
    ----------
    predicted
        ``(element, tilt, y, x)`` photons >= 0, up to a factor.
    seen
        The photons, and what each pixel counts.
    """
    rates = np.empty(predicted.shape)
    for element, tilt in np.ndindex(*predicted.shape[:2]):
        weight = seen.weight[tilt].astype(np.float64)
        signal = predicted[element, tilt].astype(np.float64)
        counts, area = seen.maps[element, tilt] * weight, max(weight.sum(), 1.0)
        mean, total = max(counts.sum(), 0.5) / area, (signal * weight).sum()
        gain = 0.5 * mean * area / total if total > 0 else 0.0
        background = 0.5 * mean
        for _ in range(N_EM):
            expected = gain * signal + background
            ratio = counts / (-np.expm1(-expected) if seen.signal == "hits" else expected)
            gain *= (signal * ratio).sum() / total if total > 0 else 0.0
            background = max(background * ratio.sum() / area, FLOOR * mean)
        rates[element, tilt] = np.maximum(gain * signal + background, FLOOR * mean)
    return rates


def _totals(maps: MeasuredMaps, weight: np.ndarray) -> RatesPerMap:
    """Return the weighted sum over each map, ``(element, tilt, 1, 1)``."""
    return (maps * weight).sum(axis=(2, 3), dtype=np.float64, keepdims=True)
