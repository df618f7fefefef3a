"""Edges of one volume, where others may have theirs at little cost."""

from dataclasses import dataclass

import numpy as np

from stemedx.arrays import Block
from stemedx.project.cropped import Crop

REST = 0.05  # of a step across the clearest edge is still paid for
# A step of so much of solid matter from voxel to voxel is as well none as an edge: total
# variation has taken smaller ones, and the noise with them, out of the volume.
FAINT = 0.01


@dataclass(frozen=True, eq=False)
class Edges:
    """A volume that shows them.

    Attributes
    ----------
    volume
        ``(z, x, y)`` of the whole field, in units of its solid matter.
    """

    volume: Block

    def binned(self, n: int) -> "Edges":
        """Return the same on voxels ``n`` times as wide, cut like maps that are binned."""
        volume = self.volume
        for axis, size in enumerate(volume.shape):
            low = size % n // 2
            kept = np.moveaxis(volume, axis, 0)[low : low + size // n * n]
            means = kept.reshape(size // n, n, *kept.shape[1:]).mean(axis=1)
            volume = np.moveaxis(means, 0, axis)
        return Edges(np.ascontiguousarray(volume))

    def vectors(self, crop: Crop) -> Block:
        """Return ``(axis, z, x, y)`` unit vectors across edges, shorter where there is none.

        What a step has along one is taken off it, times the square of the vector's length:
        across a clear edge, all but `REST` of it.

        References
        ----------
        Ehrhardt & Betcke (2016), SIAM J. Imaging Sci. 9, 1084-1106 (directional total
        variation).
        """
        steps = steps_of(self.volume[crop.z, crop.x, crop.y])
        length = np.sqrt((steps**2).sum(axis=0) + FAINT**2)
        return steps * (np.sqrt(1 - REST) / length).astype(np.float32)


def steps_of(volume: Block) -> Block:
    """Return ``(axis, z, x, y)`` differences to the next voxels; 0 at the end."""
    steps = np.zeros((3, *volume.shape), np.float32)
    steps[0, :-1] = np.diff(volume, axis=0)
    steps[1, :, :-1] = np.diff(volume, axis=1)
    steps[2, :, :, :-1] = np.diff(volume, axis=2)
    return steps
