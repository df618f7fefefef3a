"""Projection matching: each map against the projection of the others' reconstruction."""

import logging
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from stemedx.align.alignment import least_shifts
from stemedx.align.correlation import image_shift
from stemedx.arrays import PerTilt, Rate, Series, Shifts, TiltAngles
from stemedx.project.blocks import block_to_volumes, maps_to_block
from stemedx.project.geometry import Geometry
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


@dataclass(frozen=True)
class Match:
    """Shifts, how well the others predict each map then, and what they ask for."""

    shift_px: Shifts
    residual: PerTilt  # of the prediction, relative to the map
    asked_px: Shifts  # further shifts that would make each map fit


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


def refine(
    images: Rate,
    tilt_deg: TiltAngles,
    rotation_deg: PerTilt,
    start: Match,
    n_rounds: int,
) -> Match:
    """Return shifts after rounds of projection matching.

    Ends when all shifts change by less than 0.1 pixel, or when a round lowers the
    residual by less than half a percent: it is then not kept.

    Parameters
    ----------
    images
        ``(tilt, y, x)`` without background.
    tilt_deg, rotation_deg
        ``(tilt,)`` degrees.
    start
        First shifts, matched.
    n_rounds
        Rounds at most.
    """
    best = start
    for number in range(1, n_rounds + 1):
        shift_px = least_shifts(best.shift_px + best.asked_px, tilt_deg)
        largest = float(np.abs(shift_px - best.shift_px).max())
        if largest < CLOSE_PX:
            break
        found = match(images, tilt_deg, rotation_deg, shift_px)
        log.info(
            "round %d: shifts change by up to %.2f px, residual %.4f -> %.4f",
            *(number, largest, best.residual.mean(), found.residual.mean()),
        )
        if found.residual.mean() > (1 - WORTH) * best.residual.mean():
            break
        best = found
    return best


def match(images: Rate, tilt_deg: TiltAngles, rotation_deg: PerTilt, shift_px: Shifts) -> Match:
    """Compare each map with what the others predict of it.

    Done on a grid at most 128 pixels wide.

    Parameters
    ----------
    images
        ``(tilt, y, x)`` without background.
    tilt_deg, rotation_deg
        ``(tilt,)`` degrees.
    shift_px
        ``(tilt, axis)`` of the fine grid.
    """
    factor = -(-images.shape[2] // WIDEST_PX)
    coarse = reduced(images, factor)
    _, n_y, n_x = coarse.shape
    geometry = Geometry(tilt_deg, n_y, n_x, rotation_deg, shift_px / factor)
    aligned, coverage = align_maps(coarse[None], geometry)
    # Half covered pixels hold half their value.
    seen = coverage > SEEN
    measured = np.divide(aligned[0], coverage, np.zeros_like(coverage), where=seen)
    expected = predicted(measured, tilt_deg) * seen
    residual, asked = [], []
    for one, other in zip(measured, expected, strict=True):
        residual.append(_residual(one, other))
        asked.append(image_shift(one, other, (one.shape[0] / 4, one.shape[1] / 4)))
    return Match(shift_px, np.array(residual), factor * np.array(asked))


def predicted(aligned: Rate, tilt_deg: TiltAngles) -> Rate:
    """Return each aligned map as the others predict it.

    Every fourth map is left out in turn, the rest reconstructed by SIRT and projected.
    A map that took part would agree with itself wherever it stands.
    """
    maps = np.empty_like(aligned)
    _, n_y, n_x = aligned.shape
    n_folds = min(N_FOLDS, len(tilt_deg))
    for fold in range(n_folds):
        out = np.arange(len(tilt_deg)) % n_folds == fold
        operator = projector(Geometry(tilt_deg[~out], n_y, n_x), 1)
        volume = sirt(operator, maps_to_block(aligned[None, ~out]), N_ITERATIONS)
        maps[out] = project(block_to_volumes(volume), tilt_deg[out])[0]
    return maps


def _residual(measured: Rate, expected: Rate) -> float:
    """Return the norm of what is left after the best factor, relative to the map."""
    one, other = measured.ravel().astype(np.float64), expected.ravel().astype(np.float64)
    norms = float(one @ one), float(other @ other)
    if min(norms) == 0:
        return 1.0
    rest = one - float(one @ other) / norms[1] * other
    return float(np.sqrt(rest @ rest / norms[0]))
