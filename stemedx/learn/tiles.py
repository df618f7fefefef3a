"""Networks applied to maps of any extent, in the extent they were trained on."""

from collections.abc import Callable

import torch

from stemedx.tensors import Patches


def over_tiles(predict: Callable[[Patches], Patches], maps: Patches, tile_px: int) -> Patches:
    """Return `predict` of `maps`, tile by tile where they are larger than a tile.

    Normalisation makes a network depend on the extent of what it sees, so it has to
    see what it was trained on. Neighbouring tiles share half of their pixels; a
    tile counts less towards its edges.

    Parameters
    ----------
    predict
        ``(patch, channel, y, x)`` to the same shape.
    maps
        Of any extent.
    tile_px
        Side of a tile, pixels: `crop_px` of the training.
    """
    n_y, n_x = maps.shape[-2:]
    if max(n_y, n_x) <= tile_px:
        return predict(maps)
    total, weights = torch.zeros_like(maps), torch.zeros_like(maps[:1, :1])
    for y in _tiles(n_y, tile_px):
        for x in _tiles(n_x, tile_px):
            part = maps[..., y, x]
            weight = _tent(part.shape[-2])[:, None] * _tent(part.shape[-1])
            total[..., y, x] += predict(part) * weight.to(maps)
            weights[..., y, x] += weight.to(maps)
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
