"""Networks applied to maps of any extent, in the extent they were trained on."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from stemedx.tensors import Features


def over_tiles(predict: Callable[[Features], Features], maps: Features, tile_px: int) -> Features:
    """Return `predict` of `maps`, tile by tile where they are larger than a tile.

    Normalisation makes a network depend on the extent of what it sees, so it has to
    see what it was trained on. Neighbouring tiles share half of their pixels; a
    tile counts less towards its edges.

    Parameters
    ----------
    predict
        ``(patch, channel, y, x)`` to the same extent.
    maps
        Of any extent.
    tile_px
        Side of a tile, pixels: `crop_px` of the training.
    """
    n_y, n_x = maps.shape[-2:]
    if max(n_y, n_x) <= tile_px:
        return predict(maps)
    total: Tensor | float = 0.0
    weights = torch.zeros_like(maps[:1, :1])
    for y in _tiles(n_y, tile_px):
        for x in _tiles(n_x, tile_px):
            part = predict(maps[..., y, x])
            weight = (_tent(part.shape[-2])[:, None] * _tent(part.shape[-1])).to(part)
            around = (x.start, n_x - x.stop, y.start, n_y - y.stop)
            total = total + functional.pad(part * weight, around)
            weights[..., y, x] += weight
    return total / weights


def _tiles(n: int, side: int) -> list[slice]:
    """Return slices of `side` pixels, evenly spread, that overlap by half or more."""
    if n <= side:
        return [slice(0, n)]
    n_tiles = -(-2 * n // side) - 1
    firsts = [round(k * (n - side) / (n_tiles - 1)) for k in range(n_tiles)]
    return [slice(first, first + side) for first in firsts]


def _tent(n: int) -> torch.Tensor:
    """Return weights that fall from the middle to the ends, and stay above 0."""
    return (n + 1) / 2 - (torch.arange(n) - (n - 1) / 2).abs()
