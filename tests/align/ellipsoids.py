"""A specimen of ellipsoids, projected by the formula of a chord: not by our projector."""

import numpy as np

from stemedx.project.geometry import least_shifts

TILTS = np.arange(-60.0, 61.0, 15.0)
# Each: where its centre is (z, y, x), how long its semi-axes are, how dense it is.
DOT = (((3.0, -2.0, 4.0), (10.0, 9.0, 8.0), 1.0), ((6.0, 2.0, 1.0), (3.0, 4.0, 3.0), 1.5))
CHAIN = (
    ((2.0, -12.0, 3.0), (7.0, 6.0, 7.0), 1.0),
    ((-3.0, 2.0, -4.0), (8.0, 7.0, 6.0), 1.0),
    ((4.0, 14.0, 5.0), (5.0, 5.0, 6.0), 1.0),
)


def project_ellipsoids(ellipsoids, shift_px, rotation_deg=0.0, shape=(50, 44), tilts=TILTS):
    """Return the measured ``(tilt, y, x)`` images that these numbers align."""
    y, x = np.indices(shape) - (np.array(shape)[:, None, None] - 1) / 2
    angle = np.deg2rad(rotation_deg)
    images = np.zeros((len(tilts), *shape))
    for tilt, (shift_y, shift_x) in enumerate(shift_px):
        aligned_y = np.cos(angle) * y - np.sin(angle) * x + shift_y
        aligned_x = np.sin(angle) * y + np.cos(angle) * x + shift_x
        cos, sin = np.cos(np.deg2rad(tilts[tilt])), np.sin(np.deg2rad(tilts[tilt]))
        for centre, axes, density in ellipsoids:
            # A ray: (z, y, x) = start + t (cos, 0, -sin).
            starts = (aligned_x * sin, aligned_y, aligned_x * cos)
            start = np.stack([(s - c) / a for s, c, a in zip(starts, centre, axes, strict=True)])
            along = np.array([cos / axes[0], 0, -sin / axes[2]])
            b = np.tensordot(along, start, 1)
            inside = b**2 - along @ along * (np.sum(start**2, axis=0) - 1)
            images[tilt] += density * 2 * np.sqrt(np.clip(inside, 0, None)) / (along @ along)
    return images


def error_px(found, true, tilts=TILTS):
    """Return the largest rms error along and across the axis, what is free apart."""
    left = least_shifts(found - true, tilts)
    return np.sqrt(np.mean(left**2, axis=0)).max()
