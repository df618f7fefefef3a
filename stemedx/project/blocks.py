"""The layout in which solvers work: planes normal to the tilt axis side by side.

A block holds volumes as ``(z, x, y, element)`` and maps as ``(tilt, x, y, element)``,
so that one matrix times one block projects every plane of every element at once.
"""

import numpy as np

from stemedx.arrays import Block, Rates, Volumes


def volumes_to_block(volumes: Volumes) -> Block:
    """Return ``(element, z, y, x)`` volumes as a ``(z, x, y, element)`` block."""
    return np.ascontiguousarray(volumes.transpose(1, 3, 2, 0))


def block_to_volumes(block: Block) -> Volumes:
    """Return a ``(z, x, y, element)`` block as ``(element, z, y, x)`` volumes."""
    return np.ascontiguousarray(block.transpose(3, 0, 2, 1))


def maps_to_block(maps: Rates) -> Block:
    """Return ``(element, tilt, y, x)`` maps as a ``(tilt, x, y, element)`` block."""
    return volumes_to_block(maps)


def block_to_maps(block: Block) -> Rates:
    """Return a ``(tilt, x, y, element)`` block as ``(element, tilt, y, x)`` maps."""
    return block_to_volumes(block)
