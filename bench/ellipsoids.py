"""Specimens of ellipsoids, projected by the formula of a chord: not by our projector."""

from dataclasses import dataclass

import numpy as np

TILTS = np.arange(-60.0, 61.0, 10.0)


@dataclass(frozen=True)
class Ellipsoid:
    """Centre and semi-axes (z, y, x), pixels; how much of each element per pixel of path."""

    centre: tuple[float, float, float]
    axes: tuple[float, float, float]
    density: tuple[float, float, float]


# Se, S, Zn. A core off the middle of its shell; shells that touch, one with a gap in it.
DOT = (
    Ellipsoid((2.0, -3.0, 4.0), (21.0, 17.0, 19.0), (0.0, 1.0, 1.0)),
    Ellipsoid((5.0, -1.0, 1.0), (11.0, 12.0, 9.0), (1.0, -1.0, 0.0)),
)
CLUSTER = (
    Ellipsoid((4.0, -24.0, 6.0), (13.0, 12.0, 14.0), (0.0, 1.0, 1.0)),
    Ellipsoid((6.0, -23.0, 8.0), (7.0, 6.0, 7.0), (1.0, -1.0, 0.0)),
    Ellipsoid((-6.0, 3.0, -8.0), (14.0, 13.0, 12.0), (0.0, 1.0, 1.0)),
    Ellipsoid((-5.0, 2.0, -9.0), (8.0, 7.0, 7.0), (1.0, -1.0, 0.0)),
    Ellipsoid((8.0, 27.0, 9.0), (9.0, 10.0, 11.0), (0.0, 1.0, 1.0)),
    Ellipsoid((9.0, 26.0, 10.0), (5.0, 6.0, 5.0), (1.0, -1.0, 0.0)),
)
# Beside the cluster in a field of 128 pixels: out of sight until it is tilted.
NEIGHBOURS = (
    Ellipsoid((0.0, -20.0, 88.0), (11.0, 12.0, 12.0), (0.5, 1.0, 1.0)),
    Ellipsoid((-4.0, 15.0, -92.0), (12.0, 11.0, 12.0), (0.5, 1.0, 1.0)),
)


def project(ellipsoids, tilt_deg, shift_px, rotation_deg, shape, turn):
    """Return the measured ``(element, tilt, y, x)`` rates that these numbers align.

    `turn` is the (3, 3) rotation of the specimen about the centre of the volume.
    """
    y, x = np.indices(shape) - (np.array(shape)[:, None, None] - 1) / 2
    angle = np.deg2rad(rotation_deg)
    maps = np.zeros((3, len(tilt_deg), *shape))
    for tilt, (shift_y, shift_x) in enumerate(shift_px):
        aligned_y = np.cos(angle) * y - np.sin(angle) * x + shift_y
        aligned_x = np.sin(angle) * y + np.cos(angle) * x + shift_x
        cos, sin = np.cos(np.deg2rad(tilt_deg[tilt])), np.sin(np.deg2rad(tilt_deg[tilt]))
        for one in ellipsoids:
            # A ray: (z, y, x) = start + t (cos, 0, -sin).
            starts = np.stack([aligned_x * sin, aligned_y, aligned_x * cos])
            own = np.tensordot(turn.T, starts, 1) - np.array(one.centre)[:, None, None]
            axes = np.array(one.axes)
            start = own / axes[:, None, None]
            along = turn.T @ np.array([cos, 0, -sin]) / axes
            b = np.tensordot(along, start, 1)
            inside = b**2 - along @ along * (np.sum(start**2, axis=0) - 1)
            chord = 2 * np.sqrt(np.clip(inside, 0, None)) / (along @ along)
            maps[:, tilt] += np.array(one.density)[:, None, None] * chord
    return maps
