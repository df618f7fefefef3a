"""Tilt axis and shifts by which one body with a core explains all maps."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from stemedx.align.agreement import Agreement
from stemedx.align.bodies import Grid, ball, precision, radius_of
from stemedx.align.layout import Layout
from stemedx.align.window import Window, sampled, spline_of
from stemedx.arrays import Mask, Rates, Shifts, Spread, TiltAngles
from stemedx.project.geometry import rotation_matrix

N_X = 32  # pixels of a window across the tilt axis
RADIUS = 0.42  # of the specimen, in widths of the window
BORDER_PX = 1.6
BLUR_PX = 1.0  # of the maps, as soft as the surfaces of a body are on this grid
CORE = 0.55  # of the radius of the shell, to begin with
GAIN, SHIFT_PX = 0.05, 20.0  # spread of brightness from tilt to tilt, of what is left of shifts
BRIGHT, FAINT = 0.3, 0.02  # of the brightest: within the body; outside of it
QUIETEST = 0.03  # variance of photons outside of it, of that within, at least
BLOCK_PX, OFF_DEG = 8, 4.0
ROUNDS, RESTARTS = 40, 3
WORTH = 0.02  # of a logarithm of a likelihood
FIRST_DAMPING, MOST_DAMPING = 1.0, 1e6  # with less at first a core runs away
APART_PX = 4  # noise of pixels so far apart is independent
UNEXPLAINED = 0.15  # of what is left within the bodies: more structure is not noise


@dataclass(frozen=True)
class _Seen:
    """Maps that numbers predict, and what their slopes are made from, in the window."""

    values: Spread  # (channel, tilt, y, x)
    paths: Spread  # (body, tilt, y, x)
    steep: Spread  # (axis, body, tilt, y, x)
    slopes: Spread  # (body, number, tilt, y, x); empty where not asked for


@dataclass(frozen=True)
class _Fit:
    """Numbers, what they predict, and how likely they are."""

    numbers: Spread
    seen: _Seen
    variance: Spread  # (channel, tilt, y, x) of what is left


class _Bodies:
    """Maps in a window as shadows of bodies that all channels share."""

    def __init__(self, data: Spread, tilt_deg: TiltAngles, n_images: int = 0) -> None:
        self.data, self.n_images = data, n_images
        self.layout = Layout(*data.shape[:2])
        self.grid = Grid(tilt_deg, *data.shape[2:])
        self.centre = (np.array(data.shape[2:]) - 1) / 2
        self.points = np.indices(data.shape[2:]) - self.centre[:, None, None]
        self.stiff = self.layout.vector(
            shift=np.array(SHIFT_PX**-2), body=precision(), gain=np.array(GAIN**-2)
        )

    def part(self, numbers: Spread, name: str) -> Spread:
        return numbers[self.layout.at[name]]

    def seen(self, numbers: Spread) -> _Seen:
        """Return what numbers predict, without slopes of the bodies."""
        paths = np.stack([self.grid.path(body) for body in self.part(numbers, "body")])
        return self._seen(numbers, paths, paths[:, :0])

    def with_slopes(self, numbers: Spread) -> _Seen:
        """Return what numbers predict, and how it grows with those of the bodies."""
        bodies = [self.grid.shadows(body) for body in self.part(numbers, "body")]
        paths, slopes = (
            np.stack(part) for part in zip(*((one.path, one.slopes) for one in bodies), strict=True)
        )
        return self._seen(numbers, paths, slopes)

    def _seen(self, numbers: Spread, paths: Spread, slopes: Spread) -> _Seen:
        fields = np.stack([paths, *np.gradient(paths, axis=(2, 3))])
        moved = self._moved(fields, numbers)
        density, gain = self.part(numbers, "density"), np.exp(self.part(numbers, "gain"))
        values = np.einsum("cb,btyx,ct->ctyx", density, moved[0], gain)
        values += self.part(numbers, "offset")[:, :, None, None]
        turn_deg = float(np.rad2deg(numbers[0]))
        slopes = self.grid.moved(slopes, turn_deg, self.part(numbers, "shift"))
        return _Seen(values, moved[0], moved[1:], slopes)

    def _moved(self, fields: Spread, numbers: Spread) -> Spread:
        """Return ``(..., tilt, y, x)`` fields turned and shifted as the maps are."""
        turn = rotation_matrix(np.rad2deg(numbers[0]))
        found = np.empty_like(fields)
        for at in np.ndindex(fields.shape[:-2]):
            offset = self.part(numbers, "shift")[at[-1]] + self.centre - turn @ self.centre
            found[at] = ndimage.affine_transform(fields[at], turn, offset)
        return found

    def columns(self, fit: _Fit, channel: int, tilt: int) -> tuple[Spread, Spread]:
        """Return the numbers that one map depends on, and its slopes ``(number, pixel)``."""
        at, numbers, seen = self.layout.at, fit.numbers, fit.seen
        gain = np.exp(self.part(numbers, "gain")[channel, tilt])
        density = gain * self.part(numbers, "density")[channel]
        steep = np.tensordot(density, seen.steep[:, :, tilt], (0, 1))
        turning = np.tensordot(rotation_matrix(np.rad2deg(numbers[0]) + 90), self.points, 1)
        bright = seen.values[channel, tilt] - self.part(numbers, "offset")[channel, tilt]
        bodies = density[:, None, None, None] * seen.slopes[:, :, tilt]
        rows = [
            np.sum(steep * turning, axis=0)[None], steep, *bodies, gain * seen.paths[:, tilt],
            bright[None], np.ones_like(bright)[None],
        ]  # fmt: skip
        which = [
            at["turn"], at["shift"][tilt], at["body"].ravel(), at["density"][channel],
            at["gain"][channel, tilt, None], at["offset"][channel, tilt, None],
        ]  # fmt: skip
        return np.concatenate(which), np.concatenate(rows).reshape(-1, bright.size)

    def normal_equations(self, fit: _Fit) -> tuple[Spread, Spread]:
        """Return curvature and slope of the logarithm of the posterior."""
        curvature = np.diag(self.stiff)
        slope = -self.stiff * fit.numbers
        for at in np.ndindex(self.data.shape[:2]):
            which, columns = self.columns(fit, *at)
            weighed = columns / fit.variance[at].ravel()
            curvature[np.ix_(which, which)] += weighed @ columns.T
            slope[which] += weighed @ (self.data[at] - fit.seen.values[at]).ravel()
        return curvature, slope

    def cost(self, fit: _Fit) -> float:
        left = (self.data - fit.seen.values) ** 2 / fit.variance
        return float(0.5 * left.sum() + 0.5 * self.stiff @ fit.numbers**2)

    def variance(self, values: Spread) -> Spread:
        """Return the variance of what is left: of the vacuum, and in proportion to the rest."""
        found = np.empty_like(values)
        for channel, maps in enumerate(values):
            bright = maps - maps.min()
            left = (self.data[channel] - maps) ** 2
            inside = bright >= BRIGHT * bright.max()
            outside = bright <= max(FAINT * bright.max(), np.quantile(bright, FAINT))
            within = left[inside].mean() + 1e-9 * np.square(self.data[channel]).mean()
            # Of photons, few pixels may have none by chance: they would outweigh all others.
            # Not beside an image, whose noise is everywhere: there, the bound misleads.
            least = 1e-9 if self.n_images else QUIETEST
            vacuum = max(left[outside].mean(), least * within)
            more = max(within - vacuum, 0.0) / max(bright[inside].mean(), 1e-12)
            found[channel] = vacuum + more * bright
        return found

    def is_sound(self, numbers: Spread) -> bool:
        """Tell whether bodies are of a size and at a place that the window can hold."""
        bodies, shift = self.part(numbers, "body"), self.part(numbers, "shift")
        most = max(self.grid.shape[1:]) / 2
        radii = [radius_of(body) for body in bodies]
        small = max(np.abs(bodies[:, :3]).max(), np.abs(shift).max(), *radii) < most
        return bool(small and min(radii) > 1.5 and np.abs(bodies[:, 4:]).max() < 2)

    def step(self, fit: _Fit, free: Mask, damping: float) -> tuple[_Fit, float]:
        """Return a likelier fit and the damping that led there; the same one at the end."""
        curvature, slope = self.normal_equations(fit)
        cost = self.cost(fit)
        while damping < MOST_DAMPING:
            damped = curvature + damping * np.diag(np.diag(curvature) + 1e-12)
            numbers = fit.numbers.copy()
            numbers[free] += np.linalg.solve(damped[np.ix_(free, free)], slope[free])
            if self.is_sound(numbers):
                found = _Fit(numbers, self.seen(numbers), fit.variance)
                if self.cost(found) < cost:
                    return found, max(damping / 8, 1e-7)
            damping *= 8
        return fit, damping

    def fitted(self, numbers: Spread, free: Mask) -> _Fit:
        """Return the likeliest numbers near these, by damped Gauss-Newton steps of some."""
        seen = self.with_slopes(numbers)
        fit, damping, calm = _Fit(numbers, seen, self.variance(seen.values)), FIRST_DAMPING, 0
        for _ in range(ROUNDS):
            found, damping = self.step(fit, free, damping)
            calm += self.cost(fit) - self.cost(found) < WORTH
            seen = self.with_slopes(found.numbers)
            fit = _Fit(found.numbers, seen, self.variance(seen.values))
            if calm > 2 or damping >= MOST_DAMPING:
                break
        return fit

    def turn_error(self, fit: _Fit, others: list[_Fit]) -> float:
        """Return the standard error of the turn, rad.

        Of least squares whose model and weights need not be true (White 1982,
        Econometrica 50, 1-25): the pulls of blocks of pixels are taken as independent. A
        shape that noise made has slopes too: so the error is at least what it costs to hold
        the turn off.
        """
        curvature, _ = self.normal_equations(fit)
        influence = np.linalg.pinv(curvature)[0]
        total = 0.0
        for at in np.ndindex(self.data.shape[:2]):
            which, columns = self.columns(fit, *at)
            left = (self.data[at] - fit.seen.values[at]) / fit.variance[at]
            pull = (influence[which] @ columns).reshape(left.shape) * left
            total += float(np.sum(_block_sums(pull) ** 2))
        error = float(np.sqrt(total))
        cheapest = min(self.cost(replace(one, variance=fit.variance)) for one in others)
        if (dearer := cheapest - self.cost(fit)) <= 0:
            return np.inf
        as_if = np.deg2rad(OFF_DEG) / np.sqrt(2 * dearer)
        return max(error, as_if * error / float(np.sqrt(influence[0])))

    def held_off(self, fit: _Fit) -> list[_Fit]:
        """Return what fits with the turn held a little off, on either side."""
        moves = (self.layout.vector(turn=np.deg2rad([off])) for off in (-OFF_DEG, OFF_DEG))
        return [self.fitted(fit.numbers + move, self.layout.vector() == move) for move in moves]

    def structured(self, fit: _Fit) -> float:
        """Return the share of what is left within the bodies that is not noise.

        Of white noise blurred by `BLUR_PX`, a sixth of the variance is finer than the same
        blur again; of what a wrong model leaves, less.
        """
        bright = fit.seen.values - fit.seen.values.min(axis=(2, 3), keepdims=True)
        inside = bright > BRIGHT * bright.max(axis=(1, 2, 3), keepdims=True)
        left = (self.data - fit.seen.values) / np.sqrt(fit.variance)
        fine = left - ndimage.gaussian_filter(left, (0, 0, BLUR_PX, BLUR_PX))
        return float(1 - 6 * np.mean(fine[inside] ** 2) / np.mean(left[inside] ** 2))


def one_body(
    channels: Rates, tilt_deg: TiltAngles, start: Shifts, angle_deg: float, window: Window,
    *, n_images: int = 0,
) -> Agreement:  # fmt: skip
    """Return the axis and shifts by which one body with a core explains all maps.

    Both bodies are star-shaped, of one density in each channel; their surfaces, the turn,
    the shifts, brightness and background of each map are fitted together, each map
    weighed by its noise. What a random specimen cannot tell (see `agreement`), one with
    two surfaces does: how a single dot is turned. Its error is infinite if what is left
    is not noise: then there is more than one body.

    Parameters
    ----------
    channels, n_images
        ``(channel, tilt, y, x)`` without background, and how many of the first are HAADF.
    tilt_deg
        ``(tilt,)`` degrees.
    start
        ``(tilt, axis)`` shifts at `angle_deg`.
    angle_deg
        Rotation to begin with.
    window
        `N_X` columns wide.
    """
    place_px = -start @ rotation_matrix(angle_deg)
    width = BLUR_PX * window.pixel_px
    blurred = ndimage.gaussian_filter(channels, (0, 0, width, width), output=np.float64)
    maps = _Bodies(sampled(spline_of(blurred), window, angle_deg, place_px), tilt_deg, n_images)
    fit, others = _settled(maps)
    turn = rotation_matrix(np.rad2deg(fit.numbers[0]))
    # A point q of the window is seen at turn q + shift: where the axis is seen, at 0.
    moved = -maps.part(fit.numbers, "shift") @ turn * window.pixel_px
    place_px += moved @ rotation_matrix(angle_deg)
    found_deg = angle_deg + float(np.rad2deg(fit.numbers[0]))
    error_deg = float(np.rad2deg(maps.turn_error(fit, others))) if others else np.inf
    return Agreement(found_deg, error_deg, -place_px @ rotation_matrix(found_deg).T)


def _settled(maps: _Bodies) -> tuple[_Fit, list[_Fit]]:
    """Return a fit that none with the turn held off on either side undercuts, and those.

    None where what is left is not noise: that is no model of the maps at any turn.
    """
    everything = np.ones(maps.layout.size, bool)
    numbers = _start(maps)
    for _ in range(RESTARTS):
        fit = maps.fitted(numbers, everything)
        if maps.structured(fit) >= UNEXPLAINED:
            return fit, []
        others = maps.held_off(fit)
        better = min(others, key=lambda one: maps.cost(replace(one, variance=fit.variance)))
        if maps.cost(replace(better, variance=fit.variance)) >= maps.cost(fit):
            break
        numbers = better.numbers
    return fit, others


def _start(maps: _Bodies) -> Spread:
    """Return a ball as large as what is bright, and a fainter one in it."""
    total = np.sum(maps.data / maps.data.std(axis=(1, 2, 3), keepdims=True), axis=0).mean(axis=0)
    smooth = ndimage.gaussian_filter(total, 1)
    radius = np.sqrt(np.sum(smooth > BRIGHT * smooth.max()) / np.pi)
    density = np.percentile(maps.data, 98, axis=(1, 2, 3)) / (2 * radius)
    return maps.layout.vector(
        # Off the centre: from there all directions would look alike.
        body=np.stack([ball(np.zeros(3), radius), ball(np.full(3, 0.3), CORE * radius)]),
        density=density[:, None] * [1.0, 0.1],
    )


def _block_sums(image: Spread) -> Spread:
    """Return the sums over square blocks; what does not fill the last one makes its own."""
    rows = np.add.reduceat(image, np.arange(0, image.shape[0], BLOCK_PX), axis=0)
    return np.add.reduceat(rows, np.arange(0, image.shape[1], BLOCK_PX), axis=1)
