"""Displacements of tilts that the alignment left, as the HAADF tells them.

A volume of few phases does not follow a tilt that stands a pixel off: its projection shows
where the specimen is to be seen in that tilt.
"""

import logging
from dataclasses import dataclass

import numpy as np

from stemedx.arrays import Image, Shifts
from stemedx.project.geometry import least_shifts
from stemedx.reconstruct.mixture import expected_images
from stemedx.reconstruct.shares import Level, Settled

log = logging.getLogger(__name__)
BLOCK_PX = 4  # what is left of a HAADF is correlated over so many pixels
FARTHEST_PX = 3.0  # slopes tell no more; an image that asks for it is not of this specimen
NOTHING = np.zeros(2), np.full(2, np.inf)  # is told
STANDS_OUT = 3.0  # standard errors, rms: well aligned tilts stay as they are


@dataclass(frozen=True, eq=False)
class Asked:
    """By how much tilts are to be moved further.

    Attributes
    ----------
    shift_px
        ``(tilt, axis)`` beyond those of the geometry.
    error_px
        Their standard errors; infinite where a tilt does not tell.
    """

    shift_px: Shifts
    error_px: Shifts

    @property
    def stands_out(self) -> bool:
        """Whether they are more than chance."""
        return float(np.sqrt(np.mean((self.shift_px / self.error_px) ** 2))) > STANDS_OUT


def asked_shifts(level: Level, found: Settled) -> Asked:
    """Return the shifts by which each HAADF image fits the projection of the shares.

    By least squares to first order, a vacuum level aside. What moving the volume would do
    as well is taken out.

    Parameters
    ----------
    level, found
        Images, and the solution for all tilts together.
    """
    geometry = level.measured.geometry
    expected = expected_images(found.mixture, level.operator.forward(found.state.volume))
    rest = (level.images - expected).transpose(0, 2, 1)
    expected, weight = expected.transpose(0, 2, 1), level.measured.weight
    told = [
        _asked(rest[tilt], expected[tilt], weight[tilt], geometry.motion(tilt)[0])
        for tilt in range(geometry.n_tilts)
    ]
    shift, error = (np.array(part, np.float64) for part in zip(*told, strict=True))
    return Asked(least_shifts(shift, geometry.tilt_deg), error)


def _asked(
    rest: Image, expected: Image, weight: Image, rotation: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the shift (y, x) of one image, and its standard error."""
    # slopes are those of the measured frame; shifts come after the rotation
    slopes = np.tensordot(rotation, np.gradient(expected.astype(np.float64)), axes=1)
    parts = np.stack([*slopes, np.ones(expected.shape)])
    pulls = parts * weight * rest
    normal = np.einsum("iyx,jyx->ij", parts, parts * weight)
    if np.linalg.matrix_rank(normal, hermitian=True) < len(normal):
        return NOTHING
    inverse = np.linalg.inv(normal)
    moves = inverse @ pulls.sum(axis=(1, 2))
    if np.abs(moves[:2]).max() > FARTHEST_PX:
        return NOTHING
    left = parts * weight * (rest - np.tensordot(moves, parts, axes=1))
    sums = np.einsum("ij,jyx->iyx", inverse, _blocks(left))
    return moves[:2], np.sqrt((sums[:2] ** 2).sum(axis=(1, 2)))


def _blocks(images: np.ndarray) -> np.ndarray:
    """Return the sums over square blocks, the last ones cut."""
    starts = [np.arange(0, n, BLOCK_PX) for n in images.shape[1:]]
    return np.add.reduceat(np.add.reduceat(images, starts[0], axis=1), starts[1], axis=2)


def told(moved_px: Shifts) -> list[str]:
    """Return what to say of tilts that were moved; nothing if none was."""
    if not moved_px.any():
        return []
    rms_px, largest_px = np.sqrt(np.mean(moved_px**2)), np.abs(moved_px).max()
    return [
        f"the alignment left tilts displaced by {rms_px:.2f} px rms (up to {largest_px:.2f} px "
        "along an axis), as HAADF shows: they were moved for this volume"
    ]
