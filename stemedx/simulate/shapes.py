"""Analytic shapes of simulated specimens: which material is at a point.

Coordinates are ``(z, y, x)`` in pixels from the centre of the map, the beam of tilt 0
along +z, the tilt axis along y. A shape is a function of points, so that it can be
asked on any grid: the truth and its projections never share one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stemedx.arrays import Labels, Points

Shape = Callable[[Points], Labels]  # points -> 0 (vacuum) or the number of a material

# Standard shape at a map of this width; others scale with it.
STANDARD_PX = 64
INP_RADIUS, CORE_RADIUS, SHELL_PX = 5.3, 14.0, 6.0
LUMPS, WAVES = 0.05, 0.06
ROD_RADIUS, ROD_HALF_LENGTH, ROD_OFF_AXIS = 7.0, 14.0, 4.0


@dataclass(frozen=True)
class Body:
    """A shape, the sphere around the map's centre that holds it, and its numbers."""

    shape: Shape
    reach_px: float
    facts: dict[str, Any] = field(default_factory=dict)


def make_core_shell(size_px: int, uncovered_percent: float, rng: np.random.Generator) -> Body:
    """Return a lumpy core in a shell with one bare cap (1 InP, 2 ZnSe, 3 ZnS).

    Seen from the centre of the core, the directions in which there is no shell fill one
    cap, whose share of all directions is exactly `uncovered_percent`. The lumps have
    no first harmonic: they do not displace the core's centre of mass.
    """
    scale = size_px / STANDARD_PX
    centre = scale * _off_centre(rng)
    cap = _direction(rng)
    axes = np.stack([_direction(rng) for _ in range(4)])
    cos_cap = 1 - 2 * uncovered_percent / 100

    def shape(points: Points) -> Labels:
        labels = np.zeros(points.shape[1:], np.uint8)
        away = points - centre[:, None].astype(points.dtype)
        distance = np.sqrt((away**2).sum(axis=0))
        labels[distance <= scale * INP_RADIUS] = 1
        outside = np.flatnonzero((distance > scale * INP_RADIUS) & (distance <= scale * farthest))
        cosines = axes.astype(points.dtype) @ away[:, outside] / distance[outside]
        core = scale * CORE_RADIUS * (1 + LUMPS * (_p2(cosines[0]) + _p3(cosines[1])))
        shell = scale * SHELL_PX * (1 + WAVES * (_p2(cosines[2]) + _p3(cosines[3])))
        is_bare = cap.astype(points.dtype) @ away[:, outside] > cos_cap * distance[outside]
        edge = core + np.where(is_bare, 0, shell)
        labels[outside] = 2 * (distance[outside] <= core) + 3 * (
            (distance[outside] > core) & (distance[outside] <= edge)
        )
        return labels

    farthest = CORE_RADIUS * (1 + 2 * LUMPS) + SHELL_PX * (1 + 2 * WAVES)
    reach = scale * farthest + float(np.linalg.norm(centre))
    facts = {
        "centre_zyx_px": centre.tolist(),
        "cap_zyx": cap.tolist(),
        "uncovered_percent": uncovered_percent,
        "core_radius_px": scale * CORE_RADIUS,
        "shell_px": scale * SHELL_PX,
    }
    return Body(shape, reach, facts)


def make_rod(size_px: int, rng: np.random.Generator) -> Body:
    """Return a gold cylinder along y with round ends, beside the tilt axis (1 Au)."""
    scale = size_px / STANDARD_PX
    azimuth = rng.uniform(0, 2 * np.pi)
    aside = ROD_OFF_AXIS * np.array([np.sin(azimuth), 0, np.cos(azimuth)])
    centre = scale * (aside + _off_centre(rng) * [0, 1, 0])

    def shape(points: Points) -> Labels:
        z, y, x = points - centre[:, None].astype(points.dtype)
        beyond = np.maximum(np.abs(y) - scale * ROD_HALF_LENGTH, 0)
        return (z**2 + beyond**2 + x**2 <= (scale * ROD_RADIUS) ** 2).astype(np.uint8)

    reach = scale * (ROD_RADIUS + ROD_HALF_LENGTH) + float(np.linalg.norm(centre))
    facts = {
        "centre_zyx_px": centre.tolist(),
        "radius_px": scale * ROD_RADIUS,
        "half_length_px": scale * (ROD_HALF_LENGTH + ROD_RADIUS),
    }
    return Body(shape, reach, facts)


def make_empty() -> Body:
    """Return nothing."""
    return Body(lambda points: np.zeros(points.shape[1:], np.uint8), 1.0)


def _off_centre(rng: np.random.Generator) -> np.ndarray:
    """Return a displacement of one to two pixels along each axis."""
    return rng.uniform(1, 2, 3) * rng.choice([-1, 1], 3)


def _direction(rng: np.random.Generator) -> np.ndarray:
    """Return a unit vector, all directions equally likely."""
    vector = rng.standard_normal(3)
    return vector / np.linalg.norm(vector)


def _p2(cosine: np.ndarray) -> np.ndarray:
    return 1.5 * cosine**2 - 0.5


def _p3(cosine: np.ndarray) -> np.ndarray:
    return 2.5 * cosine**3 - 1.5 * cosine
