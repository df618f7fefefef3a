"""The part of each map that holds the specimen, and maps sampled there."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from stemedx.arrays import Rate, Shifts, Spread
from stemedx.project.geometry import rotation_matrix

MARGIN = 1.15  # of the specimen
FINEST_PX = 0.25


@dataclass(frozen=True)
class Window:
    """A grid in the aligned frame, centred on the specimen."""

    pixel_px: float  # its pixel, in pixels of the maps
    n_y: int
    n_x: int

    @property
    def points(self) -> Spread:
        """Where its pixels lie, ``(axis, y, x)`` pixels of the maps from its centre."""
        points = np.indices((self.n_y, self.n_x)).astype(np.float64)
        centre = (np.array([self.n_y, self.n_x]) - 1) / 2
        return (points - centre[:, None, None]) * self.pixel_px


def window_of(aligned: Rate, n_x: int, radius: float, border_px: float) -> Window:
    """Return the window that holds what aligned images show.

    Parameters
    ----------
    aligned
        ``(tilt, y, x)`` without background.
    n_x
        Columns of the window.
    radius
        Of the specimen about the tilt axis, as a share of the width of the window.
    border_px
        Rows beyond the specimen, pixels of the window.
    """
    bright = np.percentile(aligned, 99, axis=(1, 2))[:, None, None]
    body = np.where(aligned > 0.2 * bright, aligned, 0).astype(np.float64)
    x = np.abs(np.arange(aligned.shape[2]) - (aligned.shape[2] - 1) / 2)
    y = np.abs(np.arange(aligned.shape[1]) - (aligned.shape[1] - 1) / 2)
    reach_x = max(_reach(columns, x) for columns in body.sum(axis=1))
    reach_y = max(_reach(rows, y) for rows in body.sum(axis=2))
    pixel = max(MARGIN * reach_x / (radius * n_x), FINEST_PX)
    return Window(pixel, 2 * int(np.ceil(MARGIN * reach_y / pixel + border_px)), n_x)


def _reach(profile: Spread, distance: Spread) -> float:
    """Return the distance within which nearly all of a profile lies."""
    order = np.argsort(distance)
    share = np.cumsum(profile[order]) / max(profile.sum(), 1e-12)
    return float(distance[order][min(int(np.searchsorted(share, 0.995)), len(order) - 1)])


def sampled(coefficients: Spread, window: Window, rotation_deg: float, place_px: Shifts) -> Spread:
    """Return maps at the points of a window.

    Parameters
    ----------
    coefficients
        ``(..., tilt, y, x)`` of splines through the maps.
    window
        Turned back by the rotation that aligns maps.
    rotation_deg
        Counter-clockwise as displayed.
    place_px
        ``(tilt, axis)`` of its centre, from the centre of each map.
    """
    turned = np.tensordot(rotation_matrix(rotation_deg).T, window.points, 1)
    centre = (np.array(coefficients.shape[-2:]) - 1) / 2
    found = np.empty((*coefficients.shape[:-2], window.n_y, window.n_x))
    for at in np.ndindex(coefficients.shape[:-2]):
        points = turned + (place_px[at[-1]] + centre)[:, None, None]
        found[at] = ndimage.map_coordinates(coefficients[at], points, prefilter=False)
    return found


def spline_of(maps: Spread) -> Spread:
    """Return the coefficients of splines through ``(..., y, x)`` maps."""
    found = np.empty(maps.shape)
    for at in np.ndindex(maps.shape[:-2]):
        found[at] = ndimage.spline_filter(maps[at])
    return found
