"""Parts of resampled maps with independent noise: holes, predicted from around them.

Interpolation spreads the noise of one photon over neighbouring pixels, so the two shares
of a thinned pixel are not independent, and neither are two neighbours. What is
predicted is therefore the middle of a hole in which nothing is seen. Holes are filled
with the mean of what is around them, so that they look like specimen and not like vacuum.

References
----------
Broaddus et al. (2020), IEEE Int. Symp. Biomed. Imaging, 159-163 (blind spots wider than
a pixel, for noise that neighbours share).
"""

from collections.abc import Iterator

import numpy as np
from scipy.ndimage import gaussian_filter

from stemedx.arrays import MeasuredMaps, PatchArray
from stemedx.learn.likelihoods import poisson
from stemedx.learn.samples import Copy, Sample, Split
from stemedx.params import DenoiseParams, TrainDenoiserParams

REACH_PX = 2  # pixels further apart share no noise: interpolated twice, bilinear
MIDDLE_PX = 3  # side of what is predicted in a hole
PITCH_PX = 12  # from hole to hole
HALF_PX = (PITCH_PX - MIDDLE_PX) // 2  # before the middle of a hole
FILL_PX = 3.0  # standard deviation of the mean around a hole


def blind_copies(
    maps: MeasuredMaps, params: DenoiseParams, rng: np.random.Generator
) -> Iterator[Copy]:
    """Yield copies with holes, which together tell of every pixel equally often.

    Parameters
    ----------
    maps
        ``(element, tilt, y, x)`` intensities in units of one photon.
    params
        Not used: as many copies are made as cover every pixel.
    rng
        Source of where the first hole is.
    """
    for first in _firsts(rng):
        hole, middle = _holes(maps.shape[2:], first)
        told = np.tile(middle.astype(np.float32), (*maps.shape[:2], 1, 1))
        yield Copy(_fill(maps, np.broadcast_to(hole, maps.shape)), 1.0, told)


def _firsts(rng: np.random.Generator) -> list[tuple[int, int]]:
    """Return the places of the first hole whose middles cover all pixels, shuffled.

    Each pixel is once at the start, once at the end and once inside of a middle in both
    directions, or the rates would show a grid.
    """
    places = range(0, PITCH_PX, MIDDLE_PX)
    every = [(y + n, x + n) for n in range(MIDDLE_PX) for y in places for x in places]
    return [every[n] for n in rng.permutation(len(every))]


def _hold_out(
    maps: MeasuredMaps, params: TrainDenoiserParams, rng: np.random.Generator
) -> tuple[MeasuredMaps, Sample]:
    """Set holes apart for good: nan in the maps that training sees."""
    masks = [_some_holes(maps.shape[2:], params.held_out, rng) for _ in range(maps.shape[1])]
    hole, middle = (np.stack(part) for part in zip(*masks, strict=True))
    kept = np.where(hole, np.float32(np.nan), maps)
    seen = _fill(maps, np.broadcast_to(hole, maps.shape)).swapaxes(0, 1)
    ones = np.ones(len(seen))
    told = np.repeat(middle[:, None].astype(np.float32), len(maps), axis=1)
    return kept, Sample(seen, ones, maps.swapaxes(0, 1), ones, told)


def _draw(patches: PatchArray, params: TrainDenoiserParams, rng: np.random.Generator) -> Sample:
    """Make holes anew in every patch; those set apart stay unseen."""
    unknown = np.isnan(patches)
    masks = [_holes(patches.shape[2:], _place(rng)) for _ in patches]
    hole, middle = (np.stack(part)[:, None] for part in zip(*masks, strict=True))
    known = np.where(unknown, np.float32(0), patches)
    told = (middle & ~unknown).astype(np.float32)
    ones = np.ones(len(patches))
    return Sample(_fill(known, hole | unknown), ones, known, ones, told)


def _place(rng: np.random.Generator) -> tuple[int, int]:
    y, x = rng.integers(PITCH_PX, size=2)
    return int(y), int(x)


def _some_holes(
    extent: tuple[int, ...], share: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return holes that take a share of all pixels, and their middles."""
    first = _place(rng)
    hole, middle = _holes(extent, first)
    is_chosen = rng.random([n // PITCH_PX + 3 for n in extent]) < share / hole.mean()
    # the number of the hole that a pixel is nearest to
    cells = [
        (np.arange(n) - at + HALF_PX) // PITCH_PX + 1 for n, at in zip(extent, first, strict=True)
    ]
    return hole & is_chosen[np.ix_(*cells)], middle & is_chosen[np.ix_(*cells)]


def _holes(extent: tuple[int, ...], first: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return where nothing is seen, and the middles of that, ``(y, x)``.

    Middles begin at `first` and repeat, those that the border cuts included.
    """
    distance = [
        (np.arange(n) - at + HALF_PX) % PITCH_PX - HALF_PX
        for n, at in zip(extent, first, strict=True)
    ]
    is_middle = [(d >= 0) & (d < MIDDLE_PX) for d in distance]
    is_hole = [(d >= -REACH_PX) & (d < MIDDLE_PX + REACH_PX) for d in distance]
    return np.logical_and.outer(*is_hole), np.logical_and.outer(*is_middle)


def _fill(maps: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Return `maps` ``(..., y, x)`` with holes holding the weighted mean around them."""
    sigma = (0.0,) * (maps.ndim - 2) + (FILL_PX, FILL_PX)
    weights = np.broadcast_to(~hole, maps.shape).astype(np.float32)
    around = gaussian_filter(weights * maps, sigma) / gaussian_filter(weights, sigma)
    return np.where(hole, around, maps).astype(np.float32)


BLIND_SPOTS = Split(_hold_out, _draw, poisson)
