"""How intense one photon is in maps that were resampled or scaled."""

import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter

from stemedx.arrays import Series

TILE_PX = 16
BLOCKS_PX = (2, 4)  # both divide half a tile, so that tiles may overlap by half
BRIGHT = 0.3  # share of the brightest tiles' mean that a tile must have
EVEN = 0.6  # share of its brightest neighbour's mean that each neighbour must have
NOISELESS = 1e-3  # one photon is more than this share of the largest pixel
FEWEST_TILES, ENOUGH_TILES = 3, 30


def estimate_variance_to_mean(maps: Series) -> float:
    """Return variance over mean of resampled counts, as if pixels were independent.

    Interpolation leaves neighbours correlated: the variance of a pixel is too small,
    that of the sum over a block of pixels grows with the block towards the true one.
    For correlations of one or two pixels the root of the ratio, variance over mean of
    sums over blocks of side b, is ``r - c / b``; r is extrapolated from two b. In
    tiles of 16 x 16 pixels a quadratic surface takes the specimen away; tiles at its
    edges, where that fails, are left out if there are enough others. Scaled counts
    give their scale.

    Parameters
    ----------
    maps
        ``(tilt, y, x)`` intensities >= 0 of one element.

    Returns
    -------
    variance_to_mean
        Intensity of one photon; 1 for maps that are 0 everywhere.

    Raises
    ------
    ValueError
        If there are too few tiles with signal, or no noise in them.
    """
    if not maps.any():
        return 1.0
    small, large = (np.sqrt(_typical_ratio(maps, side)) for side in BLOCKS_PX)
    b_small, b_large = BLOCKS_PX
    root = (b_large * large - b_small * small) / (b_large - b_small)
    if large**2 <= NOISELESS * maps.max() or root <= 0:
        raise ValueError(
            f"expected noise whose variance grows with the mean, found none ({small**2:.2g} of "
            f"the mean in blocks of {b_small} pixels, {large**2:.2g} of {b_large}). The maps may "
            "be smoothed or simulated: export counts."
        )
    return float(root**2)


def _typical_ratio(maps: np.ndarray, side: int) -> float:
    """Return the median over chosen tiles of variance over mean of block sums."""
    n = TILE_PX // side
    tiles = _tiles(_block_sums(maps.astype(np.float64), side), n, TILE_PX // 2 // side)
    means = tiles.mean(axis=-1)
    is_chosen = _choose(means)
    if is_chosen.sum() < FEWEST_TILES:
        raise ValueError(
            f"expected at least {FEWEST_TILES} tiles of {TILE_PX} x {TILE_PX} pixels with signal "
            f"to tell the noise of intensities, found {int(is_chosen.sum())} in maps of "
            f"{maps.shape}. Use larger maps, or counts."
        )
    surface = _surfaces(n)
    chosen = tiles[is_chosen]
    left = chosen - chosen @ surface @ surface.T
    freedom = n * n - surface.shape[1]
    ratios = (left**2).sum(axis=1) / freedom / means[is_chosen]
    # the median of a chi-squared variable lies below its mean (Wilson & Hilferty 1931)
    return float(np.median(ratios)) / (1 - 2 / (9 * freedom)) ** 3


def _choose(means: np.ndarray) -> np.ndarray:
    """Return which tiles are bright and, if enough of them are, away from edges."""
    if not means.size:
        return means > 0
    is_bright = means > BRIGHT * np.quantile(means, 0.98)
    lowest, highest = minimum_filter(means, (1, 3, 3)), maximum_filter(means, (1, 3, 3))
    is_inside = is_bright & (lowest > EVEN * highest)
    return is_inside if is_inside.sum() >= ENOUGH_TILES else is_bright


def _block_sums(maps: np.ndarray, side: int) -> np.ndarray:
    n_tilts, n_y, n_x = maps.shape[0], maps.shape[1] // side, maps.shape[2] // side
    whole = maps[:, : n_y * side, : n_x * side]
    return whole.reshape(n_tilts, n_y, side, n_x, side).sum(axis=(2, 4))


def _tiles(blocks: np.ndarray, n: int, step: int) -> np.ndarray:
    """Return ``(tilt, row, column, block)``: tiles of n x n blocks, `step` blocks apart."""
    if min(blocks.shape[1:]) < n:
        return np.empty((0, 0, 0, n * n))
    windows = np.lib.stride_tricks.sliding_window_view(blocks, (n, n), axis=(1, 2))
    chosen = windows[:, ::step, ::step]
    return chosen.reshape(*chosen.shape[:3], n * n)


def _surfaces(n: int) -> np.ndarray:
    """Return orthonormal columns that span the quadratic surfaces over n x n blocks."""
    y, x = (axis.ravel() - (n - 1) / 2 for axis in np.indices((n, n)))
    return np.linalg.qr(np.stack([np.ones(n * n), y, x, y * y, y * x, x * x], axis=1))[0]
