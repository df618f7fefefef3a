"""Projection matching: each map against the projection of the others' reconstruction."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from stemedx.align.correlation import image_shift
from stemedx.arrays import (
    Block,
    Blocks,
    Image,
    Mask,
    PerTilt,
    Rate,
    Rates,
    Series,
    Shifts,
    Spread,
    TiltAngles,
    Volumes,
)
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
FAINT = 0.1  # of the brightest: beyond it there is nothing to compare
MARGIN = 12  # a twelfth of the field is left around it


@dataclass(frozen=True)
class Views:
    """The maps of a tilt series, how they were taken, and how much each pixel counts."""

    channels: Rates  # (channel, tilt, y, x) HAADF if there is any, elements; no background
    n_shown: int  # the first of them that `images` are the sum of
    weight: Series  # (tilt, y, x), 0 to 1
    tilt_deg: TiltAngles
    rotation_deg: PerTilt

    @property
    def images(self) -> Rate:
        """HAADF, or the sum of elements: ``(tilt, y, x)``."""
        return self.channels[: self.n_shown].sum(axis=0)


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

    Shifts are asked for by all channels together, each by the noise of what it leaves: the
    likeliest of Gaussian noise. The residual is that of `Views.images`. Done on a grid at
    most 128 pixels wide.

    Parameters
    ----------
    views
        Images, and how they were taken.
    shift_px
        ``(tilt, axis)`` of the fine grid.
    """
    maps, counting, factor = lined_up(views, shift_px)
    shown = slice(views.n_shown)
    expected = predicted(maps, counting, views.tilt_deg)
    residual = _residual(*(counting * one[shown].sum(axis=0) for one in (maps, expected)))
    asked, error = _asked(counting * maps, counting * expected)
    return Match(shift_px, residual, factor * asked, factor * error)


def lined_up(views: Views, shift_px: Shifts) -> tuple[Rates, Series, int]:
    """Return aligned maps of what is bright, how far pixels count, and how coarse they are."""
    factor = -(-views.weight.shape[2] // WIDEST_PX)
    coarse = np.stack([reduced(one, factor) for one in (*views.channels, views.weight)])
    n_y, n_x = coarse.shape[2:]
    geometry = Geometry(views.tilt_deg, n_y, n_x, views.rotation_deg, shift_px / factor)
    aligned, coverage = align_maps(coarse, geometry)
    # Half covered pixels hold half their value.
    seen = coverage > SEEN
    maps = np.divide(aligned[:-1], coverage, np.zeros_like(aligned[:-1]), where=seen)
    counting = (aligned[-1] * seen).clip(0, 1)
    box = _box(counting * maps[: views.n_shown].sum(axis=0))
    return maps[:, :, *box], counting[:, *box], factor


def _box(images: Rate) -> tuple[slice, slice]:
    """Return the rows, and the columns on both sides of the axis, that hold what is bright."""
    bright = images.max(axis=0) > FAINT * images.max()
    n_y, n_x = bright.shape
    rows, columns = (np.flatnonzero(bright.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return slice(0, n_y), slice(0, n_x)
    margin_y, margin_x = n_y // MARGIN, n_x // MARGIN
    left = max(0, min(int(columns[0]), n_x - 1 - int(columns[-1])) - margin_x)
    above, below = int(rows[0]) - margin_y, int(rows[-1]) + 1 + margin_y
    return slice(max(0, above), below), slice(left, n_x - left)


def predicted(aligned: Rates, weight: Series, tilt_deg: TiltAngles) -> Rates:
    """Return each aligned map as the others predict it."""
    maps = np.empty_like(aligned)
    for out, volumes in left_out(aligned, weight, tilt_deg):
        maps[:, out] = project(volumes, tilt_deg[out])
    return maps


def left_out(
    aligned: Rates, weight: Series, tilt_deg: TiltAngles
) -> Iterator[tuple[Mask, Volumes]]:
    """Leave every fourth tilt out in turn: yield which, and what the rest shows.

    A map that took part would agree with itself wherever it stands.
    """
    n_folds = min(N_FOLDS, len(tilt_deg))
    for fold in range(n_folds):
        out = np.arange(len(tilt_deg)) % n_folds == fold
        yield out, reconstructed(aligned[:, ~out], weight[~out], tilt_deg[~out])


def reconstructed(aligned: Rates, weight: Series, tilt_deg: TiltAngles) -> Volumes:
    """Return volumes by SIRT from weighted maps."""
    n_channels, _, n_y, n_x = aligned.shape
    rays = maps_to_block(weight[None])
    operator = weighted(projector(Geometry(tilt_deg, n_y, n_x), n_channels), rays)
    return block_to_volumes(sirt(operator, rays * maps_to_block(aligned), N_ITERATIONS))


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


def _residual(measured: Rate, expected: Rate) -> PerTilt:
    """Return what the best multiple of each expected image leaves, relative to the map."""
    left = measured - brightness(measured, expected) * expected
    norms = (np.sqrt(np.sum(one**2, axis=(1, 2), dtype=np.float64)) for one in (left, measured))
    above, below = norms
    return np.divide(above, below, out=np.ones_like(below), where=below > 0)


def brightness(measured: Rate, expected: Rate) -> Spread:
    """Return the multiple of each expected image that leaves least of the measured one."""
    one, other = measured.astype(np.float64), expected.astype(np.float64)
    norm = np.sum(other**2, axis=(-2, -1), keepdims=True)
    alike = np.sum(one * other, axis=(-2, -1), keepdims=True)
    return np.divide(alike, norm, out=np.zeros_like(norm), where=norm > 0)


def noise_of(left: Spread) -> Spread:
    """Return the variance of a pixel in each channel, ``(channel,)``, were noise white.

    It is correlated over some pixels: what remains of it in sums over blocks counts.
    """
    sums = np.array([[block_sums(one) for one in channel] for channel in left])
    return np.mean(sums**2, axis=(1, 2, 3)) / BLOCK_PX**2


def _asked(measured: Rates, expected: Rates) -> tuple[Shifts, Shifts]:
    """Return the shift that makes each tilt likeliest, and its standard error."""
    scaled = brightness(measured, expected) * expected
    left = measured - scaled
    noise = noise_of(left)
    weigh = np.divide(1, noise, out=np.zeros(len(noise)), where=noise > 0)
    reach = (measured.shape[2] / 4, measured.shape[3] / 4)
    asked, error = [], []
    for tilt in range(measured.shape[1]):
        weighed = weigh[:, None, None] * scaled[:, tilt]
        asked.append(image_shift(measured[:, tilt], weighed, reach))
        error.append(_error(left[:, tilt], scaled[:, tilt], weigh))
    return np.array(asked), np.array(error)


def _error(left: Spread, expected: Spread, weigh: Spread) -> tuple[float, float]:
    """Return the standard errors of a shift, from what the expected images leave.

    Of a least-squares shift, to first order. What is left is correlated over some pixels:
    its sums over blocks are taken as independent.
    """
    errors = []
    for axis in (1, 2):
        slope = np.gradient(expected, axis=axis)
        pulls = np.tensordot(weigh, slope * left, 1)
        steep = float(np.tensordot(weigh, slope**2, 1).sum())
        errors.append(float(np.sqrt(np.sum(block_sums(pulls) ** 2))) / steep if steep else np.inf)
    return errors[0], errors[1]


def block_sums(image: Image) -> Blocks:
    """Return the sums over square blocks; what does not fill the last one is left out."""
    n_y, n_x = (n // BLOCK_PX for n in image.shape)
    part = image[: n_y * BLOCK_PX, : n_x * BLOCK_PX]
    return part.reshape(n_y, BLOCK_PX, n_x, BLOCK_PX).sum(axis=(1, 3))
