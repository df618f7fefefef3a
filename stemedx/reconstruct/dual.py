"""The inner system of split Bregman, with one unknown per measured pixel.

What minimises ``1/2 |A x - y|^2 + penalty/2 |x - q|^2`` is ``q + A^T u``, where u solves
``(A A^T + penalty) u = y - A q``. There are twenty times fewer pixels than voxels, and
``A A^T`` of a slice is a dense matrix that all slices share.
"""

from collections.abc import Callable

import numpy as np
from scipy.linalg import inv

from stemedx.arrays import Block, PixelPairs
from stemedx.project.geometry import Geometry
from stemedx.project.operators import Projector
from stemedx.project.system import system_matrix
from stemedx.reconstruct.arithmetic import add, dots, scale

# A dense matrix of more pixels takes longer than the sparse one twice, and gigabytes.
MAX_PIXELS = 6000
# Residual that is left, relative to the right side; in float32 it does not become smaller.
TOLERANCE = 1e-7

DualSolver = Callable[[Projector, Block, Block], None]


def dual_solver(geometry: Geometry, penalty: float, n_iterations: int) -> DualSolver:
    """Return what moves ``u`` in place towards solving ``(A A^T + penalty) u = r``.

    Called with the projector A, u and r, both ``(tilt, x, y, element)``. Where no map
    is rotated or shifted, u is the exact solution, by a matrix inverted once;
    otherwise conjugate gradients start from u.

    Parameters
    ----------
    geometry
        Tilts, width of maps, and whether they are moved.
    penalty
        Added to the diagonal, > 0.
    n_iterations
        Conjugate gradients at most.
    """
    if geometry.n_tilts * geometry.n_x > MAX_PIXELS:
        return _ConjugateGradients(_through_volume, penalty, n_iterations)
    overlaps = ray_overlaps(geometry)
    if geometry.is_aligned:
        inverse = inverse_of(overlaps, penalty).astype(np.float32)
        return lambda operator, dual, misfit: _multiply(inverse, misfit, dual)
    overlaps = overlaps.astype(np.float32)
    return _ConjugateGradients(
        lambda operator, dual: _by_overlaps(overlaps, operator, dual), penalty, n_iterations
    )


def ray_overlaps(geometry: Geometry) -> PixelPairs:
    """Return ``A A^T`` of one slice, aligned: how much any two rays share."""
    matrix = system_matrix(geometry.tilt_deg, geometry.n_x, geometry.n_x).astype(np.float64)
    return (matrix @ matrix.T).toarray()


def inverse_of(overlaps: PixelPairs, penalty: float) -> PixelPairs:
    """Return the inverse of ``overlaps + penalty``, by its Cholesky factor.

    In float64: the inverse is to be right to the last digit of float32.
    """
    shifted = overlaps + penalty * np.eye(len(overlaps))
    return inv(shifted, overwrite_a=True, assume_a="pos")


class _ConjugateGradients:
    """Solve ``(A A^T + penalty) u = r`` for each element, as if it were alone."""

    def __init__(
        self, normal: Callable[[Projector, Block], Block], penalty: float, n_iterations: int
    ) -> None:
        self._normal, self._penalty, self._n_iterations = normal, penalty, n_iterations

    def __call__(self, operator: Projector, dual: Block, misfit: Block) -> None:
        one = np.ones(dual.shape[-1])
        residual = misfit - self._apply(operator, dual)
        direction = residual.copy()
        length, enough = dots(residual, residual), TOLERANCE**2 * dots(misfit, misfit)
        for _ in range(self._n_iterations):
            is_solved = length <= enough
            if is_solved.all():
                return
            image = self._apply(operator, direction)
            step = np.where(is_solved, 0, _ratio(length, dots(direction, image)))
            add(dual, step, direction)
            add(residual, -step, image)
            before, length = length, dots(residual, residual)
            scale(direction, _ratio(length, before))
            add(direction, one, residual)

    def _apply(self, operator: Projector, dual: Block) -> Block:
        image = self._normal(operator, dual)
        add(image, np.full(dual.shape[-1], self._penalty), dual)
        return image


def _through_volume(operator: Projector, dual: Block) -> Block:
    return operator.forward(operator.adjoint(dual))


def _by_overlaps(overlaps: PixelPairs, operator: Projector, dual: Block) -> Block:
    aligned, image = dual.copy(), np.empty_like(dual)
    operator.unwarp(aligned)
    _multiply(overlaps, aligned, image)
    operator.warp(image)
    return image


def _multiply(matrix: PixelPairs, maps: Block, out: Block) -> None:
    np.matmul(matrix, maps.reshape(len(matrix), -1), out=out.reshape(len(matrix), -1, copy=False))


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return 0 where an element has been solved exactly, or has no data."""
    return np.divide(numerator, denominator, out=np.zeros(len(numerator)), where=denominator > 0)
