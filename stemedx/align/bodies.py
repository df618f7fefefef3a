"""A body with a closed surface, its shadow at each tilt, and the slopes of that."""

from dataclasses import dataclass

import numpy as np
from scipy import special

from stemedx.arrays import Places, Shifts, Spread, TiltAngles
from stemedx.project.geometry import Geometry
from stemedx.project.system import system_matrix
from stemedx.project.warp import warp_matrix

DEGREES = (0, 2, 3, 4)  # of spherical harmonics; the first degree only moves a body
ROUGHNESS = 1.2  # spread of a coefficient, times its degree squared
SOFT_PX = 0.7  # over which a surface fades
NEAR = 0.6  # of the mean radius: beyond that from the mean sphere nothing changes
N_NUMBERS = 3 + sum(2 * degree + 1 for degree in DEGREES)
SIZE = 3  # which of the numbers says how large it is
LEVEL = 1 / np.sqrt(4 * np.pi)  # the harmonic of degree 0
POWERS, LOWER = (
    [powers for powers in np.ndindex(5, 5, 5) if sum(powers) in degrees]
    for degrees in ((3, 4), (2, 3))
)


@dataclass(frozen=True)
class Shadows:
    """The path through a body at each tilt, and how it grows with each of its numbers."""

    path: Spread  # (tilt, y, x)
    slopes: Spread  # (number, tilt, y, x)


@dataclass(frozen=True)
class _Surface:
    """The points close to the surface of a body, and how far each voxel lies within it."""

    near: Places
    direction: Spread  # (axis, point) from the centre
    distance: Spread  # (point,)
    products: Spread  # (product, point)
    radius: Spread  # (point,) of the body in that direction
    filled: Spread  # (voxel,) 0 to 1


class Grid:
    """The voxels of a window around the tilt axis, and the rays of all tilts through it.

    A body is its centre (z, y, x) and the logarithm of its radius in each direction, a
    sum of real spherical harmonics up to the fourth degree: an ellipsoid nearly, a rounded
    cube or tetrahedron, nothing that is not seen whole from its centre.

    Parameters
    ----------
    tilt_deg
        ``(tilt,)`` degrees.
    n_y, n_x
        Rows and columns of a window.
    """

    def __init__(self, tilt_deg: TiltAngles, n_y: int, n_x: int) -> None:
        self.tilt_deg, self.shape = tilt_deg, (len(tilt_deg), n_y, n_x)
        self._rays = system_matrix(tilt_deg, n_x, n_x)
        axes = [np.arange(n) - (n - 1) / 2 for n in (n_x, n_y, n_x)]
        self._points = np.stack(np.meshgrid(*axes, indexing="ij")).reshape(3, -1)

    def path(self, body: Spread) -> Spread:
        """Return the path through a body at each tilt, ``(tilt, y, x)``; as `shadows` does."""
        surface = self._surface(body)
        return self._projected(surface.filled[None].astype(np.float32))[0]

    def shadows(self, body: Spread) -> Shadows:
        """Return the shadows of a body.

        Parameters
        ----------
        body
            ``(number,)`` centre, then coefficients of the logarithm of the radius.
        """
        surface = self._surface(body)
        near, inside = surface.near, surface.filled[surface.near]
        edge = inside * (1 - inside) / SOFT_PX
        # Seen from a centre that moves, points are farther, and in another direction.
        direction = surface.direction
        turning = (SLOPES @ (body[3:] @ HARMONICS)) @ _products(direction, LOWER)
        turning -= direction * np.sum(direction * turning, axis=0)
        moves = edge * (direction - turning * surface.radius / surface.distance)
        fields = np.zeros((1 + N_NUMBERS, surface.filled.size), np.float32)
        fields[0] = surface.filled
        fields[1:4, near] = moves
        fields[4:, near] = edge * surface.radius * (HARMONICS @ surface.products)
        seen = self._projected(fields)
        return Shadows(seen[0], seen[1:])

    def _surface(self, body: Spread) -> _Surface:
        away = self._points - body[:3, None]
        distance = np.sqrt(np.sum(away**2, axis=0)) + 1e-6
        typical = radius_of(body)
        near = np.flatnonzero(np.abs(distance - typical) < NEAR * typical + 6 * SOFT_PX)
        direction = away[:, near] / distance[near]
        products = _products(direction, POWERS)
        radius = np.exp(body[3:] @ HARMONICS @ products)
        filled = (distance < typical).astype(np.float64)
        filled[near] = special.expit((radius - distance[near]) / SOFT_PX)
        return _Surface(near, direction, distance[near], products, radius, filled)

    def moved(self, fields: Spread, turn_deg: float, shift_px: Shifts) -> Spread:
        """Return ``(..., tilt, y, x)`` fields as seen by maps that are turned and shifted."""
        n_tilts, n_y, n_x = self.shape
        turns = np.full(n_tilts, turn_deg)
        geometry = Geometry(self.tilt_deg, n_y, n_x, turns, shift_px)
        columns = fields.reshape(-1, n_tilts, n_y, n_x).transpose(1, 3, 2, 0)
        found = columns.reshape(n_tilts, n_x * n_y, -1).copy()
        for tilt in range(n_tilts):
            if (matrix := warp_matrix(geometry, tilt)) is not None:
                found[tilt] = matrix @ found[tilt]
        return found.reshape(columns.shape).transpose(3, 0, 2, 1).reshape(fields.shape)

    def _projected(self, fields: Spread) -> Spread:
        """Return the sums along the rays, ``(field, tilt, y, x)``."""
        n_tilts, n_y, n_x = self.shape
        columns = fields.reshape(-1, n_x, n_y, n_x).transpose(1, 3, 2, 0)
        seen = self._rays @ columns.reshape(n_x**2, -1)
        return seen.reshape(n_tilts, n_x, n_y, -1).transpose(3, 0, 2, 1).astype(np.float64)


def ball(centre: Spread, radius: float) -> Spread:
    """Return the numbers of a ball."""
    numbers = np.zeros(N_NUMBERS)
    numbers[:3] = centre
    numbers[SIZE] = np.log(radius) / LEVEL
    return numbers


def radius_of(body: Spread) -> float:
    """Return the mean radius of a body (the geometric one), voxels."""
    return float(np.exp(body[SIZE] * LEVEL))


def precision() -> Spread:
    """Return 1 / variance of each number before anything was seen; 0 where any is as good."""
    spread = [np.full(2 * degree + 1, ROUGHNESS / degree**2) for degree in DEGREES[1:]]
    return np.concatenate([np.zeros(SIZE + 1), np.concatenate(spread) ** -2])


def _products(direction: Spread, powers: list[tuple[int, ...]]) -> Spread:
    """Return products of powers of the components of directions, ``(product, point)``."""
    raised = [np.ones_like(direction)]
    for _ in range(max(map(max, powers))):
        raised.append(raised[-1] * direction)
    found = np.empty((len(powers), direction.shape[1]))
    for row, (z, y, x) in zip(found, powers, strict=True):
        np.multiply(raised[z][0], raised[y][1], out=row)
        np.multiply(row, raised[x][2], out=row)
    return found


def _slopes_of_products() -> Spread:
    """Return how each of `POWERS` grows with each component, ``(axis, of LOWER, of POWERS)``."""
    slopes = np.zeros((3, len(LOWER), len(POWERS)))
    for axis, product in np.ndindex(3, len(POWERS)):
        lower = list(POWERS[product])
        lower[axis] -= 1
        if lower[axis] >= 0:
            slopes[axis, LOWER.index(tuple(lower)), product] = lower[axis] + 1
    return slopes


def _harmonics(direction: Spread) -> Spread:
    """Return the real spherical harmonics, ``(harmonic, point)``."""
    z, y, x = direction
    polar, azimuth = np.arccos(z), np.arctan2(y, x)
    rows = []
    for degree in DEGREES:
        for order in range(-degree, degree + 1):
            one = special.sph_harm_y(degree, abs(order), polar, azimuth)
            part = one.imag if order < 0 else one.real
            rows.append(part if order == 0 else np.sqrt(2) * part)
    return np.stack(rows)


def _as_products() -> Spread:
    """Return the harmonics as sums of products, which are quick to compute."""
    points = np.random.default_rng(0).normal(size=(3, 200))
    points /= np.linalg.norm(points, axis=0)
    return np.linalg.lstsq(_products(points, POWERS).T, _harmonics(points).T, rcond=None)[0].T


HARMONICS = _as_products()
SLOPES = _slopes_of_products()
