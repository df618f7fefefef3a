"""How intense one photon is in maps that were resampled or scaled."""

import numpy as np

from stemedx.arrays import Series

TILE_PX = 16
BLOCKS_PX = (2, 4)  # both divide half a tile, so that tiles may overlap by half
BRIGHT = 0.3  # share of the brightest tiles' mean that a tile must have
FEWEST_TILES = 3


def estimate_variance_to_mean(maps: Series) -> float:
    """Return variance over mean of resampled counts, as if pixels were independent.

    Interpolation leaves neighbours correlated: the variance of a pixel is too small,
    that of the sum over a block of pixels grows with the block towards the true one.
    For correlations of one or two pixels the root of the ratio, variance over mean of
    sums over blocks of side b, is ``r - c / b``; r is extrapolated from two b. In
    tiles of 16 x 16 pixels a quadratic surface takes the specimen away; the median over
    bright tiles passes over those at its edges. Scaled counts give their scale.

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
    if root <= 0:
        raise ValueError(
            f"expected noise whose variance grows with the mean, found none ({small**2:.2g} of "
            f"the mean in blocks of {b_small} pixels, {large**2:.2g} of {b_large}). The maps may "
            "be smoothed or simulated: export counts."
        )
    return float(root**2)


def _typical_ratio(maps: np.ndarray, side: int) -> float:
    """Return the median over bright tiles of variance over mean of block sums."""
    n = TILE_PX // side
    tiles = _tiles(_block_sums(maps.astype(np.float64), side), n, TILE_PX // 2 // side)
    means = tiles.mean(axis=1)
    is_bright = means > BRIGHT * np.quantile(means, 0.98) if len(means) else means > 0
    if is_bright.sum() < FEWEST_TILES:
        raise ValueError(
            f"expected at least {FEWEST_TILES} tiles of {TILE_PX} x {TILE_PX} pixels with signal "
            f"to tell the noise of intensities, found {int(is_bright.sum())} in maps of "
            f"{maps.shape}. Use larger maps, or counts."
        )
    surface = _surfaces(n)
    left = tiles[is_bright] - tiles[is_bright] @ surface @ surface.T
    freedom = n * n - surface.shape[1]
    ratios = (left**2).sum(axis=1) / freedom / means[is_bright]
    # the median of a chi-squared variable lies below its mean (Wilson & Hilferty 1931)
    return float(np.median(ratios)) / (1 - 2 / (9 * freedom)) ** 3


def _block_sums(maps: np.ndarray, side: int) -> np.ndarray:
    n_tilts, n_y, n_x = maps.shape[0], maps.shape[1] // side, maps.shape[2] // side
    whole = maps[:, : n_y * side, : n_x * side]
    return whole.reshape(n_tilts, n_y, side, n_x, side).sum(axis=(2, 4))


def _tiles(blocks: np.ndarray, n: int, step: int) -> np.ndarray:
    """Return ``(tile, block)`` all tiles of n x n blocks, `step` blocks apart."""
    if min(blocks.shape[1:]) < n:
        return np.empty((0, n * n))
    windows = np.lib.stride_tricks.sliding_window_view(blocks, (n, n), axis=(1, 2))
    return windows[:, ::step, ::step].reshape(-1, n * n)


def _surfaces(n: int) -> np.ndarray:
    """Return orthonormal columns that span the quadratic surfaces over n x n blocks."""
    y, x = (axis.ravel() - (n - 1) / 2 for axis in np.indices((n, n)))
    return np.linalg.qr(np.stack([np.ones(n * n), y, x, y * y, y * x, x * x], axis=1))[0]
