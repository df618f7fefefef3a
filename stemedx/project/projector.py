"""Volumes to maps and back: one sparse product, then a warp per tilt."""

from functools import partial
from math import prod
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from stemedx.arrays import Held, Rates, TiltAngles, Volumes
from stemedx.project.blocks import block_to_maps, volumes_to_block
from stemedx.project.geometry import Geometry
from stemedx.project.operators import LinearOperator, Projector, of_numpy
from stemedx.project.place import HOST, Place
from stemedx.project.products import scattering
from stemedx.project.system import system_matrix
from stemedx.project.warp import warp_matrix

TILTS_AT_ONCE = 20


def projector(geometry: Geometry, n_elements: int, place: Place = HOST) -> Projector:
    """Return the projector from volumes to maps in the measured frame.

    All planes and elements share one sparse matrix; its adjoint is its exact
    transpose, warps included.

    Parameters
    ----------
    geometry
        Tilts, sizes, and how each map is aligned.
    n_elements
        Volumes projected together.
    place
        Where to compute.

    Returns
    -------
    operator
        From ``(z, x, y, element)`` to ``(tilt, x, y, element)`` float32 blocks, in
        units of pixels: a volume of ones projects to path lengths in pixels.
    """
    aligned = _aligned(geometry, n_elements, place)
    matrices = [warp_matrix(geometry, tilt) for tilt in range(geometry.n_tilts)]
    warps = [None if matrix is None else place.matrix(matrix) for matrix in matrices]
    unwarps = [None if matrix is None else place.matrix(csr_array(matrix.T)) for matrix in matrices]
    warp = partial(_warp, matrices=warps, place=place)
    unwarp = partial(_warp, matrices=unwarps, place=place)

    def forward(volume: Held, out: Held | None = None) -> Held:
        projected = aligned.forward(volume, out)
        warp(projected)
        return projected

    def adjoint(maps: Held, out: Held | None = None) -> Held:
        if not geometry.is_aligned:
            maps = place.copy(maps)
            unwarp(maps)
        return aligned.adjoint(maps, out)

    shapes = aligned.domain_shape, aligned.range_shape
    return of_numpy(Projector(forward, adjoint, *shapes, aligned, warp, unwarp, place=place))


def _aligned(geometry: Geometry, n_elements: int, place: Place) -> LinearOperator:
    """Return the projector from volumes to aligned maps, of arrays of the place."""
    n_tilts, n_y, n_x = geometry.n_tilts, geometry.n_y, geometry.n_x
    matrix = system_matrix(geometry.tilt_deg, n_x, n_x)
    forward_matrix = place.scattering(matrix)
    adjoint_matrix = place.gathering(csr_array(matrix.T))
    domain_shape = (n_x, n_x, n_y, n_elements)
    range_shape = (n_tilts, n_x, n_y, n_elements)

    def rows(out: Held | None, n_rows: int) -> Held | None:
        # Not a copy, or the product would be lost.
        return None if out is None else place.view(out, (n_rows, -1))

    def forward(volume: Held, out: Held | None = None) -> Held:
        columns = volume.reshape(n_x * n_x, -1)
        return forward_matrix.times(columns, rows(out, n_tilts * n_x)).reshape(range_shape)

    def adjoint(maps: Held, out: Held | None = None) -> Held:
        columns = maps.reshape(n_tilts * n_x, -1)
        return adjoint_matrix.times(columns, rows(out, n_x * n_x)).reshape(domain_shape)

    return LinearOperator(forward, adjoint, domain_shape, range_shape, place=place)


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


def _warp(maps: Held, matrices: list[Any], place: Place) -> None:
    """Replace each map of a ``(tilt, x, y, element)`` block by its matrix times it."""
    moved = [tilt for tilt, matrix in enumerate(matrices) if matrix is not None]
    place.each(lambda tilt: _warp_map(maps[tilt], matrices[tilt]), moved, prod(maps.shape))


def _warp_map(image: Held, matrix: Any) -> None:
    image[:] = (matrix @ image.reshape(matrix.shape[1], -1)).reshape(image.shape)
