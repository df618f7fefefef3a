"""Matter that photons and HAADF show, and shares of other phases cannot explain.

Such as a core without any mapped element: photons of what surrounds it are too few
along all rays through it, and its HAADF is that of no phase around. Total variation does
not let a small one appear, even if its phase is listed: it is told.
"""

import numpy as np
from scipy.ndimage import gaussian_filter

from stemedx.arrays import Block, Pixels, Volume
from stemedx.project.blocks import maps_to_block
from stemedx.project.cropped import Crop, cropped_projector
from stemedx.reconstruct.mixture import Mixture
from stemedx.reconstruct.shares import Level, Settled

BALLS_PX = (1.25, 2.5)  # standard deviations of the balls that are looked at, coarse voxels
SOLID = 0.7  # filling of a ball above which it is within the specimen
FEWEST = 2.0  # standard errors by which photons must be too few at least
STANDS_OUT = 6.0  # of photons and HAADF together: out of some hundred balls, none by chance


def lacking(level: Level, found: Settled, crop: Crop, n: int) -> Volume:
    """Return ``(z, x, y)`` by how many standard errors a ball is not what it is filled with.

    For each ball the photons along the rays through it are compared with the expected
    ones, of all elements of the phase that fills it, and the HAADF likewise. Where
    photons are too few, the two distances are added in quadrature; elsewhere, and at the
    edge of the specimen, 0. Errors are those of counting, or the spread over the specimen
    where that is larger: images that are not quite those of the model do not stand out.

    Parameters
    ----------
    level, found
        Maps and HAADF, and their solution.
    crop
        The box of its voxels.
    n
        Pixels a side of a voxel in which `BALLS_PX` are given.
    """
    mixture, shares = found.mixture, found.state.volume
    left, variance = _left_over(level, mixture, level.operator.forward(shares))
    operator = cropped_projector(level.measured.geometry, left.shape[-1], crop)
    of_mapped = shares[..., mixture.is_mapped]
    own = of_mapped.argmax(axis=-1)[..., None]
    distance = np.zeros(shares.shape[:-1])
    for ball_px in (n * coarse_px for coarse_px in BALLS_PX):
        seen = operator.adjoint(_smooth(left, ball_px))
        # the square of a Gaussian is one of 1 / sqrt(2) its width
        chance = operator.adjoint(_smooth(variance, ball_px / 2**0.5)) / (4 * np.pi * ball_px**2)
        off = seen / np.sqrt(np.maximum(chance, 1e-30))
        is_solid = gaussian_filter(of_mapped.sum(axis=-1), ball_px) > SOLID
        if not is_solid.any():
            continue
        few = np.take_along_axis(off[..., :-1], own, -1)[..., 0]
        few, image = few / _spread(few[is_solid]), off[..., -1] / _spread(off[is_solid, -1])
        stands_out = np.hypot(few, image) * (is_solid & (few < -FEWEST))
        distance = np.maximum(distance, stands_out)
    return distance.astype(np.float32)


def _left_over(level: Level, mixture: Mixture, projected: Block) -> tuple[Pixels, Pixels]:
    """Return ``(tilt, x, y, mapped phase + 1)`` what is not expected, and its variance."""
    measured, calibration = level.measured, mixture.calibration
    weight = measured.weight.transpose(0, 2, 1)[..., None]
    rate = projected @ (mixture.atoms * mixture.yields[:, None]).T
    rate = rate * calibration.gain.T[:, None, None] + calibration.background.T[:, None, None]
    expected = -np.expm1(-rate) if measured.signal == "hits" else rate
    variance = expected * (1 - expected) if measured.signal == "hits" else expected
    counts = maps_to_block(np.asarray(measured.maps, np.float32))
    holds = (mixture.atoms[:, mixture.is_mapped] > 0).astype(float)
    image = level.images - projected @ mixture.haadf - mixture.offset[:, None, None]
    left = np.concatenate([weight * (counts - expected) @ holds, image[..., None]], axis=-1)
    noise = np.full((*image.shape, 1), mixture.noise**2)
    return left, np.concatenate([weight**2 * variance @ holds, noise], axis=-1)


def _smooth(maps: Pixels, width_px: float) -> Block:
    smooth = gaussian_filter(maps, (0, width_px, width_px, 0), mode="constant")
    return smooth.astype(np.float32)


def _spread(values: Pixels) -> float:
    """Return their standard deviation as the median tells; 1 at least."""
    return max(float(np.median(np.abs(values - np.median(values)))) / 0.6745, 1.0)


def doubts(level: Level, found: Settled, crop: Crop, n: int) -> list[str]:
    """Return whether there is matter that the shares do not explain, and where.

    Parameters
    ----------
    level, found, crop, n
        As in `lacking`.
    """
    mixture, off = found.mixture, lacking(level, found, crop, n)
    if off.max() <= STANDS_OUT:
        return []
    place = np.unravel_index(off.argmax(), off.shape)
    z, x, y = (
        int(at) + axis.start for at, axis in zip(place, (crop.z, crop.x, crop.y), strict=True)
    )
    mapped = [name for name, is_mapped in zip(mixture.names, mixture.is_mapped, strict=True)
              if is_mapped]  # fmt: skip
    dark = [name for name in mixture.names if name not in mapped]
    meaning = (
        f"{', '.join(dark)} may be there, too little of it to be resolved"
        if dark
        else "a phase without mapped elements seems to be missing from the column phases of the "
        "sheet"
    )
    return [
        f"about voxel z {z}, y {y}, x {x} photons are too few and HAADF is not that of "
        f"{', '.join(mapped)} ({off.max():.1f} standard errors together): {meaning}"
    ]
