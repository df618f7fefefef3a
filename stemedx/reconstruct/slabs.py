"""Slabs of slices that are solved apart, so that memory does not grow with the volume."""

from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from stemedx.arrays import Block, Rates, Volumes
from stemedx.project.blocks import block_to_volumes, maps_to_block
from stemedx.project.geometry import Geometry
from stemedx.project.operators import Projector
from stemedx.project.parallel import MAX_THREADS
from stemedx.project.place import HOST, Place
from stemedx.project.projector import projector

# All that a thread works with is a few arrays of so many voxels (24 MB). The sparse product is
# fastest with 50 to 200 columns: 32 rows of 3 elements, 256 x 256, are 96.
SLAB_VOXELS = 6_300_000


def solve_by_slabs(
    solve: Callable[[Projector, Block], Block],
    maps: Rates,
    geometry: Geometry,
    place: Place = HOST,
) -> Volumes:
    """Return volumes that `solve` makes of maps, from slabs where slices are independent.

    They are where no map is rotated or shifted. One thread then solves one slab, and
    besides `maps` and the result there is no array larger than a slab. Otherwise the
    whole is one slab.

    Parameters
    ----------
    solve
        Makes a ``(z, x, y, element)`` block of a projector and a ``(tilt, x, y,
        element)`` block. It treats slices alike, and apart unless they are warped.
    maps
        ``(element, tilt, y, x)`` rates in the measured frame.
    geometry
        Tilts, and how each map is aligned.
    place
        Where to solve.

    Returns
    -------
    volumes
        ``(element, z, y, x)`` per voxel.
    """
    # Threads share the slabs, or the planes of the only one: linear algebra has one for itself.
    with threadpool_limits(1):
        if geometry.is_aligned:
            return _by_slabs(solve, maps, geometry, place)
        return block_to_volumes(solve(projector(geometry, len(maps), place), maps_to_block(maps)))


def _by_slabs(
    solve: Callable[[Projector, Block], Block], maps: Rates, geometry: Geometry, place: Place
) -> Volumes:
    n_elements, _, n_y, n_x = maps.shape
    volumes = np.empty((n_elements, n_x, n_y, n_x), np.float32)
    slabs = _slabs(n_y, max(1, SLAB_VOXELS // (n_elements * n_x**2)))
    heights = {slab.stop - slab.start for slab in slabs}
    tilt_deg = geometry.tilt_deg
    projectors = {n: projector(Geometry(tilt_deg, n, n_x), n_elements, place) for n in heights}

    def fill(slab: slice) -> None:
        operator = projectors[slab.stop - slab.start]
        volumes[:, :, slab] = block_to_volumes(solve(operator, maps_to_block(maps[:, :, slab])))

    place.each(fill, slabs, volumes.size)
    return volumes


def _slabs(n_y: int, n_rows: int) -> list[slice]:
    """Return slices of at most `n_rows` rows each, of two heights at most.

    As many for each thread, however many there are.
    """
    n_slabs = min(n_y, -(-n_y // (n_rows * MAX_THREADS)) * MAX_THREADS)
    edges = [n_y * slab // n_slabs for slab in range(n_slabs + 1)]
    return [slice(a, b) for a, b in zip(edges, edges[1:], strict=False)]
