"""Steps of the primal-dual solver where total variation is shortened along known edges.

As those of `stemedx.reconstruct.kernels`, with the differences d of each voxel replaced by
``d - e (e d)``, and e its vector of `edges`, shorter than 1. What it is multiplied by is its
own transpose: the dual is kept multiplied, so that the rest of the solver need not know.
"""

from typing import no_type_check

import numpy as np

from stemedx.reconstruct.kernels import compiled, differences


@compiled
@no_type_check
def tv_dual_plane(edges, z, extrapolated, dual, touched, steps, group, weight):
    """Move the dual of the total variation of plane z, into balls of radius `weight`."""
    step, relaxation = steps
    _, n_x, n_y, n_elements = extrapolated.shape
    moved = np.empty((3, n_elements), np.float32)
    for x in range(n_x):
        for y in range(n_y):
            if not touched[z, x, y]:
                continue
            edge, held = edges[:, z, x, y], dual[:, z, x, y]
            differences(extrapolated, z, x, y, moved)
            shorten(moved, edge)
            after_step(moved, held, edge, step)
            shrink(moved, group, weight)
            shorten(moved, edge)
            for axis in range(3):
                for e in range(n_elements):
                    held[axis, e] += relaxation * (moved[axis, e] - held[axis, e])


@compiled
@no_type_check
def shorten(steps, edge):
    """Take from each column of ``(3, element)`` what lies along a vector, times its square."""
    for e in range(steps.shape[1]):
        along = edge[0] * steps[0, e] + edge[1] * steps[1, e] + edge[2] * steps[2, e]
        for axis in range(3):
            steps[axis, e] -= along * edge[axis]


@compiled
@no_type_check
def after_step(moved, held, edge, step):
    """Make ``(3, element)`` steps the dual after them, which was shortened."""
    factor = 1 / (1 - edge[0] ** 2 - edge[1] ** 2 - edge[2] ** 2)
    for e in range(moved.shape[1]):
        along = edge[0] * held[0, e] + edge[1] * held[1, e] + edge[2] * held[2, e]
        for axis in range(3):
            before = held[axis, e] + factor * along * edge[axis]
            moved[axis, e] = before + step * moved[axis, e]


@compiled
@no_type_check
def shrink(moved, group, weight):
    """Shrink ``(3, element)`` into balls of radius `weight`, one for each group."""
    squares = np.zeros(moved.shape[1], np.float32)
    for e in range(moved.shape[1]):
        for axis in range(3):
            squares[group[e]] += moved[axis, e] ** 2
    for e in range(moved.shape[1]):
        length = np.sqrt(squares[group[e]])
        if length > weight:
            for axis in range(3):
                moved[axis, e] *= weight / length


@compiled
@no_type_check
def tv_plane(edges, z, volume, group):
    """Return the total variation of plane z: lengths of the shortened differences, by group."""
    _, n_x, n_y, n_elements = volume.shape
    step = np.empty((3, n_elements), np.float32)
    total = 0.0
    for x in range(n_x):
        for y in range(n_y):
            differences(volume, z, x, y, step)
            shorten(step, edges[:, z, x, y])
            squares = np.zeros(n_elements, np.float32)
            for e in range(n_elements):
                for axis in range(3):
                    squares[group[e]] += step[axis, e] ** 2
            total += np.sqrt(squares).sum()
    return total
