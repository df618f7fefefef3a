"""A body with a closed surface, its shadow at each tilt, and the slopes of that."""

from dataclasses import dataclass

import numpy as np
from scipy import special

from stemedx.arrays import Spread, TiltAngles
from stemedx.project.system import system_matrix

DEGREES = (0, 2, 3, 4)  # of spherical harmonics; the first degree only moves a body
ROUGHNESS = 1.2  # spread of a coefficient, times its degree squared
SOFT_PX = 0.7  # over which a surface fades
NEAR = 0.6  # of the mean radius: beyond that from the mean sphere nothing changes
N_NUMBERS = 3 + sum(2 * degree + 1 for degree in DEGREES)
SIZE = 3  # which of the numbers says how large it is
LEVEL = 1 / np.sqrt(4 * np.pi)  # the harmonic of degree 0
POWERS = np.array([powers for powers in np.ndindex(5, 5, 5) if sum(powers) in (3, 4)])


@dataclass(frozen=True)
class Shadows:
    """The path through a body at each tilt, and how it grows with each of its numbers."""

    path: Spread  # (tilt, y, x)
    slopes: Spread  # (number, tilt, y, x)


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
        self.shape = (len(tilt_deg), n_y, n_x)
        self._rays = system_matrix(tilt_deg, n_x, n_x)
        axes = [np.arange(n) - (n - 1) / 2 for n in (n_x, n_y, n_x)]
        self._points = np.stack(np.meshgrid(*axes, indexing="ij")).reshape(3, -1)

    def shadows(self, body: Spread) -> Shadows:
        """Return the shadows of a body.

        Parameters
        ----------
        body
            ``(number,)`` centre, then coefficients of the logarithm of the radius.
        """
        away = self._points - body[:3, None]
        distance = np.sqrt(np.sum(away**2, axis=0)) + 1e-6
        typical = radius_of(body)
        near = np.flatnonzero(np.abs(distance - typical) < NEAR * typical + 6 * SOFT_PX)
        direction = away[:, near] / distance[near]
        harmonics = HARMONICS @ _products(direction)
        radius = np.exp(body[3:] @ harmonics)
        inside = special.expit((radius - distance[near]) / SOFT_PX)
        edge = inside * (1 - inside) / SOFT_PX
        grows = edge * radius * harmonics
        # Seen from a centre that moves, points are farther, and in another direction.
        turning = _slopes_of_products(direction, body[3:] @ HARMONICS)
        turning -= direction * np.sum(direction * turning, axis=0)
        moves = edge * (direction - turning * radius / distance[near])
        fields = np.zeros((1 + N_NUMBERS, distance.size), np.float32)
        fields[0] = distance < typical
        fields[:, near] = np.concatenate([inside[None], moves, grows])
        seen = self._projected(fields)
        return Shadows(seen[0], seen[1:])

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


def _products(direction: Spread) -> Spread:
    """Return all products of three or four components of directions, ``(product, point)``."""
    powers = direction ** np.arange(5)[:, None, None]
    z, y, x = (powers[POWERS[:, axis], axis] for axis in range(3))
    return z * y * x


def _slopes_of_products(direction: Spread, weights: Spread) -> Spread:
    """Return how the weighted sum of products grows with each component, ``(axis, point)``."""
    powers = direction ** np.arange(5)[:, None, None]
    slopes = []
    for axis in range(3):
        lower = POWERS - np.eye(3, dtype=int)[axis]
        z, y, x = (powers[np.maximum(lower[:, one], 0), one] for one in range(3))
        slopes.append((weights * POWERS[:, axis]) @ (z * y * x))
    return np.stack(slopes)


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
    return np.linalg.lstsq(_products(points).T, _harmonics(points).T, rcond=None)[0].T


HARMONICS = _as_products()
