"""From measured maps to the volume of least penalised negative log-likelihood.

Coarse to fine: on binned maps a start is found, with gain and background; then the
solution, within the support of the specimen; then the same on the full grid, in a box
around it.
"""

import logging
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import uniform_filter

from stemedx.arrays import Block, ByElement, Mask
from stemedx.project.blocks import maps_to_block
from stemedx.project.cropped import Crop, cropped_projector, whole
from stemedx.project.operators import LinearOperator
from stemedx.reconstruct.calibration import Calibration, calibrate, first_calibration
from stemedx.reconstruct.edges import Edges
from stemedx.reconstruct.expectation import mlem
from stemedx.reconstruct.likelihoods import BERNOULLI, GAUSSIAN, POISSON
from stemedx.reconstruct.measured import Measured
from stemedx.reconstruct.primal_dual import Check, State, minimise
from stemedx.reconstruct.problem import Problem
from stemedx.reconstruct.support import find_support

log = logging.getLogger(__name__)
COARSE_PX = 64  # maps are binned to at most about this width for the start
FEWEST_PX = 24  # and to no less than half of this: there, edges are all there is
N_START = 20  # updates of maximum likelihood for the start
FAINT = 0.1  # share of solid matter, smoothed, above which a voxel is of the specimen
SMOOTH_PX = 5
START_PX = 3  # the start is smoothed: its noise would be all edges
MARGIN_PX = 8  # around the specimen, voxels of the full grid
LOOSE = 5.0  # before gain and background are final, the gap may be this much larger
N_ROUNDS = 2  # of solution and calibration on the coarse grid
LIKELIHOODS = {"hits": BERNOULLI, "image": GAUSSIAN}  # of a signal; Poisson of any other


@dataclass(frozen=True, eq=False)
class Fit:
    """A volume, and what was found with it.

    Attributes
    ----------
    state
        Of the solver: the volume in units of `scale`, within `crop`.
    scale
        ``(element)`` photons per voxel of solid matter, over the relative weight of edges.
    calibration
        Gains, of mean 1 for each element, and backgrounds.
    checks
        How the solver converged, the last time.
    crop
        The box of voxels that are looked at.
    inside
        ``(z, x, y)`` those of them that may differ from 0; None for all.
    """

    state: State
    scale: ByElement
    calibration: Calibration
    checks: list[Check]
    crop: Crop
    inside: Mask | None = None


def first_fit(measured: Measured) -> Fit:
    """Return a start: a few updates of maximum likelihood, with gain and background."""
    geometry = measured.geometry
    crop = whole(geometry)
    operator = cropped_projector(geometry, len(measured.maps), crop, measured.place)
    calibration = first_calibration(measured)
    volume = mlem(operator, measured, calibration, start=None, n_iterations=N_START)
    volume = uniform_filter(volume, (START_PX, START_PX, START_PX, 1), mode="constant")
    scale = typical(volume).astype(np.float32)
    fit = Fit(State(volume / scale), scale.astype(np.float64), calibration, [], crop)
    return within_support(measured, fit, operator)


def within_support(measured: Measured, fit: Fit, operator: LinearOperator) -> Fit:
    """Return the fit with nothing outside the support of its specimen, and calibrated."""
    photons = fit.state.volume * fit.scale.astype(np.float32)
    inside = find_support(photons, fit.calibration.background.T, operator)
    state = replace(fit.state, volume=fit.state.volume * inside[..., None])
    return calibrated(measured, replace(fit, state=state, inside=inside), operator)


def calibrated(measured: Measured, fit: Fit, operator: LinearOperator) -> Fit:
    """Return the fit with gain and background for its specimen, what lies around left out."""
    inside = support(fit.state.volume) if fit.inside is None else fit.inside
    specimen = fit.state.volume * fit.scale.astype(np.float32) * inside[..., None]
    path = operator.forward(np.repeat(inside[..., None], len(fit.scale), -1).astype(np.float32))
    calibration = calibrate(measured, operator.forward(specimen), path[..., 0], fit.calibration)
    return replace(fit, calibration=calibration)


def support(volume: Block) -> Mask:
    """Return ``(z, x, y)`` where some element is present, and close by: smoothed first."""
    smooth = uniform_filter(volume, (SMOOTH_PX, SMOOTH_PX, SMOOTH_PX, 1), mode="constant")
    return smooth.max(axis=-1) > FAINT


def typical(volume: Block) -> ByElement:
    """Return the value of solid matter for each element: the mean of its brighter half.

    Of voxels above half the brightest, smoothed; 1 where there is nothing.
    """
    smooth = uniform_filter(volume, (3, 3, 3, 1), mode="constant")
    brightest = np.quantile(smooth.reshape(-1, volume.shape[-1]), 0.999, axis=0)
    bright = smooth > brightest / 2
    sums = (smooth * bright).sum(axis=(0, 1, 2), dtype=np.float64)
    mean = sums / np.maximum(bright.sum(axis=(0, 1, 2)), 1)
    return np.where(brightest > 0, mean, 1.0)


@dataclass(frozen=True)
class Penalty:
    """What is minimised besides the likelihood, and how far.

    Attributes
    ----------
    tv_weight
        Nat per square pixel of edge of solid matter, on the full grid.
    group
        ``(element)``: elements of one number share their edges.
    gap_per_photon
        The solver stops when less than this is left to gain, nat per photon.
    max_iterations
        Or here, with a warning.
    edges
        That cost less, on the grid of the maps; None for none.
    """

    tv_weight: float
    group: tuple[int, ...]
    gap_per_photon: float
    max_iterations: int
    edges: Edges | None = None


def improve(measured: Measured, fit: Fit, penalty: Penalty, operator: LinearOperator) -> Fit:
    """Return the solution for the fit's calibration, and the calibration for it."""
    return calibrated(measured, solution(measured, fit, penalty, operator), operator)


def solution(
    measured: Measured, fit: Fit, penalty: Penalty, operator: LinearOperator, *, enough: int = 0
) -> Fit:
    """Return the solution for the fit's calibration; `enough` iterations will do, if not 0."""
    factor = (fit.calibration.gain * fit.scale[:, None]).T
    problem = Problem(
        operator,
        maps_to_block(np.asarray(measured.maps, np.float32)),
        np.ascontiguousarray(measured.weight.transpose(0, 2, 1), np.float32),
        factor.astype(np.float32),
        fit.calibration.background.T.astype(np.float32),
        LIKELIHOODS.get(measured.signal, POISSON),
        penalty.tv_weight,
        np.array(penalty.group),
        inside=fit.inside,
        edges=None if penalty.edges is None else penalty.edges.vectors(fit.crop),
    )
    state, checks = minimise(
        problem, fit.state, gap_per_photon=penalty.gap_per_photon,
        max_iterations=penalty.max_iterations, enough=enough,
    )  # fmt: skip
    log.info("objective %.6g, gap %.3g nat after %d iterations", checks[-1].objective,
             checks[-1].gap, checks[-1].iteration)  # fmt: skip
    return replace(fit, state=state, checks=checks)


def solve(measured: Measured, fit: Fit, penalty: Penalty, n_rounds: int) -> Fit:
    """Return the solution: solved and calibrated so many times, loosely but for the last.

    Each time but the last tells more closely where the specimen is.
    """
    n_elements, place = len(measured.maps), measured.place
    operator = cropped_projector(measured.geometry, n_elements, fit.crop, place)
    loose = replace(penalty, gap_per_photon=LOOSE * penalty.gap_per_photon)
    for _ in range(n_rounds - 1):
        fit = within_support(measured, improve(measured, fit, loose, operator), operator)
    return improve(measured, fit, penalty, operator)


def weighted(fit: Fit, relative: ByElement) -> Fit:
    """Return the fit in units in which the edges of each element cost so many times as much.

    Parameters
    ----------
    fit
        Of a volume alone: what is dual to it is dropped.
    relative
        ``(element)`` weight over that of the penalty.
    """
    volume = fit.state.volume * relative.astype(np.float32)
    return replace(fit, state=State(volume), scale=fit.scale / relative)


def dose_scaled_weight(coarse: Measured, fit: Fit, n: int) -> float:
    """Return the weight that suits the dose: more photons, more weight on both sides.

    The power was found on simulated core-shell dots at 0.05 to 1 photons in the
    brightest pixel.
    """
    counts = uniform_filter(np.asarray(coarse.maps, np.float32), (1, 1, 3, 3))
    net = counts.max(axis=(2, 3)) - fit.calibration.background
    peak = float(np.median(net, axis=1).max()) / n**2
    return 0.08 * (max(peak, 1e-6) / 0.1) ** 0.6


def coarse_factor(measured: Measured) -> int:
    """Return how many pixels a side are summed into one for the start."""
    n_x = measured.geometry.n_x
    return max(1, min(2, n_x // FEWEST_PX), round(n_x / COARSE_PX))


def coarser(penalty: Penalty, n: int) -> Penalty:
    """Return the same penalty for maps of which n x n pixels were summed into one.

    An edge has fewer square pixels there, the photons are as many.
    """
    edges = None if penalty.edges is None else penalty.edges.binned(n)
    return replace(penalty, tv_weight=penalty.tv_weight * n**2, edges=edges)


def fine_box(fit: Fit, measured: Measured, n: int) -> Crop:
    """Return the box on the full grid in which the specimen of a coarse fit can be."""
    if fit.inside is None:
        return around(_on_finer_grid(fit.state.volume, measured, n, whole(measured.geometry)))
    present = _on_finer_grid(fit.inside, measured, n, whole(measured.geometry))
    crop = box_of(present)
    log.info("%d voxels in %s of %s may hold the specimen", present.sum(), crop.shape,
             present.shape)  # fmt: skip
    return crop


def to_fine(fit: Fit, measured: Measured, n: int, crop: Crop) -> Fit:
    """Return a coarse fit as a start on the full grid, within a box of it."""
    volume = _on_finer_grid(fit.state.volume, measured, n, crop)
    inside = None if fit.inside is None else _on_finer_grid(fit.inside, measured, n, crop)
    tv_dual = fit.state.tv_dual
    if tv_dual is not None:
        # n^2 pixels of edge become one
        tv_dual = np.stack([_between(each, measured, n, crop) / n**2 for each in tv_dual])
    background = fit.calibration.background / n**2
    calibration = Calibration(fit.calibration.gain, background)
    state = State(volume, tv_dual=tv_dual)
    return Fit(state, fit.scale / n**3, calibration, [], crop, inside)


def _on_finer_grid(coarse: np.ndarray, measured: Measured, n: int, crop: Crop) -> np.ndarray:
    """Return a box of a block with each voxel repeated n times, those of the edge to the end."""
    fine = coarse
    for axis, place in enumerate(_places(measured, n, crop)):
        nearest = np.clip(np.rint(place).astype(int), 0, coarse.shape[axis] - 1)
        fine = np.take(fine, nearest, axis=axis)
    return fine


def _between(coarse: Block, measured: Measured, n: int, crop: Crop) -> Block:
    """Return a box of a block with voxels in between, linear; those of the edge to the end."""
    fine = coarse
    for axis, place in enumerate(_places(measured, n, crop)):
        inside = np.clip(place, 0, coarse.shape[axis] - 1)
        below = np.minimum(inside.astype(int), max(coarse.shape[axis] - 2, 0))
        above = np.minimum(below + 1, coarse.shape[axis] - 1)
        share = np.expand_dims(
            (inside - below).astype(np.float32), (*range(axis), *range(axis + 1, 4))
        )
        fine = np.take(fine, below, axis) * (1 - share) + np.take(fine, above, axis) * share
    return fine


def _places(measured: Measured, n: int, crop: Crop) -> list[np.ndarray]:
    """Return along z, x and y where the voxels of a box are on the grid n times as coarse."""
    n_x, n_y = measured.geometry.n_x, measured.geometry.n_y
    # the middle of what was cut stays in the middle
    return [
        (np.arange(size)[some] - size % n // 2 + 0.5) / n - 0.5
        for size, some in zip((n_x, n_x, n_y), (crop.z, crop.x, crop.y), strict=True)
    ]


def around(volume: Block) -> Crop:
    """Return the box around the voxels that are not nearly empty, with a margin."""
    return box_of(support(volume), MARGIN_PX)


def box_of(present: Mask, margin_px: int = 0) -> Crop:
    """Return the box around the voxels that are present, and so many more; all if none is."""
    if not present.any():
        return Crop(*(slice(0, n) for n in present.shape))
    found = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        places = np.flatnonzero(present.any(axis=others))
        low, high = places[0] - margin_px, places[-1] + 1 + margin_px
        found.append(slice(max(int(low), 0), min(int(high), present.shape[axis])))
    return Crop(*found)
