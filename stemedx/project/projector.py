"""Volumes to maps and back: one sparse product, then a warp per tilt."""

from functools import partial

import numpy as np
from scipy.sparse import csr_array

from stemedx.arrays import Block, Rates, TiltAngles, Volumes
from stemedx.project.blocks import block_to_maps, volumes_to_block
from stemedx.project.geometry import Geometry
from stemedx.project.operators import LinearOperator, Projector
from stemedx.project.parallel import for_each
from stemedx.project.products import gathering, scattering
from stemedx.project.system import system_matrix
from stemedx.project.warp import warp_matrix

TILTS_AT_ONCE = 20


def projector(geometry: Geometry, n_elements: int) -> Projector:
    """Return the projector from volumes to maps in the measured frame.

    All planes and elements share one sparse matrix; its adjoint is its exact
    transpose, warps included.

    Parameters
    ----------
    geometry
        Tilts, sizes, and how each map is aligned.
    n_elements
        Volumes projected together.

    Returns
    -------
    operator
        From ``(z, x, y, element)`` to ``(tilt, x, y, element)`` float32 blocks, in
        units of pixels: a volume of ones projects to path lengths in pixels.
    """
    aligned = _aligned(geometry, n_elements)
    warps = [warp_matrix(geometry, tilt) for tilt in range(geometry.n_tilts)]
    unwarps = [None if matrix is None else csr_array(matrix.T) for matrix in warps]
    warp, unwarp = partial(_warp, matrices=warps), partial(_warp, matrices=unwarps)

    def forward(volume: Block, out: Block | None = None) -> Block:
        projected = aligned.forward(volume, out)
        warp(projected)
        return projected

    def adjoint(maps: Block, out: Block | None = None) -> Block:
        if not geometry.is_aligned:
            maps = maps.copy()
            unwarp(maps)
        return aligned.adjoint(maps, out)

    shapes = aligned.domain_shape, aligned.range_shape
    return Projector(forward, adjoint, *shapes, aligned, warp, unwarp)


def _aligned(geometry: Geometry, n_elements: int) -> LinearOperator:
    """Return the projector from volumes to aligned maps."""
    n_tilts, n_y, n_x = geometry.n_tilts, geometry.n_y, geometry.n_x
    matrix = system_matrix(geometry.tilt_deg, n_x, n_x)
    forward_matrix, adjoint_matrix = scattering(matrix), gathering(csr_array(matrix.T))
    domain_shape = (n_x, n_x, n_y, n_elements)
    range_shape = (n_tilts, n_x, n_y, n_elements)

    def forward(volume: Block, out: Block | None = None) -> Block:
        columns = volume.reshape(n_x * n_x, -1)
        return forward_matrix.times(columns, _rows(out, n_tilts * n_x)).reshape(range_shape)

    def adjoint(maps: Block, out: Block | None = None) -> Block:
        columns = maps.reshape(n_tilts * n_x, -1)
        return adjoint_matrix.times(columns, _rows(out, n_x * n_x)).reshape(domain_shape)

    return LinearOperator(forward, adjoint, domain_shape, range_shape)


def project(volumes: Volumes, tilt_deg: TiltAngles) -> Rates:
    """Return the aligned maps of volumes, a few tilts at a time.

    Parameters
    ----------
    volumes
        ``(element, z, y, x)`` per voxel.
    tilt_deg
        ``(tilt,)`` degrees, any number of them.

    Returns
    -------
    maps
        ``(element, tilt, y, x)`` sums along the beam, in the units of the volumes
        times pixels of path.
    """
    n_elements, n_z, n_y, n_x = volumes.shape
    block = volumes_to_block(volumes).reshape(n_z * n_x, -1)
    maps = np.empty((n_elements, len(tilt_deg), n_y, n_x), np.float32)
    for first in range(0, len(tilt_deg), TILTS_AT_ONCE):
        tilts = slice(first, first + TILTS_AT_ONCE)
        matrix = system_matrix(tilt_deg[tilts], n_z, n_x)
        projected = scattering(matrix).times(block)
        maps[:, tilts] = block_to_maps(projected.reshape(-1, n_x, n_y, n_elements))
    return maps


def _rows(out: Block | None, n_rows: int) -> Block | None:
    # Not a copy, or the product would be lost.
    return None if out is None else out.reshape(n_rows, -1, copy=False)


def _warp(maps: Block, matrices: list[csr_array | None]) -> None:
    """Replace each map of a ``(tilt, x, y, element)`` block by its matrix times it."""
    moved = [tilt for tilt, matrix in enumerate(matrices) if matrix is not None]
    for_each(lambda tilt: _warp_map(maps[tilt], matrices[tilt]), moved, maps.size)


def _warp_map(image: Block, matrix: csr_array) -> None:
    image[:] = (matrix @ image.reshape(matrix.shape[1], -1)).reshape(image.shape)
