"""Matter that photons and HAADF show, and shares of other phases cannot explain.

Such as a core without any mapped element: photons of what surrounds it are too few
along all rays through it, and its HAADF is that of no phase around. Total variation does
not let a small one appear, even if its phase is listed: where it stands out, it is put in.
"""

from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter, label, maximum

from stemedx.arrays import Block, Pixels, Volume
from stemedx.project.blocks import maps_to_block
from stemedx.project.cropped import Crop, cropped_projector
from stemedx.reconstruct.mixture import Mixture, expected_images
from stemedx.reconstruct.primal_dual import State
from stemedx.reconstruct.shares import Level, Settled, Steps, settled

BALLS_PX = (1.25, 2.5)  # standard deviations of the balls that are looked at, coarse voxels
SOLID = 0.7  # filling of a ball above which it is within the specimen
FEWEST = 2.0  # standard errors by which photons must be too few at least
UNLISTED = "unlisted"
AGAIN = Steps(plain=0, rising=0, full=3)
STANDS_OUT = 5.0  # of photons and HAADF together: out of some hundred balls, none by chance


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
    measured = level.measured
    operator = cropped_projector(measured.geometry, left.shape[-1], crop, measured.place)
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
    image = level.images - expected_images(mixture, projected)
    left = np.concatenate([weight * (counts - expected) @ holds, image[..., None]], axis=-1)
    noise = np.full((*image.shape, 1), mixture.noise**2)
    return left, np.concatenate([weight**2 * variance @ holds, noise], axis=-1)


def _smooth(maps: Pixels, width_px: float) -> Block:
    smooth = gaussian_filter(maps, (0, width_px, width_px, 0), mode="constant")
    return smooth.astype(np.float32)


def _spread(values: Pixels) -> float:
    """Return their standard deviation as the median tells; 1 at least."""
    return max(float(np.median(np.abs(values - np.median(values)))) / 0.6745, 1.0)


def explained(level: Level, found: Settled, crop: Crop, n: int) -> tuple[Level, Settled, list[str]]:
    """Return a solution in which matter without photons has its place, and what to tell.

    The same where nothing stands out.

    Parameters
    ----------
    level, found, crop, n
        As in `lacking`.
    """
    off = lacking(level, found, crop, n)
    if off.max() <= STANDS_OUT:
        return level, found, []
    start = with_dark(found, off)
    n_shares = len(start.mixture.names)
    measured = level.measured
    operator = cropped_projector(measured.geometry, n_shares, crop, measured.place)
    level = replace(level, operator=operator)
    again = settled(level, start, AGAIN)
    if n_shares > len(found.mixture.names):
        meaning = "a phase without mapped elements seems to be missing from the column phases"
        return level, again, [_told(off, crop, found.mixture, meaning)]
    off = lacking(level, again, crop, n)
    if off.max() <= STANDS_OUT:
        return level, again, []
    meaning = "too little of a phase without mapped elements to be resolved"
    return level, again, [_told(off, crop, found.mixture, meaning)]


def _told(off: Volume, crop: Crop, mixture: Mixture, meaning: str) -> str:
    at = np.unravel_index(off.argmax(), off.shape)
    z, x, y = (int(i) + axis.start for i, axis in zip(at, (crop.z, crop.x, crop.y), strict=True))
    pairs = zip(mixture.names, mixture.is_mapped, strict=True)
    mapped = ", ".join(name for name, is_mapped in pairs if is_mapped)
    return (
        f"about voxel z {z}, y {y}, x {x} photons are too few and HAADF is not that of {mapped} "
        f"({off.max():.1f} standard errors together): {meaning}"
    )


def with_dark(found: Settled, off: Volume) -> Settled:
    """Return a start with matter without photons in the places where it stands out.

    It is made of the phases without mapped elements, or else of one more, `UNLISTED`. A
    place ends where half as much stands out. The total variation of a ball of that size
    is given back to these phases: it would make them vanish.

    Parameters
    ----------
    found
        A solution.
    off
        ``(z, x, y)`` what `lacking` tells of it.
    """
    found = _with_unlisted(found) if found.mixture.is_mapped.all() else found
    is_dark = ~found.mixture.is_mapped
    parts, n_parts = label(off > STANDS_OUT / 2)
    highest = maximum(off, parts, np.arange(n_parts + 1))[parts]
    is_place = (parts > 0) & (highest > STANDS_OUT) & (off > highest / 2)
    filled = np.where(is_place[..., None], is_dark / is_dark.sum(), found.state.volume)
    n_places = len(np.unique(parts[is_place]))
    radius_px = (np.count_nonzero(is_place) / n_places * 3 / (4 * np.pi)) ** (1 / 3)
    # of a ball: curvature 2 / radius, at an edge between two shares
    pull = found.pull - is_dark * 2 * 2**0.5 / radius_px
    return Settled(found.mixture, State(filled.astype(np.float32)), pull)


def _with_unlisted(found: Settled) -> Settled:
    """Return the same with one share more, of 0, whose HAADF is that of the brightest phase."""
    mixture, shares = found.mixture, found.state.volume
    brightest = mixture.prior.argmax()
    more = replace(
        mixture, names=(*mixture.names, UNLISTED),
        atoms=np.pad(mixture.atoms, ((0, 0), (0, 1))),
        haadf=np.append(mixture.haadf, mixture.haadf[brightest]),
        prior=np.append(mixture.prior, mixture.prior[brightest]),
    )  # fmt: skip
    return Settled(more, State(np.pad(shares, ((0, 0),) * 3 + ((0, 1),))), np.append(found.pull, 0))
