"""Projection matching: each map against the projection of the others' reconstruction."""

import logging
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from stemedx.align.correlation import image_shift
from stemedx.arrays import Block, Blocks, Image, PerTilt, Rate, Series, Shifts, TiltAngles
from stemedx.project.blocks import block_to_volumes, maps_to_block
from stemedx.project.geometry import Geometry, least_shifts
from stemedx.project.operators import LinearOperator
from stemedx.project.projector import project, projector
from stemedx.project.warp import align_maps
from stemedx.reconstruct.simultaneous import sirt

log = logging.getLogger(__name__)
WIDEST_PX = 128
N_FOLDS = 4
N_ITERATIONS = 20
SEEN = 0.5
CLOSE_PX = 0.1
WORTH = 0.005
BLOCK_PX = 8


@dataclass(frozen=True)
class Views:
    """The images of a tilt series, how they were taken, and how much each pixel counts."""

    images: Rate  # (tilt, y, x), without background
    weight: Series  # (tilt, y, x), 0 to 1
    tilt_deg: TiltAngles
    rotation_deg: PerTilt


@dataclass(frozen=True)
class Match:
    """Shifts, how well the others predict each map then, and what they ask for."""

    shift_px: Shifts
    residual: PerTilt  # of the prediction, relative to the map
    asked_px: Shifts  # further shifts that would make each map fit
    error_px: Shifts  # standard error of what is asked for


def reduced(images: Series, factor: int) -> Rate:
    """Return images on a grid coarser by a whole factor, with the same centre."""
    smooth = images.astype(np.float32)
    if factor == 1:
        return smooth
    smooth = ndimage.gaussian_filter(smooth, (0, factor / 2, factor / 2))
    shape = (len(images), *(-(-n // factor) for n in images.shape[1:]))
    # Pixel (m - 1) / 2 of the coarse grid lies on (n - 1) / 2 of the fine one.
    sizes = zip(images.shape[1:], shape[1:], strict=True)
    offset = [0, *(((n - 1) - factor * (m - 1)) / 2 for n, m in sizes)]
    return ndimage.affine_transform(
        smooth, [1, factor, factor], offset, shape, order=1, mode="nearest"
    )


def refine(views: Views, start: Match, n_rounds: int) -> Match:
    """Return shifts after rounds of projection matching.

    Ends when all shifts change by less than 0.1 pixel, or when a round lowers the
    residual by less than half a percent: it is then not kept.

    Parameters
    ----------
    views
        Images, and how they were taken.
    start
        First shifts, matched.
    n_rounds
        Rounds at most.
    """
    best = start
    for number in range(1, n_rounds + 1):
        shift_px = least_shifts(best.shift_px + best.asked_px, views.tilt_deg)
        largest = float(np.abs(shift_px - best.shift_px).max())
        if largest < CLOSE_PX:
            break
        found = match(views, shift_px)
        log.info(
            "round %d: shifts change by up to %.2f px, residual %.4f -> %.4f",
            *(number, largest, best.residual.mean(), found.residual.mean()),
        )
        if found.residual.mean() > (1 - WORTH) * best.residual.mean():
            break
        best = found
    return best


def match(views: Views, shift_px: Shifts) -> Match:
    """Compare each map with what the others predict of it.

    Done on a grid at most 128 pixels wide.

    Parameters
    ----------
    views
        Images, and how they were taken.
    shift_px
        ``(tilt, axis)`` of the fine grid.
    """
    factor = -(-views.images.shape[2] // WIDEST_PX)
    coarse = np.stack([reduced(views.images, factor), reduced(views.weight, factor)])
    _, _, n_y, n_x = coarse.shape
    geometry = Geometry(views.tilt_deg, n_y, n_x, views.rotation_deg, shift_px / factor)
    (aligned, weight), coverage = align_maps(coarse, geometry)
    # Half covered pixels hold half their value.
    seen = coverage > SEEN
    measured = np.divide(aligned, coverage, np.zeros_like(coverage), where=seen)
    counting = (weight * seen).clip(0, 1)
    expected = predicted(measured, counting, views.tilt_deg)
    compared = [_compared(*one) for one in zip(measured, expected, counting, strict=True)]
    residual, asked, error = (np.array(part, np.float64) for part in zip(*compared, strict=True))
    return Match(shift_px, residual, factor * asked, factor * error)


def predicted(aligned: Rate, weight: Series, tilt_deg: TiltAngles) -> Rate:
    """Return each aligned map as the others predict it.

    Every fourth map is left out in turn, the rest reconstructed by SIRT and projected.
    A map that took part would agree with itself wherever it stands.
    """
    maps = np.empty_like(aligned)
    _, n_y, n_x = aligned.shape
    n_folds = min(N_FOLDS, len(tilt_deg))
    for fold in range(n_folds):
        out = np.arange(len(tilt_deg)) % n_folds == fold
        rays = maps_to_block(weight[None, ~out])
        operator = weighted(projector(Geometry(tilt_deg[~out], n_y, n_x), 1), rays)
        volume = sirt(operator, rays * maps_to_block(aligned[None, ~out]), N_ITERATIONS)
        maps[out] = project(block_to_volumes(volume), tilt_deg[out])[0]
    return maps


def weighted(operator: LinearOperator, weights: Block) -> LinearOperator:
    """Return an operator whose maps are multiplied by weights, and its transpose."""

    def forward(volume: Block, out: Block | None = None) -> Block:
        projected = operator.forward(volume, out)
        projected *= weights
        return projected

    def adjoint(maps: Block, out: Block | None = None) -> Block:
        return operator.adjoint(weights * maps, out)

    return LinearOperator(forward, adjoint, operator.domain_shape, operator.range_shape)


def supported(operator: LinearOperator, support: Block) -> LinearOperator:
    """Return an operator on volumes that are multiplied by a support, and its transpose."""

    def forward(volume: Block, out: Block | None = None) -> Block:
        return operator.forward(support * volume, out)

    def adjoint(maps: Block, out: Block | None = None) -> Block:
        back = operator.adjoint(maps, out)
        back *= support
        return back

    return LinearOperator(forward, adjoint, operator.domain_shape, operator.range_shape)


def _compared(
    measured: Image, expected: Image, weight: Image
) -> tuple[float, tuple[float, float], tuple[float, float]]:
    """Return residual, the shift that is asked for, and its standard error."""
    one, other = (weight * measured).astype(np.float64), (weight * expected).astype(np.float64)
    norms = float(np.vdot(one, one)), float(np.vdot(other, other))
    if min(norms) == 0:
        return 1.0, (0.0, 0.0), (np.inf, np.inf)
    scaled = float(np.vdot(one, other)) / norms[1] * other
    rest = one - scaled
    residual = float(np.sqrt(np.vdot(rest, rest) / norms[0]))
    asked = image_shift(one, other, (one.shape[0] / 4, one.shape[1] / 4))
    return residual, asked, _error(rest, scaled)


def _error(rest: Image, expected: Image) -> tuple[float, float]:
    """Return the standard errors of a shift, from what the expected image leaves.

    Of a least-squares shift, to first order. What is left is correlated over some pixels:
    its sums over blocks are taken as independent.
    """
    errors = []
    for slope in np.gradient(expected):
        pull = _blocks(slope * rest)
        errors.append(float(np.sqrt(np.sum(pull**2)) / max(np.sum(slope**2), 1e-30)))
    return errors[0], errors[1]


def _blocks(image: Image) -> Blocks:
    """Return the sums over square blocks; what does not fill the last one is left out."""
    n_y, n_x = (n // BLOCK_PX for n in image.shape)
    part = image[: n_y * BLOCK_PX, : n_x * BLOCK_PX]
    return part.reshape(n_y, BLOCK_PX, n_x, BLOCK_PX).sum(axis=(1, 3))
