"""Backprojection that is smooth from voxel to voxel, as filtered backprojection wants.

Not the adjoint of the projector: there each ray spreads over the voxels it meets,
which leaves a pattern where voxels lie between rays.
"""

import numpy as np
from scipy.sparse import csr_array

from stemedx.arrays import Block, TiltAngles
from stemedx.project.products import gathering


def backproject(maps: Block, tilt_deg: TiltAngles, volume: Block) -> None:
    """Add to each voxel what it sees of the maps, summed over tilts.

    A voxel at ``(z, x)`` from the centre takes, at each tilt, the map's value at
    ``x cos(tilt) + z sin(tilt)``, interpolated linearly; zero outside the scan.

    Parameters
    ----------
    maps
        ``(tilt, x, y, element)`` block, aligned.
    tilt_deg
        ``(tilt,)`` degrees.
    volume
        ``(z, x, y, element)`` block, changed in place.
    """
    n_tilts, n_x = maps.shape[:2]
    n_z = len(volume)
    voxels = volume.reshape(n_z * n_x, -1, copy=False)
    gathering(_matrix(tilt_deg, n_z, n_x)).add_times(maps.reshape(n_tilts * n_x, -1), voxels)


def _matrix(tilt_deg: TiltAngles, n_z: int, n_x: int) -> csr_array:
    """Return rows ``(z, x)``, columns ``(tilt, x)``: two weights per voxel and tilt."""
    tilt = np.deg2rad(tilt_deg)
    z, x = (axis.reshape(-1, 1) for axis in np.mgrid[:n_z, :n_x].astype(np.float64))
    z, x = z - (n_z - 1) / 2, x - (n_x - 1) / 2
    seen_at = x * np.cos(tilt) + z * np.sin(tilt) + (n_x - 1) / 2
    left = np.floor(seen_at).astype(np.int32)
    pixels = np.stack([left, left + 1], axis=-1)
    weights = 1 - np.abs(seen_at[..., None] - pixels)
    weights[(pixels < 0) | (pixels >= n_x)] = 0.0
    columns = np.clip(pixels, 0, n_x - 1) + n_x * np.arange(len(tilt), dtype=np.int32)[:, None]
    ends = np.arange(n_z * n_x + 1, dtype=np.int32) * (2 * len(tilt))
    entries = weights.ravel().astype(np.float32), columns.ravel(), ends
    return csr_array(entries, shape=(n_z * n_x, len(tilt) * n_x))
