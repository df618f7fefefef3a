"""Many averages of the frames of one map, each of some frames drawn by lot."""

from math import comb
from typing import NamedTuple

import numpy as np

from stemedx.arrays import Bootstrapped, FrameMaps
from stemedx.params import TrainKernelParams

Drawn = list[list[int]]  # numbers of the frames in each bootstrap


class Bootstraps(NamedTuple):
    """What a kernel learns from, ``(bootstrap, element, y, x)`` counts per frame.

    Attributes
    ----------
    seen
        Means of the frames drawn.
    labels
        What each is taught to become.
    """

    seen: Bootstrapped
    labels: Bootstrapped


def draw_frames(n_frames: int, params: TrainKernelParams, rng: np.random.Generator) -> Drawn:
    """Return different sets of frames, as many as asked for or as there are.

    Raises
    ------
    ValueError
        If not more frames are there than each set is to hold.
    """
    if n_frames <= params.n_drawn:
        raise ValueError(
            f"train_kernel: expected more than {params.n_drawn} frames (n_drawn), found "
            f"{n_frames}. Lower train_kernel.n_drawn, or export the frames one by one."
        )
    n_sets = min(params.n_bootstraps, comb(n_frames, params.n_drawn))
    found: dict[tuple[int, ...], None] = {}
    while len(found) < n_sets:
        drawn = rng.choice(n_frames, params.n_drawn, replace=False)
        found[tuple(sorted(drawn.tolist()))] = None
    return [list(frames) for frames in found]


def bootstraps_for_all_frames(frames: FrameMaps, drawn: Drawn) -> Bootstraps:
    """Return means of the frames drawn, to become the mean of all, as published.

    What is seen is a part of the label: the best answer to that keeps the share of
    its noise, n_drawn of all frames.

    Parameters
    ----------
    frames
        ``(element, frame, y, x)`` counts.
    drawn
        From `draw_frames`.

    References
    ----------
    Cha et al. (2019), arXiv 1906.07330; Han et al. (2021), Nat. Mach. Intell. 3, 267-274.
    """
    seen = _means(frames, drawn)
    label = frames.mean(axis=1, dtype=np.float32)
    return Bootstraps(seen, np.broadcast_to(label, seen.shape))


def bootstraps_for_other_frames(frames: FrameMaps, drawn: Drawn) -> Bootstraps:
    """Return means of the frames drawn, to become the mean of those that were not.

    Their noise is independent: it cannot be learned.

    Parameters
    ----------
    frames
        ``(element, frame, y, x)`` counts.
    drawn
        From `draw_frames`.

    References
    ----------
    Lehtinen et al. (2018), ICML, 2965-2974 (Noise2Noise).
    """
    others = [sorted(set(range(frames.shape[1])) - set(one)) for one in drawn]
    return Bootstraps(_means(frames, drawn), _means(frames, others))


BOOTSTRAPS = {
    "all_frames": bootstraps_for_all_frames,
    "other_frames": bootstraps_for_other_frames,
}


def _means(frames: FrameMaps, drawn: Drawn) -> Bootstrapped:
    return np.stack([frames[:, one].mean(axis=1, dtype=np.float32) for one in drawn])
