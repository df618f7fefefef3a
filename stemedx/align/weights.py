"""How far each pixel can be explained by what all tilts see."""

import numpy as np

from stemedx.align.alignment import Alignment
from stemedx.arrays import Series, TiltAngles
from stemedx.project.geometry import Geometry

EDGE = 1 / 16  # width of the soft edge, of the field


def to_ones(n_tilts: int, map_shape: tuple[int, int]) -> Series:
    """Return the weights of a specimen that lies inside the field at every tilt."""
    return np.ones((n_tilts, *map_shape), np.float32)


def weights_of_plane(tilt_deg: TiltAngles, map_shape: tuple[int, int], found: Alignment) -> Series:
    """Return 1 where a plane that fills the field is seen by all tilts, 0 beyond.

    Tilted, a plane shrinks by the cosine, and what lay beyond the field enters it.

    Parameters
    ----------
    tilt_deg
        ``(tilt,)`` degrees.
    map_shape
        Rows and columns.
    found
        Says how each map is aligned.

    Returns
    -------
    weights
        ``(tilt, y, x)`` float32 in the measured frame, with a soft edge.
    """
    n_y, n_x = map_shape
    geometry = Geometry(tilt_deg, n_y, n_x, found.rotation_deg, found.shift_px)
    cosine = np.maximum(np.cos(np.deg2rad(tilt_deg)), EDGE)
    places = [_aligned_x(geometry, tilt) / cosine[tilt] for tilt in range(len(tilt_deg))]
    # At the height of the middle row: rotations are small.
    first = max(place[n_y // 2].min() for place in places)
    last = min(place[n_y // 2].max() for place in places)
    edge = EDGE * n_x
    inside = [np.minimum(place - first, last - place) / edge for place in places]
    ramp = np.clip(np.stack(inside), 0, 1)
    return (ramp**2 * (3 - 2 * ramp)).astype(np.float32)


def _aligned_x(geometry: Geometry, tilt: int) -> np.ndarray:
    """Return where each measured pixel lies across the tilt axis, ``(y, x)``."""
    rotation, shift = geometry.motion(tilt)
    y, x = np.indices((geometry.n_y, geometry.n_x))
    centre_y, centre_x = (geometry.n_y - 1) / 2, (geometry.n_x - 1) / 2
    return rotation[1, 0] * (y - centre_y) + rotation[1, 1] * (x - centre_x) + shift[1]
