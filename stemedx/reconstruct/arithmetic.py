"""Sums and scaled additions of large blocks, plane by plane."""

from collections.abc import Callable

import numpy as np

from stemedx.arrays import Block
from stemedx.project.parallel import for_each


def for_planes(work: Callable[[int], None], block: Block) -> None:
    """Call `work` with the number of each plane: a plane stays in the cache."""
    for_each(work, range(len(block)), block.size)


def add(block: Block, factor: np.ndarray, other: Block) -> None:
    """Add `other` times the factor of each element to `block`, in place."""
    factors = _along_rows(factor, block)

    def add_plane(z: int) -> None:
        block[z] += (other[z].reshape(len(other[z]), -1) * factors).reshape(other[z].shape)

    for_planes(add_plane, block)


def scale(block: Block, factor: np.ndarray) -> None:
    """Multiply `block` by the factor of each element, in place."""
    factors = _along_rows(factor, block)

    def scale_plane(z: int) -> None:
        rows = block[z].reshape(len(block[z]), -1)
        rows *= factors

    for_planes(scale_plane, block)


def dots(a: Block, b: Block) -> np.ndarray:
    """Return the scalar product of each element, ``(element,)`` float64.

    Summed along x in float32 (a few hundred terms), then in float64.
    """
    columns = np.empty((len(a), a[0, 0].size))

    def fill(z: int) -> None:
        shape = (a.shape[1], -1)
        columns[z] = np.einsum("xj,xj->j", a[z].reshape(shape), b[z].reshape(shape))

    for_planes(fill, a)
    return columns.sum(axis=0).reshape(a.shape[2:]).sum(axis=0)


def _along_rows(factor: np.ndarray, block: Block) -> np.ndarray:
    """Return one factor per column: numpy is slow along an axis of three elements."""
    return np.tile(factor.astype(np.float32), block.shape[-2])
