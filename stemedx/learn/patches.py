"""The patches of a batch: where they are cut, and how torch gets them."""

from typing import NamedTuple

import numpy as np
import torch

from stemedx.arrays import MeasuredMaps, PatchArray
from stemedx.tensors import Patches

# Axes to flip: (patch, channel, y, x) maps mirrored in all four ways.
MIRRORS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-2, -1))


class Window(NamedTuple):
    """A part of one projection."""

    tilt: int
    y: slice
    x: slice

    def of(self, maps: MeasuredMaps) -> PatchArray:
        """Return this part of ``(element, tilt, y, x)`` maps, ``(1, element, y, x)``."""
        return maps[None, :, self.tilt, self.y, self.x]


def draw_windows(
    shape: tuple[int, ...], n: int, crop_px: int, rng: np.random.Generator
) -> list[Window]:
    """Draw `n` windows of at most `crop_px` by `crop_px` from maps.

    Parameters
    ----------
    shape
        Of the maps, ``(element, tilt, y, x)``.
    n
        Number of windows.
    crop_px
        Side, pixels; a map smaller than this is used whole.
    rng
        Source of the choice.
    """

    def draw(size: int) -> slice:
        side = min(crop_px, size)
        first = int(rng.integers(size - side + 1))
        return slice(first, first + side)

    _, n_tilts, n_y, n_x = shape
    return [Window(int(rng.integers(n_tilts)), draw(n_y), draw(n_x)) for _ in range(n)]


def to_patches(patches: PatchArray, device: torch.device) -> Patches:
    """Return ``(patch, channel, y, x)`` as a tensor, in the layout that is fastest."""
    values = torch.from_numpy(np.ascontiguousarray(patches, np.float32))
    return values.to(device, memory_format=torch.channels_last)
