"""How each map is moved."""

from dataclasses import dataclass

from stemedx.align.tilt_errors import TiltErrors
from stemedx.arrays import PerTilt, Series, Shifts


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
    tilt_errors: TiltErrors | None = None  # where they were looked for
