"""Split Bregman with an l1 penalty and x >= 0: the paper's iterative reconstruction."""

import numpy as np

from stemedx.arrays import Block, Rates, Volumes
from stemedx.logs import progress
from stemedx.params import L1Params
from stemedx.project.geometry import Geometry
from stemedx.project.operators import Projector
from stemedx.reconstruct.arithmetic import for_planes
from stemedx.reconstruct.dual import DualSolver, dual_solver
from stemedx.reconstruct.slabs import solve_by_slabs


def split_bregman(maps: Rates, geometry: Geometry, params: L1Params) -> Volumes:
    """Minimise ``1/2 |A x - y|^2 + penalty |x|_1`` over x >= 0 by split Bregman.

    Elements are independent of each other. The data of each are scaled to the
    largest value `scale` and the result is scaled back, so that one `penalty` suits
    every dose: voxels below ``1 / scale`` of the largest map value are held down.
    The splitting has the weight of the norm, which makes the threshold 1. As in the
    paper the un-thresholded x is returned, and the iteration is stopped early: run
    on, it returns to the noise.

    Parameters
    ----------
    maps
        ``(element, tilt, y, x)`` rates in the measured frame; negative ones count
        as 0.
    geometry
        Tilts, and how each map is aligned.
    params
        Iterations and weights.

    Returns
    -------
    volumes
        ``(element, z, y, x)`` per voxel, >= 0, in the aligned frame; 0 for an element
        without any data.

    References
    ----------
    Goldstein & Osher (2009), SIAM J. Imaging Sci. 2, 323-343.
    """
    largest = np.maximum(maps.max(axis=(1, 2, 3)), 0)
    to_scale = np.divide(params.scale, largest, out=np.zeros_like(largest), where=largest > 0)
    scaled = np.maximum(maps, 0) * to_scale[:, None, None, None]
    solve_dual = dual_solver(geometry, params.penalty, params.n_inner)

    def solve(operator: Projector, data: Block) -> Block:
        return _iterate(operator, data, params.n_outer, solve_dual)

    volumes = solve_by_slabs(solve, scaled, geometry)
    volumes *= (largest / params.scale)[:, None, None, None]
    return volumes


def _iterate(operator: Projector, data: Block, n_outer: int, solve_dual: DualSolver) -> Block:
    """Return x after `n_outer` iterations from 0, for scaled data.

    The split d and the Bregman variable b follow from their sum t, which is never
    negative: b is the smaller of t and the threshold 1.
    """
    total, volume = (np.zeros(operator.domain_shape, np.float32) for _ in "tx")
    misfit = np.empty_like(data)
    for _ in progress(range(n_outer), "Bregman iterations", n_outer):
        _aim(total, volume)
        np.subtract(data, operator.forward(volume, misfit), out=misfit)
        operator.unwarp(misfit)
        _step(total, operator.aligned.adjoint(solve_dual(operator, misfit), volume))
    return volume


def _aim(total: Block, volume: Block) -> None:
    """Set `volume` to d - b, to which the next x is drawn."""
    for_planes(lambda z: _aim_plane(total[z], volume[z]), total)


def _aim_plane(total: Block, volume: Block) -> None:
    np.minimum(total, 1, out=volume)
    volume *= -2
    volume += total


def _step(total: Block, update: Block) -> None:
    """Set `update` to ``x = max(d - b + update, 0)``, and `total` to x + b."""
    for_planes(lambda z: _step_plane(total[z], update[z]), total)


def _step_plane(total: Block, update: Block) -> None:
    bregman = np.minimum(total, 1)
    update += total
    update -= 2 * bregman
    np.maximum(update, 0, out=update)
    np.add(update, bregman, out=total)
