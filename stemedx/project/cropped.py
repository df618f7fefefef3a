"""The projector of a part of the field: what lies outside is empty."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from stemedx.arrays import Block, Held
from stemedx.project.geometry import Geometry
from stemedx.project.operators import LinearOperator, of_numpy
from stemedx.project.place import HOST, Place
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


def cropped_projector(
    geometry: Geometry, n_elements: int, crop: Crop, place: Place = HOST
) -> LinearOperator:
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
    place
        Where to compute.

    Returns
    -------
    operator
        From ``(z, x, y, element)`` of the box to ``(tilt, x, y, element)``.
    """
    n_tilts, n_y, n_x = geometry.n_tilts, geometry.n_y, geometry.n_x
    n_z, n_w, n_h = crop.shape
    inside = np.arange(n_x * n_x).reshape(n_x, n_x)[crop.z, crop.x].ravel()
    matrix = csr_array(system_matrix(geometry.tilt_deg, n_x, n_x)[:, inside])
    forward_matrix = place.scattering(matrix)
    adjoint_matrix = place.gathering(csr_array(matrix.T))
    warps, unwarps = _warps(geometry, crop.y, place)
    narrow = (n_tilts, n_x, n_h, n_elements)
    range_shape, domain_shape = (n_tilts, n_x, n_y, n_elements), (n_z, n_w, n_h, n_elements)
    projected, n_values = place.empty(narrow), prod(range_shape)

    def forward(volume: Held, out: Held | None = None) -> Held:
        forward_matrix.times(volume.reshape(n_z * n_w, -1), projected.reshape(n_tilts * n_x, -1))
        maps = place.full(range_shape, 0.0) if out is None else out
        place.each(
            lambda tilt: _warp(projected[tilt], warps[tilt], crop.y, maps[tilt]),
            range(n_tilts),
            n_values,
        )
        return maps

    def adjoint(maps: Held, out: Held | None = None) -> Held:
        gathered = place.empty(narrow)
        place.each(
            lambda tilt: _unwarp(maps[tilt], unwarps[tilt], crop.y, gathered[tilt]),
            range(n_tilts),
            n_values,
        )
        rows = None if out is None else place.view(out, (n_z * n_w, -1))
        return adjoint_matrix.times(gathered.reshape(n_tilts * n_x, -1), rows).reshape(domain_shape)

    return of_numpy(LinearOperator(forward, adjoint, domain_shape, range_shape, place=place))


def _warps(geometry: Geometry, of_y: slice, place: Place) -> tuple[list[Any], list[Any]]:
    """Return for each tilt the warp that reads only some rows, and its transpose, if any."""
    n_x, n_y = geometry.n_x, geometry.n_y
    rows = np.arange(n_x * n_y).reshape(n_x, n_y)[:, of_y].ravel()
    found = [warp_matrix(geometry, tilt) for tilt in range(geometry.n_tilts)]
    warps = [None if warp is None else csr_array(warp[:, rows]) for warp in found]
    return (
        [None if warp is None else place.matrix(warp) for warp in warps],
        [None if warp is None else place.matrix(csr_array(warp.T)) for warp in warps],
    )


def _warp(projected: Held, matrix: Any, rows: slice, image: Held) -> None:
    """Put what the box projects to into the measured map."""
    if matrix is None:
        image[:] = 0
        image[:, rows] = projected
    else:
        flat = projected.reshape(matrix.shape[1], -1)
        image[:] = (matrix @ flat).reshape(image.shape)


def _unwarp(image: Held, matrix: Any, rows: slice, gathered: Held) -> None:
    """Do the transpose."""
    if matrix is None:
        gathered[:] = image[:, rows]
    else:
        flat = image.reshape(matrix.shape[1], -1)
        gathered[:] = (matrix @ flat).reshape(gathered.shape)
