"""What of each element is shown in three dimensions, and in which dress."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from stemedx.arrays import Point, Volume, Volumes
from stemedx.figures.canvas import colour_of
from stemedx.figures.planes import Focus, coarse, plateau

SHARE = 0.5  # of the typical value inside: the surface
SMOOTH_PX = 0.8
OPACITIES = (1.0, 0.24, 0.14)  # from the smallest body to the largest around it


@dataclass(frozen=True, eq=False)
class Body:
    """Where an element is above a level."""

    element: str
    volume: Volume  # (z, y, x), smoothed
    level: float
    voxel_nm: float
    corner_nm: Point  # of the first voxel, (z, y, x) from the centre of the volume
    colour: str
    opacity: float


def find_bodies(
    volumes: Volumes, elements: Sequence[str], *, focus: Focus, pixel_nm: float, step: int
) -> list[Body]:
    """Return a body for each element that there is, the smallest first.

    It is where the amount, smoothed a little, is more than half of what is typical
    inside.

    Parameters
    ----------
    volumes
        ``(element, z, y, x)`` amount of each element, any unit.
    elements
        Symbols.
    focus
        The box to show.
    pixel_nm
        Edge of a voxel, nm.
    step
        Voxels of the volume along the edge of a voxel of the bodies.
    """
    sides = zip(focus.box, volumes.shape[1:], strict=True)
    corner = np.array([side.start - (n - 1) / 2 + (step - 1) / 2 for side, n in sides])
    found = []
    for n, (element, volume) in enumerate(zip(elements, volumes, strict=True)):
        smooth = ndimage.gaussian_filter(coarse(volume[focus.box], step), SMOOTH_PX)
        level = SHARE * plateau(smooth) if smooth.size else np.inf
        if np.isfinite(level):
            place = (step * pixel_nm, corner * pixel_nm)
            found.append(Body(element, smooth, level, *place, colour_of(n), 1.0))
    found.sort(key=lambda body: int((body.volume > body.level).sum()))
    return [replace(body, opacity=OPACITIES[min(rank, 2)]) for rank, body in enumerate(found)]
