"""Split Bregman with an l1 penalty and x >= 0: the paper's iterative reconstruction."""

import numpy as np

from stemedx.arrays import Block
from stemedx.logs import progress
from stemedx.params import L1Params
from stemedx.project.operators import LinearOperator
from stemedx.reconstruct.arithmetic import add, dots, for_planes, scale


def split_bregman(operator: LinearOperator, data: Block, params: L1Params) -> Block:
    """Minimise ``1/2 |A x - y|^2 + penalty |x|_1`` over x >= 0 by split Bregman.

    Elements are independent of each other. The data of each are scaled to the
    largest value `scale` and the result is scaled back, so that one `penalty` suits
    every dose: voxels below ``1 / scale`` of the largest map value are held down.
    The splitting has the weight of the norm, which makes the threshold 1. As in the
    paper the un-thresholded x is returned, and the iteration is stopped early: run
    on, it returns to the noise.

    Parameters
    ----------
    operator
        From volumes to maps, warps included.
    data
        ``(tilt, x, y, element)`` rates; negative ones count as 0.
    params
        Iterations and weights.

    Returns
    -------
    volume
        ``(z, x, y, element)`` per voxel, >= 0; 0 for an element without any data.

    References
    ----------
    Goldstein & Osher (2009), SIAM J. Imaging Sci. 2, 323-343.
    """
    largest = np.maximum(data.max(axis=(0, 1, 2)), 0)
    to_scale = np.divide(params.scale, largest, out=np.zeros_like(largest), where=largest > 0)
    backprojected = operator.adjoint(np.maximum(data, 0) * to_scale)
    equations = _NormalEquations(operator, params.penalty)
    volume, split, bregman = (np.zeros(operator.domain_shape, np.float32) for _ in range(3))
    for _ in progress(range(params.n_outer), "Bregman iterations", params.n_outer):
        equations.solve(volume, backprojected, split, bregman, params.n_inner)
        _shrink(volume, split, bregman)
    scale(volume, largest / params.scale)
    return volume


class _NormalEquations:
    """``(A^T A + penalty) x = A^T y + penalty (d - b)``, in memory taken once.

    Parameters
    ----------
    operator
        The A.
    penalty
        Weight of the splitting.
    """

    def __init__(self, operator: LinearOperator, penalty: float) -> None:
        self._operator, self._penalty = operator, penalty
        shape = operator.domain_shape
        self._residual, self._direction, self._image = (np.empty(shape, np.float32) for _ in "rdi")
        self._maps = np.empty(operator.range_shape, np.float32)
        self._one = np.ones(shape[-1])

    def solve(
        self, volume: Block, backprojected: Block, split: Block, bregman: Block, n_iterations: int
    ) -> None:
        """Move `volume` in place towards the solution, by conjugate gradients.

        Each element has its own steps, as if it were solved alone.
        """
        residual, direction = self._residual, self._direction
        np.copyto(residual, backprojected)
        add(residual, self._penalty * self._one, split)
        add(residual, -self._penalty * self._one, bregman)
        add(residual, -self._one, self._apply(volume))
        np.copyto(direction, residual)
        length = dots(residual, residual)
        for _ in range(n_iterations):
            image = self._apply(direction)
            step = _ratio(length, dots(direction, image))
            add(volume, step, direction)
            add(residual, -step, image)
            before, length = length, dots(residual, residual)
            scale(direction, _ratio(length, before))
            add(direction, self._one, residual)

    def _apply(self, volume: Block) -> Block:
        image = self._operator.adjoint(self._operator.forward(volume, self._maps), self._image)
        add(image, self._penalty * self._one, volume)
        return image


def _shrink(volume: Block, split: Block, bregman: Block) -> None:
    """Clip x to x >= 0, then set d to the soft threshold of x + b, and b to the rest."""

    def shrink(z: int) -> None:
        np.maximum(volume[z], 0, out=volume[z])
        total = volume[z] + bregman[z]
        np.clip(total, -1, 1, out=bregman[z])
        np.subtract(total, bregman[z], out=split[z])

    for_planes(shrink, volume)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return 0 where an element has been solved exactly, or has no data."""
    return np.divide(numerator, denominator, out=np.zeros(len(numerator)), where=denominator > 0)
