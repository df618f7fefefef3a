"""Slabs of rows that overlap: memory is bounded where rows know of their neighbours.

The total variation couples each row to the next, and a rotated map sees several rows at
once; but what lies many rows away hardly matters. Each slab is solved with a margin of rows on
either side, which are then thrown away; gain, background and dose are those of the whole.
"""

import logging
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from stemedx.arrays import Block, Mask, Pixels, Volumes
from stemedx.project.blocks import block_to_volumes
from stemedx.project.cropped import Crop, cropped_projector, whole
from stemedx.project.geometry import Geometry
from stemedx.project.operators import LinearOperator
from stemedx.reconstruct.calibration import Calibration, calibrate, dose
from stemedx.reconstruct.measured import Measured, binned
from stemedx.reconstruct.penalised import Fit, Penalty, coarser, fine_box, solution, to_fine
from stemedx.reconstruct.primal_dual import Check

log = logging.getLogger(__name__)
# The solver holds nine arrays of so many values: 1.2 GB.
SLAB_VALUES = 32_000_000
HALO_PX = 12


@dataclass(frozen=True, eq=False)
class Whole:
    """A solution on the full grid.

    Attributes
    ----------
    volumes
        ``(element, z, y, x)`` photons per voxel at gain 1.
    calibration
        Gain and background that fit them.
    checks
        How the solver converged, slab by slab.
    """

    volumes: Volumes
    calibration: Calibration
    checks: list[list[Check]]


def solve_by_rows(measured: Measured, coarse: Fit, penalty: Penalty, n: int) -> Whole:
    """Return the solution on the full grid, whose volume holds the photons that the maps tell.

    The penalty makes edges lower, and with them the whole: one factor for each element
    brings the photons back, and with them the stoichiometry.

    Parameters
    ----------
    measured
        The maps.
    coarse
        A solution of maps of which ``n x n`` pixels were summed into one, within the
        support of the specimen.
    penalty
        For the full grid.
    n
        Pixels a side.
    """
    coarse, n = _by_halves(measured, coarse, penalty, n)
    box, geometry = fine_box(coarse, measured, n), measured.geometry
    n_elements = len(coarse.scale)
    volumes = np.zeros((n_elements, geometry.n_x, geometry.n_y, geometry.n_x), np.float32)
    projected = np.zeros((geometry.n_tilts, geometry.n_x, geometry.n_y, n_elements), np.float32)
    path, checks, balance = np.zeros(projected.shape[:-1], np.float32), [], None
    for core, wide in slabs(box, n_elements):
        crop = replace(box, y=wide)
        operator = cropped_projector(geometry, n_elements, crop, measured.place)
        part = to_fine(coarse, measured, n, crop)
        part = replace(part, state=replace(part.state, balance=balance))
        part = solution(seeing_only(measured, wide, box.y), part, penalty, operator)
        balance, own = part.state.balance, slice(core.start - wide.start, core.stop - wide.start)
        photons = _alone(part.state.volume, own) * part.scale.astype(np.float32)
        volumes[:, box.z, core, box.x] = block_to_volumes(photons[:, :, own])
        projected += operator.forward(photons)
        path += _path(part.inside, own, operator)
        checks.append(part.checks)
    calibration = calibrate(measured, projected, path, part.calibration)
    volumes *= dose(measured, projected, calibration).astype(np.float32)[:, None, None, None]
    return Whole(volumes, calibration, checks)


def _by_halves(measured: Measured, coarse: Fit, penalty: Penalty, n: int) -> tuple[Fit, int]:
    """Return a start on a grid nearer to the full one, and its pixels a side.

    An iteration on a grid of half the width costs an eighth, and edges that it has put in
    their places need not be moved far on the full one.
    """
    while n % 4 == 0:
        middle = binned(measured, n // 2)
        crop = whole(middle.geometry)
        if np.prod(crop.shape) * len(coarse.scale) > SLAB_VALUES:
            break
        n //= 2
        start = to_fine(coarse, middle, 2, crop)
        n_elements, place = len(coarse.scale), measured.place
        operator = cropped_projector(middle.geometry, n_elements, crop, place)
        coarse = solution(middle, start, coarser(penalty, n), operator)
    return coarse, n


def facts_of(found: Whole) -> dict[str, Any]:
    """Return what a reader of the volume wants to know of the solution."""
    return {
        "gain": found.calibration.gain.tolist(),
        "background": found.calibration.background.tolist(),
        "convergence": convergence(found.checks),
    }


def convergence(slabs: list[list[Check]]) -> dict[str, Any]:
    """Return how the solver converged in each slab, as a table."""
    rows = [
        [slab, check.iteration, check.objective, check.bound]
        for slab, checks in enumerate(slabs)
        for check in checks
    ]
    return {"columns": ["slab", "iteration", "objective", "bound"], "rows": rows}


def slabs(box: Crop, n_elements: int) -> list[tuple[slice, slice]]:
    """Return the rows of each slab, and the same with its margins; one if it is small enough."""
    n_z, n_x, n_y = box.shape
    n_rows = SLAB_VALUES // max(n_z * n_x * n_elements, 1)
    if n_rows >= n_y:
        return [(box.y, box.y)]
    n_slabs = -(-n_y // max(n_rows - 2 * HALO_PX, HALO_PX))
    edges = [box.y.start + n_y * slab // n_slabs for slab in range(n_slabs + 1)]
    log.info("solved in %d slabs of %d rows", n_slabs, edges[1] - edges[0])
    return [
        (slice(a, b), slice(max(a - HALO_PX, box.y.start), min(b + HALO_PX, box.y.stop)))
        for a, b in zip(edges, edges[1:], strict=False)
    ]


def seeing_only(measured: Measured, rows: slice, of: slice) -> Measured:
    """Return the maps with weight 0 where a pixel sees other rows `of` the specimen."""
    if rows == of:
        return measured
    weight = np.empty_like(measured.weight)
    for tilt, before in enumerate(measured.weight):
        seen = rows_seen(measured.geometry, tilt)
        above = (seen >= rows.start) | (rows.start == of.start)
        below = (seen <= rows.stop - 1) | (rows.stop == of.stop)
        weight[tilt] = before * (above & below)
    return replace(measured, weight=weight)


def rows_seen(geometry: Geometry, tilt: int) -> Pixels:
    """Return ``(y, x)`` at which row of the aligned frame each pixel of a map looks."""
    rotation, shift = geometry.motion(tilt)
    y, x = np.mgrid[: geometry.n_y, : geometry.n_x]
    middle_y, middle_x = (geometry.n_y - 1) / 2, (geometry.n_x - 1) / 2
    return rotation[0, 0] * (y - middle_y) + rotation[0, 1] * (x - middle_x) + shift[0] + middle_y


def _alone(volume: Block, rows: slice) -> Block:
    """Return a volume that is 0 but for some rows."""
    alone = np.zeros_like(volume)
    alone[:, :, rows] = volume[:, :, rows]
    return alone


def _path(inside: Mask | None, rows: slice, operator: LinearOperator) -> Block:
    """Return ``(tilt, x, y)`` length of the rays within some rows of the support."""
    ones = np.ones(operator.domain_shape, np.float32)
    if inside is not None:
        ones *= inside[..., None]
    return operator.forward(_alone(ones, rows))[..., 0]
