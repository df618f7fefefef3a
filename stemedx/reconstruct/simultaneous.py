"""SIRT: simultaneous iterative reconstruction, non-negative."""

from math import prod

import numpy as np

from stemedx.arrays import Block, Held
from stemedx.logs import progress
from stemedx.project.operators import LinearOperator
from stemedx.project.place import Place


def sirt(operator: LinearOperator, data: Block, n_iterations: int) -> Block:
    """Reconstruct by SIRT from 0, setting negative voxels to 0 in each iteration.

    Each residual is divided by the sum of its row of the operator (path length), each
    update by the sum of its column (how often the voxel was seen), so that the
    weighted residual does not grow.

    Parameters
    ----------
    operator
        From volumes to maps, warps included.
    data
        ``(tilt, x, y, element)`` measured rates.
    n_iterations
        Number of updates.

    Returns
    -------
    volume
        ``(z, x, y, element)`` per voxel, >= 0.

    References
    ----------
    Gregor & Benson (2008), IEEE Trans. Med. Imaging 27, 918-924.
    """
    operator, place = operator.resident, operator.place
    data, xp = place.put(data), place.xp
    of_rows = _inverse(operator.forward(place.full(operator.domain_shape, 1.0)))
    of_columns = _inverse(operator.adjoint(place.full(operator.range_shape, 1.0)))
    volume = place.full(operator.domain_shape, 0.0)
    update, residual = place.empty(operator.domain_shape), place.empty(operator.range_shape)
    for _ in progress(range(n_iterations), "SIRT iterations", n_iterations):
        xp.subtract(data, operator.forward(volume, residual), out=residual)
        residual *= of_rows
        _step(volume, operator.adjoint(residual, update), of_columns, place)
    return place.take(volume)


def _step(volume: Held, update: Held, of_columns: Held, place: Place) -> None:
    """Add the weighted update in place, a few planes at a time while they are in the cache."""
    size = prod(volume.shape[1:])
    n_planes = max(1, place.at_once // size)
    slabs = [slice(z, z + n_planes) for z in range(0, len(volume), n_planes)]
    place.each(
        lambda z: _step_slab(volume[z], update[z], of_columns[z], place), slabs, size * len(volume)
    )


def _step_slab(volume: Held, update: Held, of_columns: Held, place: Place) -> None:
    update *= of_columns
    volume += update
    place.xp.clip(volume, 0, None, out=volume)


def _inverse(sums: Held) -> Held:
    # Rays that graze a corner see nothing but rounding: they get no say.
    sums[sums <= 1e-6 * sums.max()] = np.inf
    return 1 / sums
