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
    for_planes(lambda z: _add_plane(block[z], factors, other[z]), block)


def scale(block: Block, factor: np.ndarray) -> None:
    """Multiply `block` by the factor of each element, in place."""
    factors = _along_rows(factor, block)
    for_planes(lambda z: _scale_plane(block[z], factors), block)


def dots(a: Block, b: Block) -> np.ndarray:
    """Return the scalar product of each element, ``(element,)`` float64.

    Summed along x in float32 (a few hundred terms), then in float64.
    """
    columns = np.empty((len(a), a[0, 0].size))
    for_planes(lambda z: _dot_plane(a[z], b[z], columns[z]), a)
    return columns.sum(axis=0).reshape(a.shape[2:]).sum(axis=0)


def _add_plane(plane: Block, factors: np.ndarray, other: Block) -> None:
    plane += (other.reshape(len(other), -1) * factors).reshape(other.shape)


def _scale_plane(plane: Block, factors: np.ndarray) -> None:
    rows = plane.reshape(len(plane), -1)
    rows *= factors


def _dot_plane(a: Block, b: Block, out: np.ndarray) -> None:
    out[:] = np.einsum("xj,xj->j", a.reshape(len(a), -1), b.reshape(len(b), -1))


def _along_rows(factor: np.ndarray, block: Block) -> np.ndarray:
    """Return one factor per column: numpy is slow along an axis of three elements."""
    return np.tile(factor.astype(np.float32), block.shape[-2])
