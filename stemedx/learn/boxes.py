"""The parts of volumes that a 3-D network is trained on and applied to."""

from collections.abc import Callable, Iterator

import numpy as np
import torch

from stemedx.arrays import Volumes
from stemedx.tensors import VolumePatches

Box = tuple[slice, slice, slice]  # of a volume, (z, y, x)
MULTIPLE = 4  # every side of a part is one of this
N_AXES = 3


def box_shapes(patch_px: int) -> list[tuple[int, ...]]:
    """Return a cube, and a slab across each axis that holds as many voxels.

    With 128 voxels these are the shapes of Han et al. (2021): 128 x 128 x 128 and
    256 x 256 x 32.
    """
    thin, wide = patch_px // 4, 2 * patch_px
    return [
        (patch_px, patch_px, patch_px),
        (thin, wide, wide),
        (wide, thin, wide),
        (wide, wide, thin),
    ]


def draw_box(shape: tuple[int, ...], patch_px: int, rng: np.random.Generator) -> Box:
    """Draw a part, of one of the `box_shapes`, of volumes ``(element, z, y, x)``.

    Smaller where the volume is.
    """
    shapes = box_shapes(patch_px)
    wanted = shapes[rng.integers(len(shapes))]

    def draw(n: int, side: int) -> slice:
        side = fitting(n, side)
        first = int(rng.integers(n - side + 1))
        return slice(first, first + side)

    z, y, x = map(draw, shape[1:], wanted)
    return z, y, x


def middle_box(shape: tuple[int, ...], patch_px: int) -> Box:
    """Return the cube in the middle of volumes ``(element, z, y, x)``."""
    sides = [fitting(n, patch_px) for n in shape[1:]]
    firsts = [(n - side) // 2 for n, side in zip(shape[1:], sides, strict=True)]
    z, y, x = (slice(first, first + side) for first, side in zip(firsts, sides, strict=True))
    return z, y, x


def over_boxes(
    predict: Callable[[VolumePatches], VolumePatches], volumes: Volumes, patch_px: int
) -> Volumes:
    """Return `predict` of volumes, slab by slab, the mean of slabs across each axis.

    Slabs of one direction overlap by half or more; all count alike, as published.

    Parameters
    ----------
    predict
        ``(patch, element, z, y, x)`` to the same shape.
    volumes
        ``(element, z, y, x)``.
    patch_px
        See `box_shapes`.
    """
    mean = np.zeros(volumes.shape, np.float32)
    for shape in box_shapes(patch_px)[1:]:
        total, weights = np.zeros_like(volumes), np.zeros(volumes.shape[1:], np.float32)
        for box in _tiles(volumes.shape[1:], shape):
            made = predict(to_volume_patch(volumes[:, *box]))
            total[:, *box] += made[0].numpy()
            weights[box] += 1
        mean += total / weights / N_AXES
    return mean


def to_volume_patch(volumes: Volumes) -> VolumePatches:
    """Return ``(element, z, y, x)`` volumes as a batch of one patch."""
    return torch.from_numpy(np.ascontiguousarray(volumes, np.float32))[None]


def fitting(n: int, side: int) -> int:
    """Return the largest multiple of four that is neither above `n` nor `side`.

    Raises
    ------
    ValueError
        If there is none.
    """
    fits = min(n, side) // MULTIPLE * MULTIPLE
    if not fits:
        raise ValueError(
            f"end_to_end: expected volumes of at least {MULTIPLE} voxels along each axis, found "
            f"{n}. Leave the method out for this specimen."
        )
    return fits


def _tiles(shape: tuple[int, ...], wanted: tuple[int, ...]) -> Iterator[Box]:
    for z in _starts(shape[0], wanted[0]):
        for y in _starts(shape[1], wanted[1]):
            for x in _starts(shape[2], wanted[2]):
                yield z, y, x


def _starts(n: int, wanted: int) -> list[slice]:
    """Return slices that cover `n` voxels, each half a slice or less after the other."""
    side = fitting(n, wanted)
    n_steps = -(-2 * (n - side) // side)
    firsts = np.linspace(0, n - side, n_steps + 1).round().astype(int).tolist()
    return [slice(first, first + side) for first in firsts]
