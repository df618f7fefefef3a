"""The projector of a part of the field: what lies outside is empty."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from stemedx.arrays import Block
from stemedx.project.geometry import Geometry
from stemedx.project.operators import LinearOperator
from stemedx.project.parallel import for_each
from stemedx.project.products import gathering, scattering
from stemedx.project.system import system_matrix
from stemedx.project.warp import warp_matrix


@dataclass(frozen=True)
class Crop:
    """A box of voxels within the volume that a geometry has."""

    z: slice
    x: slice
    y: slice

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, x and y: the order of a block."""
        sizes = (axis.stop - axis.start for axis in (self.z, self.x, self.y))
        n_z, n_x, n_y = sizes
        return n_z, n_x, n_y


def whole(geometry: Geometry) -> Crop:
    """Return the box of all voxels."""
    wide = slice(0, geometry.n_x)
    return Crop(wide, wide, slice(0, geometry.n_y))


def pad(block: Block, crop: Crop, geometry: Geometry) -> Block:
    """Return a cropped ``(z, x, y, element)`` block in its place, 0 around it."""
    n_x, n_y = geometry.n_x, geometry.n_y
    padded = np.zeros((n_x, n_x, n_y, block.shape[-1]), np.float32)
    padded[crop.z, crop.x, crop.y] = block
    return padded


def cropped_projector(geometry: Geometry, n_elements: int, crop: Crop) -> LinearOperator:
    """Return the projector from a box of voxels to whole maps in the measured frame.

    The same as `projector` of a volume that is 0 outside the box, at the cost of the
    box alone; the adjoint is the exact transpose.

    Parameters
    ----------
    geometry
        Tilts, sizes, and how each map is aligned.
    n_elements
        Volumes projected together.
    crop
        Voxels that may differ from 0.

    Returns
    -------
    operator
        From ``(z, x, y, element)`` of the box to ``(tilt, x, y, element)``.
    """
    n_tilts, n_y, n_x = geometry.n_tilts, geometry.n_y, geometry.n_x
    n_z, n_w, n_h = crop.shape
    inside = np.arange(n_x * n_x).reshape(n_x, n_x)[crop.z, crop.x].ravel()
    matrix = csr_array(system_matrix(geometry.tilt_deg, n_x, n_x)[:, inside])
    forward_matrix, adjoint_matrix = scattering(matrix), gathering(csr_array(matrix.T))
    rows = np.arange(n_x * n_y).reshape(n_x, n_y)[:, crop.y].ravel()
    warps = [_of_rows(warp_matrix(geometry, tilt), rows) for tilt in range(n_tilts)]
    unwarps = [None if warp is None else csr_array(warp.T) for warp in warps]
    narrow = (n_tilts, n_x, n_h, n_elements)
    range_shape, domain_shape = (n_tilts, n_x, n_y, n_elements), (n_z, n_w, n_h, n_elements)
    projected = np.empty(narrow, np.float32)

    def forward(volume: Block, out: Block | None = None) -> Block:
        forward_matrix.times(volume.reshape(n_z * n_w, -1), projected.reshape(n_tilts * n_x, -1))
        maps = np.zeros(range_shape, np.float32) if out is None else out
        for_each(
            lambda tilt: _warp(projected[tilt], warps[tilt], crop.y, maps[tilt]),
            range(n_tilts),
            maps.size,
        )
        return maps

    def adjoint(maps: Block, out: Block | None = None) -> Block:
        gathered = np.empty(narrow, np.float32)
        for_each(
            lambda tilt: _unwarp(maps[tilt], unwarps[tilt], crop.y, gathered[tilt]),
            range(n_tilts),
            maps.size,
        )
        rows = None if out is None else out.reshape(n_z * n_w, -1, copy=False)
        return adjoint_matrix.times(gathered.reshape(n_tilts * n_x, -1), rows).reshape(domain_shape)

    return LinearOperator(forward, adjoint, domain_shape, range_shape)


def _warp(projected: Block, matrix: csr_array | None, rows: slice, image: Block) -> None:
    """Put what the box projects to into the measured map."""
    if matrix is None:
        image[:] = 0
        image[:, rows] = projected
    else:
        flat = projected.reshape(matrix.shape[1], -1)
        image[:] = (matrix @ flat).reshape(image.shape)


def _unwarp(image: Block, matrix: csr_array | None, rows: slice, gathered: Block) -> None:
    """Do the transpose."""
    if matrix is None:
        gathered[:] = image[:, rows]
    else:
        flat = image.reshape(matrix.shape[1], -1)
        gathered[:] = (matrix @ flat).reshape(gathered.shape)


def _of_rows(warp: csr_array | None, rows: np.ndarray) -> csr_array | None:
    """Return a warp that reads only some rows of the aligned map."""
    return None if warp is None else csr_array(warp[:, rows])
