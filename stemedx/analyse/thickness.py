"""Thickness of each element along rays from the centre of a particle.

Directions: `theta` is the elevation above the plane normal to the tilt axis, +90
degrees along +y; `phi` goes round the tilt axis, from +x (0) towards +z (90). A
direction is ``(z, y, x) = (cos theta sin phi, sin theta, cos theta cos phi)``.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from stemedx.analyse.particles import Particle
from stemedx.arrays import Mask, Point, SphereMap, Volume, Volumes

THETA_DEG = np.arange(-90.0, 91.0)
PHI_DEG = np.arange(0.0, 360.0)
STEP_PX = 0.2
ROUNDS = 20


@dataclass(frozen=True)
class Shells:
    """Where the elements of one particle are, seen from its centre."""

    thickness_px: np.ndarray  # (element, theta, phi)
    centre_px: np.ndarray  # (z, y, x), voxels of the volume
    n_voxels: int  # where any element is present
    touches_edge: bool


def measure_shells(
    volumes: Volumes, particle: Particle, *, core: int, threshold: float
) -> Shells | None:
    """Return the thickness of every element in every direction; None without a core.

    An element is present where its amount, interpolated linearly, exceeds
    `threshold` times its typical value inside the particle. With a threshold of one
    half the surface of a body whose voxels hold averages stays in its place. All
    segments of a ray are added; the rays start at the core's centre of mass.

    Parameters
    ----------
    volumes
        ``(element, z, y, x)`` amount of each element, any unit.
    particle
        Where to look.
    core
        Index of the element whose centre of mass is the origin.
    threshold
        Share of the typical value, between 0 and 1.
    """
    amounts = volumes[(slice(None), *particle.box)] * particle.region
    limits = [threshold * typical_value(amount[particle.inside]) for amount in amounts]
    if not np.isfinite(limits[core]):
        return None
    present = np.any([amount > limit for amount, limit in zip(amounts, limits, strict=True)], 0)
    centre = centre_of_mass(amounts[core], amounts[core] > limits[core])
    rays = [thickness_px(*pair, centre) for pair in zip(amounts, limits, strict=True)]
    corner = np.array([side.start for side in particle.box])
    return Shells(np.stack(rays), centre + corner, int(present.sum()), particle.touches_edge)


def typical_value(values: np.ndarray) -> float:
    """Return the median of those values that exceed half of it.

    The plateau of an element that fills only a part of the particle, whatever the
    rest holds. Infinite where the element is absent, so that nothing exceeds it.
    """
    typical = float(np.percentile(values, 99))
    for _ in range(ROUNDS):
        if typical <= 0:
            return np.inf
        typical = float(np.median(values[values > typical / 2]))
    return typical


def centre_of_mass(amount: Volume, where: Mask) -> Point:
    """Return the mean ``(z, y, x)`` of the voxels in a mask, weighted by `amount`."""
    index = np.argwhere(where)
    return np.average(index, axis=0, weights=amount[where].astype(np.float64))


def thickness_px(amount: Volume, limit: float, origin: Point) -> SphereMap:
    """Return the length of each ray from `origin` along which `amount` exceeds `limit`.

    Parameters
    ----------
    amount
        ``(z, y, x)`` amount of one element; nothing outside.
    limit
        Above it the element is present.
    origin
        ``(z, y, x)`` start of the rays, voxels.

    Returns
    -------
    thickness
        ``(theta, phi)`` sum of all segments, voxels.
    """
    # Between voxels none exceeds the limit further out than a voxel's diagonal.
    present = np.argwhere(amount > limit)
    reach = np.linalg.norm(present - origin, axis=1).max(initial=0.0) + np.sqrt(3)
    radii = np.arange(STEP_PX / 2, reach, STEP_PX)
    thickness = np.empty((len(THETA_DEG), len(PHI_DEG)))
    for row, theta in enumerate(np.deg2rad(THETA_DEG)):
        points = origin[:, None, None] + directions(theta)[:, :, None] * radii
        sampled = ndimage.map_coordinates(amount, points, order=1, mode="constant", cval=0.0)
        thickness[row] = STEP_PX * np.count_nonzero(sampled > limit, axis=1)
    return thickness


def directions(theta: float) -> np.ndarray:
    """Return the unit vectors ``(zyx, phi)`` at an elevation in radians."""
    phi = np.deg2rad(PHI_DEG)
    up = np.full_like(phi, np.sin(theta))
    return np.stack([np.cos(theta) * np.sin(phi), up, np.cos(theta) * np.cos(phi)])


def area_weights() -> SphereMap:
    """Return the share of the sphere that each direction stands for; they sum to 1."""
    rows = np.clip(np.cos(np.deg2rad(THETA_DEG)), 0, None)
    weights = np.repeat(rows[:, None], len(PHI_DEG), axis=1)
    return weights / weights.sum()


def shell_statistics(
    shells: Shells, elements: list[str], pixel_nm: float, bare_px: float
) -> list[dict[str, Any]]:
    """Return one row per element: mean, spread and uncovered share over the sphere.

    Every direction counts by the area it stands for, bare directions included.

    Parameters
    ----------
    shells
        One particle.
    elements
        Symbols, in the order of the shells.
    pixel_nm
        Edge of a voxel, nm.
    bare_px
        A direction is uncovered where an element is thinner than this, voxels.
    """
    weights = area_weights()
    volume_nm3 = shells.n_voxels * pixel_nm**3
    centre_nm = shells.centre_px * pixel_nm
    shared = {
        "volume_nm3": volume_nm3,
        "diameter_nm": np.cbrt(6 * volume_nm3 / np.pi),
        **{f"center_{axis}_nm": at for axis, at in zip("zyx", centre_nm, strict=True)},
        "touches_edge": shells.touches_edge,
    }
    rows: list[dict[str, Any]] = []
    for element, thickness in zip(elements, shells.thickness_px, strict=True):
        mean = np.sum(weights * thickness)
        spread = np.sqrt(np.sum(weights * (thickness - mean) ** 2))
        measured = {
            "element": element,
            "mean_nm": mean * pixel_nm,
            "std_nm": spread * pixel_nm,
            "uncovered_percent": 100 * np.sum(weights * (thickness < bare_px)),
        }
        rows.append({**measured, **shared})
    return rows
