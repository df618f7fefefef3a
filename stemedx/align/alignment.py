"""How each map of a tilt series is moved, and which moves are equivalent."""

from dataclasses import dataclass

import numpy as np

from stemedx.arrays import PerTilt, Series, Shifts, TiltAngles


@dataclass(frozen=True)
class Alignment:
    """Rotation and shift that align each map, and how far to trust them."""

    rotation_deg: PerTilt  # counter-clockwise as displayed, about the centre
    shift_px: Shifts  # then rows down and columns right
    residual: PerTilt  # of re-projection, relative to the map
    error_px: Shifts  # standard error of the shifts
    weight: Series  # of each measured pixel in a misfit, 0 to 1
    warnings: tuple[str, ...] = ()
    # Infinite where the maps do not tell the angle; nan where it was given, or by row sums.
    axis_error_deg: float = float("nan")


def least_shifts(shift_px: Shifts, tilt_deg: TiltAngles) -> Shifts:
    """Return the equivalent shifts with the least sum of squares.

    Moving the specimen by ``(z, y, x)`` adds ``x cos(tilt) + z sin(tilt)`` to all
    shifts across the tilt axis and ``y`` to those along it, and changes no volume
    otherwise: no measurement can tell.

    Parameters
    ----------
    shift_px
        ``(tilt, axis)`` rows down and columns right.
    tilt_deg
        ``(tilt,)`` degrees.
    """
    angle = np.deg2rad(tilt_deg)
    moves = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    move, *_ = np.linalg.lstsq(moves, shift_px[:, 1], rcond=None)
    along = shift_px[:, 0] - shift_px[:, 0].mean()
    return np.stack([along, shift_px[:, 1] - moves @ move], axis=1)
