"""Tilt axis and shifts by which maps agree best as views of one specimen."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from stemedx.align.one_specimen import BLUR_PX, Likelihood, SpecimenModel
from stemedx.align.window import Window, sampled, spline_of
from stemedx.arrays import Angles, Modes, Rates, Shifts, Spread, TiltAngles
from stemedx.project.geometry import rotation_matrix

ROUNDS = 8
FINE_DEG = 0.75
APART_DEG = 2.0
WORTH = 0.02  # of a logarithm of a likelihood
DAMPING = 1e-3
MOST_DAMPING = 1e3


@dataclass(frozen=True)
class Agreement:
    """Where maps agree best, and how far the angle may be off."""

    rotation_deg: float
    error_deg: float  # infinite where the maps do not tell
    shift_px: Shifts


@dataclass(frozen=True)
class _Seen:
    """Maps blurred to the window's grid, their slopes, and the model of what they show."""

    model: SpecimenModel
    window: Window
    images: Spread  # (field, channel, tilt, y, x) spline coefficients: values, slopes along y, x

    def sampled(self, rotation_deg: float, place_px: Shifts) -> Spread:
        """Return ``(field, channel, tilt, y, x)`` in the window, centred at these places."""
        return sampled(self.images, self.window, rotation_deg, place_px)


@dataclass(frozen=True)
class _Question:
    """How alike maps have to be, and what maps of one specimen would ask for themselves."""

    how: Likelihood
    angle: float  # where it is asked, degrees
    place_px: Shifts
    own: Spread  # (channel, wave, move): slopes that are not the measurement's

    def unlikely(self, model: SpecimenModel, modes: Modes, angle: float, place: Shifts) -> Spread:
        """Return how unlikely maps are, ``(channel, wave)``, up to a constant."""
        product = np.einsum("cki,cki->ck", modes.conj(), _times(self.how.rather, modes)).real
        moves = [np.deg2rad([angle - self.angle]), (place - self.place_px).ravel()]
        return 0.5 * model.times * product - self.own @ np.concatenate(moves)


@dataclass
class _Fit:
    """Places of the window in each map at an angle, and how unlikely they are."""

    place_px: Shifts
    unlikely: Spread  # (channel, wave), up to a constant


def agreement(
    channels: Rates,
    tilt_deg: TiltAngles,
    start: Shifts,
    angles_deg: Angles,
    window: Window,
) -> Agreement:
    """Return the best of angles, and of shifts at each.

    The likelihood is maximal over shifts at each angle tried, and the angle lies at the
    vertex of a parabola through the best. Its error is that of a likelihood whose model
    need not be true (White 1982, Econometrica 50, 1-25): the slopes of its parts, which
    ought to cancel, say how far noise moves the vertex.

    Parameters
    ----------
    channels
        ``(channel, tilt, y, x)`` without background: elements, or HAADF.
    tilt_deg
        ``(tilt,)`` degrees.
    start
        ``(tilt, axis)`` shifts at the middle one of the angles.
    angles_deg
        ``(angle,)`` rotations to try, rising; one: that is taken.
    window
        `one_specimen.N_X` columns wide.
    """
    seen = _seen(channels, tilt_deg, window)
    angle = float(angles_deg[len(angles_deg) // 2])
    place = -start @ rotation_matrix(angle)
    for _ in range(2):
        how = _question(seen, angle, place)
        fits = _profile(seen, how, angles_deg, place)
        angle = min(fits, key=lambda one: fits[one].unlikely.sum())
        place = fits[angle].place_px
    if len(angles_deg) == 1:
        return Agreement(angle, 0.0, -place @ rotation_matrix(angle).T)
    rough, broad = _vertex(fits)
    how = _question(seen, angle, place)
    fits = _profile(seen, how, angle + FINE_DEG * np.arange(-4, 5), place)
    best, error = _vertex(fits)
    # Where nothing tells, noise makes a dent here and there.
    error = max(error, broad) if abs(best - rough) < APART_DEG else np.inf
    nearest = min(fits, key=lambda one: abs(one - best))
    last = _fitted(seen, how, best, fits[nearest].place_px)
    return Agreement(best, error, -last.place_px @ rotation_matrix(best).T)


def _seen(channels: Rates, tilt_deg: TiltAngles, window: Window) -> _Seen:
    width = BLUR_PX * window.pixel_px
    fields = [
        ndimage.gaussian_filter(channels, (0, 0, width, width), (0, 0, *order), np.float64)
        for order in ((0, 0), (1, 0), (0, 1))
    ]
    return _Seen(SpecimenModel(tilt_deg, window.n_y), window, spline_of(np.stack(fields)))


def _question(seen: _Seen, angle: float, place: Shifts) -> _Question:
    """Return what to ask for, near an angle and places.

    Of any given specimen the views are likelier a little off the truth: the smaller it
    looks, the likelier. Its size is no measurement. So what the specimen that explains the
    maps asks for at its own place is taken off (a parametric bootstrap: Efron and
    Tibshirani 1993, An Introduction to the Bootstrap, chapter 10).
    """
    model = seen.model
    modes = model.modes(seen.sampled(angle, place)[0])
    how = model.likelihood(modes)
    explained = _times(how.explained, modes)
    upright = np.stack(np.gradient(model.maps(explained), seen.window.pixel_px, axis=(2, 3)))
    slopes = np.tensordot(rotation_matrix(angle).T, upright, 1)
    points = np.tensordot(rotation_matrix(angle + 90).T, seen.window.points, 1)
    turning = model.modes(np.einsum("ayx,actyx->ctyx", points, slopes))
    columns = np.concatenate([turning[..., None], _columns(model, slopes)], axis=-1)
    pull = _times(how.rather, explained)
    own = np.einsum("ckim,cki->ckm", columns.conj(), pull, optimize=True).real
    return _Question(how, angle, place, model.times[:, None] * own)


def _profile(seen: _Seen, how: _Question, angles_deg: Angles, place: Shifts) -> dict[float, _Fit]:
    """Return the best places at each angle, each started from those at the nearest before."""
    fits: dict[float, _Fit] = {}
    middle = angles_deg[len(angles_deg) // 2]
    for angle in sorted(angles_deg.tolist(), key=lambda one: abs(one - middle)):
        near = min(fits, key=lambda one: abs(one - angle)) if fits else None
        fits[angle] = _fitted(seen, how, angle, place if near is None else fits[near].place_px)
    return fits


def _fitted(seen: _Seen, how: _Question, angle: float, place: Shifts) -> _Fit:
    """Return the places of greatest likelihood at an angle, by damped Newton steps."""
    maps = seen.sampled(angle, place)
    modes = seen.model.modes(maps[0])
    best = _Fit(place, how.unlikely(seen.model, modes, angle, place))
    curvature = _curvature(seen.model, how.how, maps)
    free = _free(seen.model.tilt_deg, angle)
    stiff = np.diag(curvature).max() * len(curvature) * free @ free.T
    damping = DAMPING
    for _ in range(ROUNDS):
        slope = _slope(seen.model, how, modes, maps)
        damped = curvature + stiff + damping * np.diag(np.diag(curvature))
        step = np.linalg.solve(damped, free @ (free.T @ slope) - slope).reshape(-1, 2)
        maps = seen.sampled(angle, best.place_px + step)
        tried = seen.model.modes(maps[0])
        where = best.place_px + step
        found = _Fit(where, how.unlikely(seen.model, tried, angle, where))
        gain = float(best.unlikely.sum() - found.unlikely.sum())
        if gain > 0:
            best, modes, damping = found, tried, damping / 5
        else:
            maps, damping = seen.sampled(angle, best.place_px), 8 * damping
        if 0 < gain < WORTH or damping > MOST_DAMPING:
            break
    return best


def _slope(model: SpecimenModel, how: _Question, modes: Modes, maps: Spread) -> Spread:
    """Return how unlikelihood grows with the places, ``(tilt and axis,)``."""
    pull = model.adjoint(_times(how.how.rather, modes))
    return np.sum(maps[1:] * pull, axis=(1, 3, 4)).T.ravel() - how.own.sum(axis=(0, 1))[1:]


def _curvature(model: SpecimenModel, how: Likelihood, maps: Spread) -> Spread:
    """Return about how steep unlikelihood is in the places."""
    columns = _columns(model, maps[1:])
    weighted = model.times[:, None, None] * (how.one @ columns)
    return np.einsum("ckia,ckib->ab", columns.conj(), weighted, optimize=True).real


def _columns(model: SpecimenModel, slopes: Spread) -> Modes:
    """Return how modes change with the places, ``(channel, wave, mode, tilt and axis)``."""
    n, m = len(model.tilt_deg), model.basis.shape[1]
    parts = [model.modes(part) for part in slopes]
    columns = np.zeros((*parts[0].shape, n, 2), np.complex128)
    for axis, part in enumerate(parts):
        for tilt in range(n):
            at = slice(tilt * m, (tilt + 1) * m)
            columns[:, :, at, tilt, axis] = part[:, :, at]
    return columns.reshape(*parts[0].shape, 2 * n)


def _free(tilt_deg: TiltAngles, angle: float) -> Spread:
    """Return an orthonormal basis of the places that only move the specimen."""
    tilt = np.deg2rad(tilt_deg)
    none = np.zeros_like(tilt)
    moves = [(none + 1, none), (none, np.cos(tilt)), (none, np.sin(tilt))]
    columns = [(np.stack(move, axis=1) @ rotation_matrix(angle)).ravel() for move in moves]
    return np.linalg.qr(np.stack(columns, axis=1))[0]


def _vertex(fits: dict[float, _Fit]) -> tuple[float, float]:
    """Return the angle of least unlikelihood, and its error; infinite at an end."""
    angles = np.array(sorted(fits))
    parts = np.stack([fits[angle].unlikely.ravel() for angle in angles.tolist()])
    total = parts.sum(axis=1)
    best = int(total.argmin())
    near = slice(max(best - 2, 0), best + 3)
    bend, slope, _ = np.polyfit(angles[near] - angles[best], total[near], 2)
    if best in (0, len(total) - 1) or bend <= 0:
        return float(angles[best]), np.inf
    slopes = np.polyfit(angles[near] - angles[best], parts[near], 2)[1]
    spread = max(np.std(slopes) * np.sqrt(len(slopes)), np.sqrt(2 * bend))
    return float(angles[best] - slope / (2 * bend)), float(spread / (2 * bend))


def _times(kernels: Spread, modes: Modes) -> Modes:
    return np.einsum("ckij,ckj->cki", kernels, modes, optimize=True)
