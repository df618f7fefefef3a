"""The weight of the penalty, chosen by the photons it has not seen.

No truth and no eye is asked: a part of the photons is set aside, the rest is solved
with one weight after the other, each from the solution before, and each element takes
the weight that makes its own photons set aside most likely: a thin shell wants less
than a solid core. On maps binned by half as much as for the start: large voxels are
smooth by themselves, and want less weight than small ones.
"""

import logging
from dataclasses import dataclass, replace

import numpy as np

from stemedx.arrays import ByElement, Pixels
from stemedx.counts import split_counts, to_counts
from stemedx.project.blocks import maps_to_block
from stemedx.project.cropped import cropped_projector
from stemedx.reconstruct.calibration import dose
from stemedx.reconstruct.measured import Measured, binned
from stemedx.reconstruct.penalised import (
    LOOSE,
    N_ROUNDS,
    Fit,
    Penalty,
    coarser,
    fine_box,
    first_fit,
    improve,
    solve,
    to_fine,
)

log = logging.getLogger(__name__)
SHARE = 0.8  # of the photons that are seen
STEP = 2.0  # from one weight to the next
DOSE_POWER = 0.6  # weights grow with this power of the photons
MOST = 9  # weights that are tried at most


@dataclass(frozen=True)
class Trial:
    """A weight for all photons, and what it was worth to each element: nat per photon set aside."""

    tv_weight: float
    nat_per_photon: tuple[float, ...]


def choose_weights(
    measured: Measured, penalty: Penalty, n: int, *, n_splits: int, rng: np.random.Generator
) -> tuple[ByElement, list[Trial]]:
    """Return the largest weight of no less held-out likelihood, and all that were tried.

    For each element its own. All have one weight in each trial, from that of `penalty` in
    steps of two, until each element has liked one better than both its neighbours;
    between the steps as `beyond` tells.

    Parameters
    ----------
    measured
        All photons.
    penalty
        Its weight is the start.
    n
        Pixels a side that are summed into one for the start.
    n_splits
        Splits whose likelihoods are averaged.
    rng
        Draws the photons that are set aside.

    Returns
    -------
    weights
        ``(element)`` nat per square pixel of edge; an element without photons has the
        mean of the others.
    trials
        In order of weight.
    """
    counts = to_counts(measured.maps, [1.0] * len(measured.maps), rng)
    splits = []
    for _ in range(n_splits):
        seen, unseen = (measured.with_maps(part) for part in split_counts(counts, SHARE, rng))
        splits.append(_Split(seen, unseen, penalty, n))
    likely: dict[int, list[Pixels]] = {}
    present = np.flatnonzero((counts * measured.weight).any(axis=(1, 2, 3))).tolist()
    while steps := _to_ask(likely, present):
        step = min(steps, key=lambda step: (abs(step), step))
        weight = penalty.tv_weight * STEP**step
        likely[step] = [split.likely(weight) for split in splits]
        log.info("weight %.3g: %s nat per held-out photon", weight, _worth(likely[step]).round(4))
    powers = np.full(len(counts), np.nan)
    for element in present:
        own = _of_element(likely, element)
        best = _best(own)
        powers[element] = best + beyond(own, best)
    powers[np.isnan(powers)] = np.nanmean(powers)
    trials = [
        Trial(penalty.tv_weight * STEP**step, tuple(_worth(likely[step]).tolist()))
        for step in sorted(likely)
    ]
    return penalty.tv_weight * STEP**powers, trials


def _to_ask(likely: dict[int, list[Pixels]], elements: list[int]) -> set[int]:
    """Return steps that were not asked, beside those that an element likes best."""
    if not likely:
        return {0}
    best = {_best(_of_element(likely, element)) for element in elements}
    beside = {step + side for step in best for side in (-1, 1)}
    return {step for step in beside - set(likely) if abs(step) <= MOST // 2}


def _of_element(likely: dict[int, list[Pixels]], element: int) -> dict[int, list[Pixels]]:
    """Return what one element makes of each step."""
    return {step: [one[..., element] for one in splits] for step, splits in likely.items()}


def _worth(splits: list[Pixels]) -> np.ndarray:
    """Return ``(element)`` sums over pixels, the mean over splits."""
    return np.mean([one.sum(axis=(0, 1, 2), dtype=np.float64) for one in splits], axis=0)


def _best(likely: dict[int, list[Pixels]]) -> int:
    """Return the step of the largest sum."""
    return max(likely, key=lambda step: mean_of(likely[step]))


def mean_of(likely: list[Pixels]) -> float:
    """Return the sum over pixels, the mean over splits."""
    return float(np.mean([one.sum(dtype=np.float64) for one in likely]))


def beyond(likely: dict[int, list[Pixels]], best: int) -> float:
    """Return how far from the best step to go: to the largest weight that is no worse.

    A parabola through the best step and its neighbours has its top where photons set
    aside are most likely. From there to larger weights, as long as what is lost is
    below its standard error: photons that cannot tell the weights do not ask for the
    smaller one, whose volume has bright voxels where two of them meet by chance. At
    most one step.

    Parameters
    ----------
    likely
        Step -> nat per photon set aside, of each pixel, for each split.
    best
        The step of the largest sum.

    References
    ----------
    Breiman et al. (1984), Classification and Regression Trees, ch. 3.4.3 (the rule of
    one standard error).
    """
    if best - 1 not in likely or best + 1 not in likely:
        return 0.0
    below, at, above = (mean_of(likely[best + step]) for step in (-1, 0, 1))
    bend = below - 2 * at + above
    if bend >= 0:
        return 0.0
    pairs = zip(likely[best], likely[best + 1], strict=True)
    error = np.mean([np.sqrt(((one - other) ** 2).sum()) for one, other in pairs])
    # the loss grows with the square of the way, its standard error with the way
    return float(0.5 * (below - above) / bend + min(error / (-0.5 * bend), 1.0))


class _Split:
    """Photons seen and set aside; each solution starts the next."""

    def __init__(self, seen: Measured, unseen: Measured, penalty: Penalty, n: int) -> None:
        self._n, self._weight = max(n // 2, 1), penalty.tv_weight
        self._seen, self._unseen = binned(seen, self._n), binned(unseen, self._n)
        gap = LOOSE * penalty.gap_per_photon
        self._penalty = replace(penalty, gap_per_photon=gap)
        more = min(n, 2)
        coarse = binned(self._seen, more)
        fit = solve(coarse, first_fit(coarse), self._of(self._weight, more), N_ROUNDS)
        self._fit = to_fine(fit, self._seen, more, fine_box(fit, self._seen, more))
        self._operator = cropped_projector(
            self._seen.geometry, len(self._seen.maps), self._fit.crop, seen.place
        )

    def _of(self, weight: float, more: int) -> Penalty:
        """Return the penalty for the photons seen, on maps binned by `more` again."""
        own = replace(self._penalty, tv_weight=weight * SHARE**DOSE_POWER)
        return coarser(own, self._n * more)

    def _start(self, weight: float) -> Fit:
        """Return the solution before; its dual fits into the balls of the new weight."""
        state, ratio = self._fit.state, np.float32(weight / self._weight)
        self._weight = weight
        scaled = None if state.tv_dual is None else state.tv_dual * ratio
        return replace(self._fit, state=replace(state, tv_dual=scaled, balance=None))

    def likely(self, weight: float) -> Pixels:
        """Return the likelihood of the photons set aside, nat per photon of each element.

        ``(tilt, x, y, element)``: what each pixel adds.
        """
        fit = improve(self._seen, self._start(weight), self._of(weight, 1), self._operator)
        self._fit, odds = fit, (1 - SHARE) / SHARE
        projected = self._operator.forward(fit.state.volume) * fit.scale.astype(np.float32)
        # as in the end: what the penalty takes from the whole is given back
        projected *= dose(self._seen, projected, fit.calibration).astype(np.float32)
        rate = (
            projected * fit.calibration.gain.T[:, None, None]
            + fit.calibration.background.T[:, None, None]
        )
        counts = maps_to_block(np.asarray(self._unseen.maps, np.float32))
        weights = self._unseen.weight.transpose(0, 2, 1)[..., None]
        if self._seen.signal == "hits":
            # of a hit only this is known: it was there, and fell to one of the two parts
            chance = -odds * np.expm1(-rate)
            likely = weights * (counts * np.log(chance) + (1 - counts) * np.log1p(-chance))
        else:
            likely = weights * (counts * np.log(odds * rate) - odds * rate)
        return likely / np.maximum((weights * counts).sum(axis=(0, 1, 2), dtype=np.float64), 1)
