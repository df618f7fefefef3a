"""The inner system of split Bregman, with one unknown per pixel of the aligned maps.

What minimises ``1/2 |W A x - y|^2 + penalty/2 |x - q|^2`` is ``q + A^T v``. A projects
slices, W warps aligned maps to the measured frame, and v solves ``(S K + penalty) v =
W^T (y - W A q)`` with ``K = A A^T`` and ``S = W^T W``. There are twenty times fewer pixels
than voxels, and K is one dense matrix for all slices.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.linalg import inv

from stemedx.arrays import Block, PixelPairs
from stemedx.project.geometry import Geometry
from stemedx.project.operators import Projector
from stemedx.project.parallel import for_each
from stemedx.project.system import system_matrix
from stemedx.reconstruct.arithmetic import add, dots, scale

# A dense matrix of more pixels would take longer than the sparse one, and gigabytes.
MAX_PIXELS = 6000
# Residual that is left, relative to the right side; in float32 it does not become smaller.
TOLERANCE = 1e-7
# Of the largest value. What is smaller adds nothing, but far from the data a warp leaves less and
# less in each row, down to denormal numbers, with which products take ten times as long.
LEAST = np.float32(1e-20)
# Of a dense product; each thread has its own, which waits for no other.
COLUMNS_AT_ONCE = 192

DualSolver = Callable[[Projector, Block], Block]
Preconditioner = Callable[[Projector, Block], tuple[Block, Block]]


def dual_solver(geometry: Geometry, penalty: float, n_iterations: int) -> DualSolver:
    """Return what solves ``(S K + penalty) v = r``, called with the projector and r.

    r and v are ``(tilt, x, y, element)`` in the aligned frame. Where no map is rotated
    or shifted S is the identity: v is then exact, by a matrix inverted once. Otherwise
    that inverse preconditions conjugate gradients.

    Parameters
    ----------
    geometry
        Tilts, width of maps, and whether they are moved.
    penalty
        Added to the diagonal, > 0.
    n_iterations
        Conjugate gradients at most.
    """
    spread: Preconditioner = _through_volume
    if geometry.n_tilts * geometry.n_x <= MAX_PIXELS:
        inverse = inverse_of(ray_overlaps(geometry), penalty)
        if geometry.is_aligned:
            return lambda _, right: _multiply(inverse, right)
        spread = partial(_by_inverse, inverse, np.float32(penalty))
    return partial(_conjugate_gradients, spread, penalty, n_iterations)


def ray_overlaps(geometry: Geometry) -> PixelPairs:
    """Return K of one slice: how much any two rays share."""
    matrix = system_matrix(geometry.tilt_deg, geometry.n_x, geometry.n_x).astype(np.float64)
    return (matrix @ matrix.T).toarray()


def inverse_of(overlaps: PixelPairs, penalty: float) -> PixelPairs:
    """Return the inverse of ``overlaps + penalty``, right to the last digit of float32."""
    overlaps.flat[:: len(overlaps) + 1] += penalty
    return inv(overlaps, overwrite_a=True, assume_a="pos").astype(np.float32)


def _conjugate_gradients(
    spread: Preconditioner, penalty: float, n_iterations: int, operator: Projector, right: Block
) -> Block:
    """Solve ``(S K + penalty) v = r`` from 0 for each element, as if it were alone.

    The matrix is symmetric in the scalar product ``<a, K b>``. `spread` applies a
    preconditioner that commutes with K, and K after it: of each vector its product with
    K is kept beside it.
    """
    n_elements = right.shape[-1]
    one, penalties = np.ones(n_elements), np.full(n_elements, penalty)
    solution, residual = np.zeros_like(right), without_tails(right)
    direction, projected = spread(operator, residual)
    length = dots(residual, projected)
    enough = TOLERANCE**2 * length
    for _ in range(n_iterations):
        if (length <= enough).all():
            break
        image = projected.copy()
        operator.warp(image)
        operator.unwarp(image)
        add(image, penalties, direction)
        step = np.where(length <= enough, 0, _ratio(length, dots(projected, image)))
        add(solution, step, direction)
        add(residual, -step, image)
        residual = without_tails(residual)
        spread_residual, spread_projected = spread(operator, residual)
        before, length = length, dots(residual, spread_projected)
        for vector, new in ((direction, spread_residual), (projected, spread_projected)):
            scale(vector, _ratio(length, before))
            add(vector, one, new)
    return solution


def without_tails(maps: Block) -> Block:
    """Return maps with 0 for values that vanish beside the largest."""
    size = np.abs(maps)
    return np.where(size < LEAST * size.max(), np.float32(0), maps)


def _by_inverse(
    inverse: PixelPairs, penalty: np.float32, _: Projector, maps: Block
) -> tuple[Block, Block]:
    """Return ``(K + penalty)^-1 m``, and K times it, which is what m has besides."""
    spread = _multiply(inverse, maps)
    return spread, maps - penalty * spread


def _through_volume(operator: Projector, maps: Block) -> tuple[Block, Block]:
    """Return m itself, and K times it."""
    return maps.copy(), operator.aligned.forward(operator.aligned.adjoint(maps))


def _multiply(matrix: PixelPairs, maps: Block) -> Block:
    """Return the product of the matrix with each slice, a few slices per thread at a time."""
    columns, product = maps.reshape(len(matrix), -1), np.empty_like(maps)
    out = product.reshape(columns.shape)
    parts = [slice(n, n + COLUMNS_AT_ONCE) for n in range(0, columns.shape[1], COLUMNS_AT_ONCE)]
    for_each(lambda part: np.matmul(matrix, columns[:, part], out=out[:, part]), parts, out.size)
    return product


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return 0 where an element has been solved exactly, or has no data."""
    return np.divide(numerator, denominator, out=np.zeros(len(numerator)), where=denominator > 0)
