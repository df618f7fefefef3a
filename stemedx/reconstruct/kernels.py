"""Fused elementwise steps of the primal-dual solver, compiled; one plane per call.

Each releases Python's lock, so that planes are shared among threads; a plane is
computed in the same order whoever computes it. Arrays are laid out as in
`stemedx.project.blocks`; `dual` holds the differences towards the next z, x and y.
Voxels that are not `inside` stay 0.
"""

from typing import no_type_check

import numpy as np
from numba import njit

compiled = njit(nogil=True, cache=True, error_model="numpy")


@compiled
@no_type_check
def primal_plane(z, volume, extrapolated, back, dual, inside, largest, steps):
    """Move plane z against the gradient, into the box from 0 to `largest`.

    `back` is the adjoint of the dual of the data; `steps` are the step of each element and
    the relaxation. `volume` is relaxed in place, `extrapolated` becomes twice the new
    plane less the old one.
    """
    step, relaxation = steps
    _, n_x, n_y, n_elements = volume.shape
    for x in range(n_x):
        for y in range(n_y):
            if not inside[z, x, y]:
                continue
            for e in range(n_elements):
                slope = back[z, x, y, e] + slope_of_tv(dual, z, x, y, e)
                old = volume[z, x, y, e]
                new = min(max(old - step[e] * slope, np.float32(0)), largest)
                extrapolated[z, x, y, e] = 2 * new - old
                volume[z, x, y, e] = old + relaxation * (new - old)


@compiled
@no_type_check
def simplex_plane(z, volume, extrapolated, back, dual, inside, largest, steps):
    """Move plane z like `primal_plane`, to shares >= 0 that add up to `largest` at most.

    The projection on the simplex needs one step for all elements: the shortest.
    """
    step, relaxation = steps
    _, n_x, n_y, n_elements = volume.shape
    shortest = step.min()
    moved = np.empty(n_elements, np.float32)
    for x in range(n_x):
        for y in range(n_y):
            if not inside[z, x, y]:
                continue
            total = np.float32(0)
            for e in range(n_elements):
                slope = back[z, x, y, e] + slope_of_tv(dual, z, x, y, e)
                moved[e] = volume[z, x, y, e] - shortest * slope
                total += max(moved[e], np.float32(0))
            surplus = np.float32(0)
            if total > largest:
                surplus = surplus_over(moved, largest)
            for e in range(n_elements):
                old = volume[z, x, y, e]
                new = max(moved[e] - surplus, np.float32(0))
                extrapolated[z, x, y, e] = 2 * new - old
                volume[z, x, y, e] = old + relaxation * (new - old)


@compiled
@no_type_check
def surplus_over(values, largest):
    """Return what to take from each value so that the positive rest adds up to `largest`."""
    falling = np.sort(values)[::-1]
    total, surplus = np.float32(0), np.float32(0)
    for n in range(len(falling)):
        total += falling[n]
        of_first = (total - largest) / np.float32(n + 1)
        if falling[n] > of_first:
            surplus = of_first
    return surplus


@compiled
@no_type_check
def slope_of_tv(dual, z, x, y, e):
    """Return the transpose of the differences, at one voxel."""
    slope = -dual[0, z, x, y, e] - dual[1, z, x, y, e] - dual[2, z, x, y, e]
    if z > 0:
        slope += dual[0, z - 1, x, y, e]
    if x > 0:
        slope += dual[1, z, x - 1, y, e]
    if y > 0:
        slope += dual[2, z, x, y - 1, e]
    return slope


@compiled
@no_type_check
def differences(volume, z, x, y, into):
    """Write the ``(3, element)`` differences to the next voxels; 0 at the end."""
    n_z, n_x, n_y, n_elements = volume.shape
    for e in range(n_elements):
        here = volume[z, x, y, e]
        into[0, e] = volume[z + 1, x, y, e] - here if z + 1 < n_z else np.float32(0)
        into[1, e] = volume[z, x + 1, y, e] - here if x + 1 < n_x else np.float32(0)
        into[2, e] = volume[z, x, y + 1, e] - here if y + 1 < n_y else np.float32(0)


@compiled
@no_type_check
def tv_dual_plane(z, extrapolated, dual, touched, steps, group, weight):
    """Move the dual of the total variation of plane z, into balls of radius `weight`.

    Elements of one `group` share a ball: their edges are sought in one place. Where
    nothing is `touched`, neither the voxel nor the next ones are inside. `steps` are the
    step and the relaxation.
    """
    step, relaxation = steps
    _, n_x, n_y, n_elements = extrapolated.shape
    moved = np.empty((3, n_elements), np.float32)
    squares = np.empty(n_elements, np.float32)
    for x in range(n_x):
        for y in range(n_y):
            if not touched[z, x, y]:
                continue
            differences(extrapolated, z, x, y, moved)
            squares[:] = 0
            for e in range(n_elements):
                for axis in range(3):
                    moved[axis, e] = dual[axis, z, x, y, e] + step * moved[axis, e]
                    squares[group[e]] += moved[axis, e] ** 2
            for e in range(n_elements):
                length = np.sqrt(squares[group[e]])
                shrink = weight / length if length > weight else np.float32(1)
                for axis in range(3):
                    old = dual[axis, z, x, y, e]
                    dual[axis, z, x, y, e] = old + relaxation * (shrink * moved[axis, e] - old)


@compiled
@no_type_check
def tv_plane(z, volume, group):
    """Return the total variation of plane z: lengths of the differences, by group."""
    _, n_x, n_y, n_elements = volume.shape
    step = np.empty((3, n_elements), np.float32)
    squares = np.empty(n_elements, np.float32)
    total = 0.0
    for x in range(n_x):
        for y in range(n_y):
            differences(volume, z, x, y, step)
            squares[:] = 0
            for e in range(n_elements):
                for axis in range(3):
                    squares[group[e]] += step[axis, e] ** 2
            total += np.sqrt(squares).sum()
    return total


@compiled
@no_type_check
def unmet_plane(z, back, dual, inside):
    """Return how far below 0 the gradient of plane z is, summed over voxels."""
    _, n_x, n_y, n_elements = back.shape
    total = 0.0
    for x in range(n_x):
        for y in range(n_y):
            if not inside[z, x, y]:
                continue
            for e in range(n_elements):
                total -= min(back[z, x, y, e] + slope_of_tv(dual, z, x, y, e), np.float32(0))
    return total


@compiled
@no_type_check
def unmet_of_simplex_plane(z, back, dual, inside):
    """Return how far below 0 the steepest element of each voxel is, summed over plane z."""
    _, n_x, n_y, n_elements = back.shape
    total = 0.0
    for x in range(n_x):
        for y in range(n_y):
            if not inside[z, x, y]:
                continue
            steepest = np.float32(0)
            for e in range(n_elements):
                steepest = min(steepest, back[z, x, y, e] + slope_of_tv(dual, z, x, y, e))
            total -= steepest
    return total
