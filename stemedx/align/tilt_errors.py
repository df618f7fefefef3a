"""How far each tilt is off what was told, by projection matching."""

import logging
from dataclasses import dataclass, replace

import numpy as np

from stemedx.align.refine import (
    Match,
    Views,
    block_sums,
    brightness,
    left_out,
    lined_up,
    match,
    noise_of,
    reconstructed,
)
from stemedx.arrays import PerTilt, Rates, Series, Shifts, Spread, TiltAngles
from stemedx.project.geometry import least_shifts
from stemedx.project.projector import project

log = logging.getLogger(__name__)
STEP_DEG = 1.0  # over which a projection changes in proportion to the tilt
WORTH = 0.005
TINY = 1e-30


@dataclass(frozen=True)
class TiltErrors:
    """By how much tilts are larger than was told."""

    off_deg: PerTilt
    error_deg: PerTilt  # standard error; that of the prior where the maps do not tell


@dataclass(frozen=True)
class _Compared:
    """What the others leave of each map, and how that changes."""

    left: Spread  # (channel, tilt, y, x)
    columns: Spread  # (number, channel, tilt, y, x): tilt, down, right, brightness

    def slope(self, tilt: int, weigh: Spread) -> Spread:
        """Return how likelihood grows with the numbers of one tilt, before the prior."""
        return np.einsum("ncyx,cyx,c->n", self.columns[:, :, tilt], self.left[:, tilt], weigh)


def find_tilt_errors(
    views: Views, start: Match, spread_deg: float, n_rounds: int
) -> tuple[Views, Match, TiltErrors]:
    """Return views with the tilts that fit best, their match, and how far these were off.

    Each map is compared with what the others predict of it, and with how that changes with
    the tilt; tilt and shift are asked for together, by least squares with a prior on the
    tilt. What the reconstruction of all maps asks for, when its own projections are treated
    the same way, is the fault of the few tilts and is taken off (a parametric bootstrap:
    Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 10).

    An error common to all tilts turns the volume, and one in proportion to the tilt hardly
    differs from another thickness: neither is looked for. A round that lowers the residual
    by less than half a percent is not kept.

    Parameters
    ----------
    views
        Images, and how they were taken.
    start
        Shifts, matched.
    spread_deg
        Standard deviation of the errors before anything was seen, degrees.
    n_rounds
        Rounds at most.
    """
    told = views.tilt_deg
    best = (views, start)
    found = TiltErrors(np.zeros_like(told), np.full_like(told, spread_deg))
    for number in range(1, n_rounds + 1):
        asked, move_px = _asked(*best, told, spread_deg)
        off_deg = _told_apart(asked.off_deg, told)
        tried = replace(views, tilt_deg=told + off_deg)
        shift_px = least_shifts(best[1].shift_px + move_px, tried.tilt_deg)
        matched = match(tried, shift_px)
        before, after = best[1].residual.mean(), matched.residual.mean()
        log.info(
            "tilts, round %d: off by up to %.2f deg, residual %.4f -> %.4f",
            *(number, np.abs(off_deg).max(), before, after),
        )
        if after > (1 - WORTH) * before:
            break
        best = (tried, matched)
        found = TiltErrors(off_deg, asked.error_deg)
    return *best, found


def _told_apart(off_deg: PerTilt, told: TiltAngles) -> PerTilt:
    """Return errors without what no projection tells, and what hardly any does."""
    common = np.linalg.qr(np.stack([np.ones_like(told), told], axis=1))[0]
    return off_deg - common @ (common.T @ off_deg)


def _asked(
    views: Views, found: Match, told: TiltAngles, spread_deg: float
) -> tuple[TiltErrors, Shifts]:
    """Return the errors of tilts that would make each map fit, and the moves beside them."""
    maps, counting, factor = lined_up(views, found.shift_px)
    measured = _compared(maps, counting, views.tilt_deg)
    by_few = _compared(_reprojected(maps, counting, views.tilt_deg), counting, views.tilt_deg)
    weigh = 1 / np.maximum(noise_of(measured.left), TINY)
    already = views.tilt_deg - told
    off, error, move = already.copy(), already.copy(), np.zeros_like(found.shift_px)
    for tilt in range(len(told)):
        columns = measured.columns[:, :, tilt]
        curvature = np.einsum("ncyx,mcyx,c->nm", columns, columns, weigh)
        curvature[0, 0] += spread_deg**-2
        slope = measured.slope(tilt, weigh) - by_few.slope(tilt, weigh)
        slope[0] -= already[tilt] / spread_deg**2
        inverse = np.linalg.pinv(curvature)
        step = inverse @ slope
        off[tilt] += step[0]
        move[tilt] = -factor * step[1:3]
        influence = np.tensordot(inverse[0], columns, 1) * measured.left[:, tilt]
        pulls = block_sums(np.tensordot(weigh, influence, 1))
        # The first part is that of noise, the second that of what the prior holds back.
        error[tilt] = np.sqrt(np.sum(pulls**2) + (inverse[0, 0] / spread_deg) ** 2)
    return TiltErrors(off, error), move


def _compared(maps: Rates, counting: Series, tilt_deg: TiltAngles) -> _Compared:
    """Return maps against what the others predict of them."""
    expected, higher, lower = (np.empty_like(maps) for _ in range(3))
    for out, volumes in left_out(maps, counting, tilt_deg):
        for seen, step in ((expected, 0.0), (higher, STEP_DEG), (lower, -STEP_DEG)):
            seen[:, out] = project(volumes, tilt_deg[out] + step)
    measured, seen = counting * maps, counting * expected
    bright = brightness(measured, seen)
    seen = bright * seen
    turning = bright * counting * (higher - lower) / (2 * STEP_DEG)
    columns = np.stack([turning, *(-slope for slope in np.gradient(seen, axis=(2, 3))), seen])
    return _Compared(measured - seen, columns)


def _reprojected(maps: Rates, counting: Series, tilt_deg: TiltAngles) -> Rates:
    """Return what the reconstruction of all maps projects to."""
    return project(reconstructed(maps, counting, tilt_deg), tilt_deg)
