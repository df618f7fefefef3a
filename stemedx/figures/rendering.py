"""A shaded picture of bodies in a volume, seen from one side.

Orthographic: a nanometre is equally long everywhere in the picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from scipy import ndimage

from stemedx.arrays import PictureRGB, Volume
from stemedx.figures.bodies import Body
from stemedx.figures.canvas import DARK, new_figure, styled
from stemedx.figures.grids import add_scale_bar, bar_length_nm, bare

N_PIXELS = 340
EYE_ZYX = (-1.6, -0.7, 0.9)  # nearly along the beam, a little from above and the right
UP_ZYX = (0.0, -1.0, 0.0)  # y points down, as in the maps
LIGHT = (-0.4, 0.5, -0.8)  # (right, up, away from the eye): from where it shines
AMBIENT = 0.6
RIM = 1.12  # the picture is this much wider than what is in it


@dataclass(frozen=True, eq=False)
class Camera:
    """Where the rays of a picture run, in voxels."""

    plane: np.ndarray  # (zyx, down, across) a point of the ray of each pixel
    away: np.ndarray  # (zyx,) unit vector along all rays
    depths: np.ndarray  # (step,) along it from the plane, the nearest first
    voxels_per_pixel: float


def view_axes() -> np.ndarray:
    """Return the unit vectors right, up and away from the eye, each as (z, y, x)."""
    away = -np.array(EYE_ZYX) / np.linalg.norm(EYE_ZYX)
    # Cross products are written for (x, y, z): in (z, y, x) their sign turns round.
    right = -np.cross(away, UP_ZYX)
    right /= np.linalg.norm(right)
    return np.stack([right, -np.cross(right, away), away])


@styled
def bodies_figure(bodies: Sequence[Body], title: str) -> Figure:
    """Draw bodies from the side from which the view to turn begins.

    Parameters
    ----------
    bodies
        The smallest first; none gives an empty figure that says so.
    title
        Says what is shown.
    """
    figure = new_figure(3.5, 3.4)
    axes = figure.subplots()
    axes.set_title(title)
    bare(axes)
    if not bodies:
        axes.text(0.5, 0.5, "nothing to show", ha="center")
        return figure
    picture, voxels = render(bodies)
    axes.imshow(picture, interpolation="bilinear")
    width_nm = picture.shape[1] * voxels * bodies[0].voxel_nm
    add_scale_bar(axes, width_nm, bar_length_nm(width_nm), colour=DARK)
    for name, (x, y) in zip("zyx", view_axes()[:2].T, strict=True):
        axes.annotate(
            name,
            xy=(0.87, 0.13),
            xytext=(0.87 + 0.12 * x, 0.13 + 0.12 * y),
            xycoords="axes fraction",
            ha="center",
            va="center",
            arrowprops={"arrowstyle": "<|-", "color": DARK, "shrinkA": 5, "shrinkB": 0},
        )
    handles = [Patch(color=body.colour, label=body.element) for body in bodies]
    axes.legend(handles=handles, loc="upper right", fontsize=9)
    return figure


def render(bodies: Sequence[Body], n_pixels: int = N_PIXELS) -> tuple[PictureRGB, float]:
    """Return a picture of bodies on white, nearer ones over those further away.

    Parameters
    ----------
    bodies
        Their volumes have one shape.
    n_pixels
        Height and width of the picture.

    Returns
    -------
    picture
        ``(down, across, 3)`` from 0 to 1.
    voxels_per_pixel
        Edge of a pixel.
    """
    camera = aim(bodies, n_pixels)
    hits = [_first_hit(body, camera) for body in bodies]
    depth = np.stack([hit[0] for hit in hits])
    nearest = np.argsort(depth, axis=0)
    picture = np.ones((n_pixels, n_pixels, 3))
    for rank in range(len(bodies))[::-1]:  # the furthest first
        for n, body in enumerate(bodies):
            here = (nearest[rank] == n) & np.isfinite(depth[n])
            colour = hits[n][1][here][:, None] * np.array(to_rgb(body.colour))
            picture[here] = body.opacity * colour + (1 - body.opacity) * picture[here]
    return np.clip(picture, 0, 1), camera.voxels_per_pixel


def aim(bodies: Sequence[Body], n_pixels: int) -> Camera:
    """Return a camera that has all bodies in its picture, as large as can be."""
    n_zyx = np.array(bodies[0].volume.shape)
    corners = np.argwhere(np.any([body.volume > body.level for body in bodies], axis=0))
    low, high = corners.min(axis=0), corners.max(axis=0)
    box = np.array(list(product(*zip(low, high, strict=True))))
    right, up, away = view_axes()
    seen = (box - n_zyx / 2) @ np.stack([right, up, away]).T
    middle = n_zyx / 2 + (seen.max(axis=0) + seen.min(axis=0)) / 2 @ np.stack([right, up, away])
    reach = RIM / 2 * float(np.ptp(seen[:, :2], axis=0).max()) + 1
    at = np.linspace(-reach, reach, n_pixels)
    plane = (
        middle[:, None, None]
        - up[:, None, None] * at[None, :, None]
        + right[:, None, None] * at[None, None, :]
    )
    deep = float(np.ptp(seen[:, 2])) / 2 + 2
    return Camera(plane, away, np.arange(-deep, deep), 2 * reach / (n_pixels - 1))


def _first_hit(body: Body, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Return how deep each pixel's ray meets the body (else infinite), and how lit it is."""
    away = camera.away[:, None]
    depth = np.full(camera.plane.shape[1:], np.inf)
    before = np.zeros_like(depth)
    for t in camera.depths:
        now = np.zeros_like(depth)
        on = np.isinf(depth)  # rays that have not met it
        now[on] = ndimage.map_coordinates(body.volume, camera.plane[:, on] + away * t, order=1)
        met = on & (now > body.level)
        share = (body.level - before[met]) / (now[met] - before[met])
        depth[met] = t - 1 + np.clip(share, 0, 1)
        before = now
    seen = np.isfinite(depth)
    lit = np.zeros_like(depth)
    lit[seen] = _brightness(body.volume, camera.plane[:, seen] + away * depth[seen])
    return depth, lit


def _brightness(volume: Volume, points: np.ndarray) -> np.ndarray:
    """Return ambient light, and what of the lamp's a surface at each point throws back."""
    slopes = [
        ndimage.map_coordinates(slope, points, order=1, mode="nearest")
        for slope in np.gradient(volume)
    ]
    outward = -np.stack(slopes)
    outward /= np.maximum(np.linalg.norm(outward, axis=0), 1e-12)
    lamp = np.array(LIGHT) @ view_axes()
    towards = np.clip(lamp / np.linalg.norm(lamp) @ outward, 0, None)
    return AMBIENT + (1 - AMBIENT) * towards
