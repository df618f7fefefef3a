"""The least standard error of the angle of a tilt axis: the bound of Cramer and Rao."""

from dataclasses import dataclass, replace

import numpy as np
from ellipsoids import TILTS, project
from scipy import ndimage
from scipy.spatial.transform import Rotation

from stemedx.project.geometry import rotation_matrix

BLUR_PX = 0.5  # pixels as they are, not points: the slope of a point at an edge has no bound
STEP_PX, STEP_DEG, STEP_RAD = 0.5, 2.0, 0.05
N_NUMBERS = 9  # of an ellipsoid: centre, semi-axes, how it is turned


@dataclass(frozen=True)
class Scene:
    """Ellipsoids, how they lie, and how the series was taken."""

    ellipsoids: tuple
    turn: np.ndarray
    shift_px: np.ndarray
    rotation_deg: float
    shape: tuple[int, int]

    def maps(self, numbers: np.ndarray, turned_deg: float, moved_px: np.ndarray) -> np.ndarray:
        """Return ``(element, tilt, y, x)`` maps of ellipsoids so changed.

        They are turned about where the specimen is seen, so that shifts matter little.
        """
        found = 0.0
        for change, one in zip(numbers.reshape(-1, N_NUMBERS), self.ellipsoids, strict=True):
            own = Rotation.from_rotvec(change[6:]).as_matrix()
            centre = own.T @ (np.array(one.centre) + change[:3])
            axes = np.array(one.axes) + change[3:6]
            changed = replace(one, centre=tuple(centre), axes=tuple(axes))
            at = self._shift(turned_deg) + moved_px
            angle = self.rotation_deg + turned_deg
            found = found + project((changed,), TILTS, at, angle, self.shape, self.turn @ own)
        return ndimage.gaussian_filter(found, (0, 0, BLUR_PX, BLUR_PX))

    def _shift(self, turned_deg: float) -> np.ndarray:
        before, after = (
            rotation_matrix(self.rotation_deg),
            rotation_matrix(self.rotation_deg + turned_deg),
        )
        maps = project(
            self.ellipsoids, TILTS, self.shift_px, self.rotation_deg, self.shape, self.turn
        )
        maps = np.abs(maps).sum(axis=0)
        axes = np.indices(self.shape) - (np.array(self.shape)[:, None, None] - 1) / 2
        place = np.tensordot(maps, axes, ([1, 2], [1, 2])) / maps.sum(axis=(1, 2))[:, None]
        return self.shift_px + place @ before.T - place @ after.T

    def slopes(self) -> tuple[list, list, list]:
        """Return how maps change with the angle (per degree), shifts, and ellipsoids."""
        still, level = np.zeros(N_NUMBERS * len(self.ellipsoids)), 0 * self.shift_px
        ends = [self.maps(still, turned, level) for turned in (STEP_DEG, -STEP_DEG)]
        turning = [(ends[0] - ends[1]) / (2 * STEP_DEG)]
        moving = []
        for at in np.ndindex(level.shape):
            step = level.copy()
            step[at] = STEP_PX
            moving.append(self.maps(still, 0.0, step) - self.maps(still, 0.0, -step))
        shaping = []
        for at in range(still.size):
            step = still.copy()
            step[at] = STEP_PX if at % N_NUMBERS < 6 else STEP_RAD
            shaping.append(self.maps(step, 0.0, level) - self.maps(-step, 0.0, level))
        for one in self.ellipsoids:
            alone = replace(self, ellipsoids=(one,)).maps(np.zeros(N_NUMBERS), 0.0, level)
            for element in np.flatnonzero(one.density):
                denser = np.zeros_like(alone)
                denser[element] = alone[element]
                shaping.append(denser)
        return turning, moving, shaping


def least_error(slopes: list, weigh) -> float:
    """Return the bound for the first of the slopes while all others are unknown.

    `weigh` returns what is seen of a slope, in standard deviations of the noise.
    """
    columns = np.stack([weigh(slope) for slope in slopes], axis=1)
    size = np.linalg.norm(columns, axis=0)
    seen = size > 0
    columns = columns[:, seen] / size[seen]
    covariance = np.linalg.pinv(columns.T @ columns, 1e-10)
    return float(np.sqrt(covariance[0, 0]) / size[0])
