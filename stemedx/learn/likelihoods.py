"""Losses of single pixels: how unlikely the photons are that the network did not see."""

from typing import NamedTuple

import torch

from stemedx.tensors import Patches, Shares

SMALLEST_RATE = 1e-12  # keeps the logarithm of a rate of 0 finite
LARGEST_SHARE = 0.98  # of hits: where nearly every pixel is hit, the rate is only bounded


class Unseen(NamedTuple):
    """What is to be predicted.

    Attributes
    ----------
    target
        Detected photons per pixel at `exposures`.
    exposures
        Their fraction of the full exposure.
    shares
        The fraction at which the network saw the other photons.
    told
        1 where a pixel counts, else 0.
    """

    target: Patches
    exposures: Shares
    shares: Shares
    told: Patches


def poisson(rates: Patches, unseen: Unseen) -> Patches:
    """Return the negative log-likelihood of counted photons, up to a constant.

    Per full exposure, so that losses at different exposures compare.

    Parameters
    ----------
    rates
        Predicted photons per pixel at full exposure, >= 0.
    unseen
        The photons.
    """
    return rates - unseen.target / unseen.exposures * torch.log(rates + SMALLEST_RATE)


def bernoulli(rates: Patches, unseen: Unseen) -> Patches:
    """Return the negative log-likelihood of hits that were clipped to 0 or 1.

    A share of the hits says nothing of the pixels whose hit is in the other share. Where
    none was seen, a pixel that is hit with probability p is so in the unseen share
    with ``exposure p / (1 - share p)``.

    Parameters
    ----------
    rates
        Predicted hits per pixel at full exposure: the probability of one.
    unseen
        The hits, told of where none was seen.
    """
    hit = rates.clamp(SMALLEST_RATE, LARGEST_SHARE)
    odds = unseen.exposures * hit / (1 - unseen.shares * hit)
    missed = torch.log1p(-odds.clamp(max=1 - 1e-6))
    return -(unseen.target * torch.log(odds) + (1 - unseen.target) * missed) / unseen.exposures
