"""Where each projection of a tilt series was taken from."""

from dataclasses import dataclass, replace

import numpy as np

from stemedx.arrays import Shifts, TiltAngles


@dataclass(frozen=True, eq=False)
class Geometry:
    """The size and place of every map of a tilt series.

    The volume has as many planes along the beam as the maps have columns. A map is
    *aligned* by rotating it by `rotation_deg` counter-clockwise as displayed (row 0
    on top) about its centre, then moving it by `shift_px`.

    Parameters
    ----------
    tilt_deg
        ``(tilt,)`` stage tilts, degrees.
    n_y, n_x
        Rows and columns of a map, pixels.
    rotation_deg
        ``(tilt,)`` degrees; None where no map is rotated.
    shift_px
        ``(tilt, axis)`` rows down and columns right, pixels; None where no map is
        shifted.

    Raises
    ------
    ValueError
        If there is no tilt, or there is not one rotation or shift per tilt.
    """

    # The lengths of the others are checked below, by a message that a user can read.
    tilt_deg: TiltAngles
    n_y: int
    n_x: int
    rotation_deg: np.ndarray | None = None
    shift_px: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Refuse numbers of tilts that differ."""
        if self.n_tilts == 0:
            raise ValueError("expected at least one tilt, found none. Check `tilt_deg`.")
        for name in ("rotation_deg", "shift_px"):
            values = getattr(self, name)
            if values is not None and len(values) != self.n_tilts:
                raise ValueError(
                    f"expected one entry of {name} per tilt ({self.n_tilts}), found "
                    f"{len(values)}. Align the tilt series again."
                )

    @property
    def n_tilts(self) -> int:
        """Number of projections."""
        return len(self.tilt_deg)

    @property
    def is_aligned(self) -> bool:
        """Whether every map is aligned as it was measured."""
        return not any(self.is_moved(tilt) for tilt in range(self.n_tilts))

    def is_moved(self, tilt: int) -> bool:
        """Whether aligning a map rotates or shifts it."""
        rotation, shift = self.motion(tilt)
        return bool(shift.any()) or not np.array_equal(rotation, np.eye(2))

    def motion(self, tilt: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the rotation (2, 2) and shift (2,) that align a map, in (y, x).

        A point ``p`` from the centre of the measured map lies at ``R p + s`` from
        the centre of the aligned one.
        """
        angle_deg = 0.0 if self.rotation_deg is None else float(self.rotation_deg[tilt])
        shift = np.zeros(2) if self.shift_px is None else self.shift_px[tilt]
        return rotation_matrix(angle_deg), shift

    def moved(self, shift_px: Shifts) -> "Geometry":
        """Return the same with each map moved further, by ``(tilt, axis)`` pixels."""
        if not shift_px.any():
            return self
        before = 0 if self.shift_px is None else self.shift_px
        return replace(self, shift_px=before + shift_px)


def rotation_matrix(angle_deg: float) -> np.ndarray:
    """Return the rotation (2, 2) counter-clockwise as displayed, in (y, x)."""
    angle = np.deg2rad(angle_deg)
    # Rows point down: counter-clockwise as displayed takes +x to -y.
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


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
