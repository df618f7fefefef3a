"""What a denoiser sees, and what it must predict from that."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from stemedx.arrays import MeasuredMaps, PatchArray, Profile, Rates
from stemedx.learn.likelihoods import Unseen
from stemedx.params import TrainDenoiserParams
from stemedx.tensors import Patches


class Sample(NamedTuple):
    """Photons that are seen, and others whose noise has nothing to do with theirs.

    Attributes
    ----------
    seen
        ``(patch, element, y, x)`` photons.
    shares
        ``(patch)`` their share of all.
    target
        ``(patch, element, y, x)`` photons to be predicted.
    exposures
        ``(patch)`` their share of all.
    told
        ``(patch, element, y, x)`` 1 where the prediction counts, else 0.
    """

    seen: PatchArray
    shares: Profile
    target: PatchArray
    exposures: Profile
    told: PatchArray


class Copy(NamedTuple):
    """A part of the photons, and the pixels whose rate may be read from it.

    Attributes
    ----------
    seen
        ``(element, tilt, y, x)`` photons.
    share
        Their share of all.
    told
        ``(element, tilt, y, x)`` 1 where the predicted rate counts, else 0.
    """

    seen: MeasuredMaps
    share: float
    told: Rates


class Split(NamedTuple):
    """A way to part what is seen from what is predicted.

    Attributes
    ----------
    hold_out
        Maps -> the maps that training sees, and a sample of what it never sees.
    draw
        Patches of those maps -> one sample, another one each time.
    losses
        Predicted rates, what was not seen -> the loss of each pixel.
    """

    hold_out: Callable[
        [MeasuredMaps, TrainDenoiserParams, np.random.Generator], tuple[MeasuredMaps, Sample]
    ]
    draw: Callable[[PatchArray, TrainDenoiserParams, np.random.Generator], Sample]
    losses: Callable[[Patches, Unseen], Patches]
