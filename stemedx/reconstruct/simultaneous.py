"""SIRT: simultaneous iterative reconstruction, non-negative."""

import numpy as np

from stemedx.arrays import Block
from stemedx.logs import progress
from stemedx.project.operators import LinearOperator
from stemedx.project.parallel import for_each

IN_CACHE = 2**16  # values


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
    of_rows = _inverse(operator.forward(np.ones(operator.domain_shape, np.float32)))
    of_columns = _inverse(operator.adjoint(np.ones(operator.range_shape, np.float32)))
    volume = np.zeros(operator.domain_shape, np.float32)
    update, residual = np.empty_like(volume), np.empty_like(data)
    for _ in progress(range(n_iterations), "SIRT iterations", n_iterations):
        np.subtract(data, operator.forward(volume, residual), out=residual)
        residual *= of_rows
        _step(volume, operator.adjoint(residual, update), of_columns)
    return volume


def _step(volume: Block, update: Block, of_columns: Block) -> None:
    """Add the weighted update in place, a few planes at a time while they are in the cache."""
    n_planes = max(1, IN_CACHE // volume[0].size)
    slabs = [slice(z, z + n_planes) for z in range(0, len(volume), n_planes)]
    for_each(lambda z: _step_slab(volume[z], update[z], of_columns[z]), slabs, volume.size)


def _step_slab(volume: Block, update: Block, of_columns: Block) -> None:
    update *= of_columns
    volume += update
    np.maximum(volume, 0, out=volume)


def _inverse(sums: Block) -> Block:
    # Rays that graze a corner see nothing but rounding: they get no say.
    seen = sums > 1e-6 * sums.max()
    return np.divide(1, sums, out=np.zeros_like(sums), where=seen)
