"""Planes through a reconstruction, where its largest particle is."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from stemedx.arrays import CoarseVolume, Volume, Volumes
from stemedx.figures.grids import Column

ROUNDS = 3  # more would follow noise down
MARGIN = 0.15  # of the longest side of what is shown, on each side
SMALLEST_SHARE = 0.05  # of the largest particle's voxels: smaller ones may be cut off
COARSE_SIDE = 96  # voxels of the longest side on which particles are looked for


@dataclass(frozen=True)
class Focus:
    """Where to cut a volume, and how much of it to show."""

    centre: tuple[int, int, int]  # (z, y, x) voxel in which the planes meet
    box: tuple[slice, slice, slice]  # (z, y, x) voxels to show


def find_focus(volumes: Volumes) -> Focus:
    """Return the centre of mass of the largest particle, and a box around all.

    Particles are looked for in the sum of all elements, on a coarse grid, where it
    exceeds half its plateau. Without any, planes meet in the middle of the volume.

    Parameters
    ----------
    volumes
        ``(element, z, y, x)`` amount of each element, any unit.
    """
    step = -(-max(volumes.shape[1:]) // COARSE_SIDE)
    total = ndimage.gaussian_filter(coarse(volumes.sum(axis=0), step), 1.0)
    labels, n_labels = ndimage.label(total > plateau(total) / 2)
    if n_labels == 0:
        n_z, n_y, n_x = volumes.shape[1:]
        whole = (slice(0, n_z), slice(0, n_y), slice(0, n_x))
        return Focus((n_z // 2, n_y // 2, n_x // 2), whole)
    sizes = np.bincount(labels.ravel())[1:]
    largest = int(sizes.argmax()) + 1
    z, y, x = ndimage.center_of_mass(np.clip(total, 0, None), labels, largest)
    seen = np.isin(labels, 1 + np.flatnonzero(sizes >= SMALLEST_SHARE * sizes.max()))
    box = ndimage.find_objects(seen.astype(np.uint8))[0]
    margin = 2 + MARGIN * max(side.stop - side.start for side in box)
    wide = (
        slice(
            max(0, round((side.start - margin) * step)), min(n, round((side.stop + margin) * step))
        )
        for side, n in zip(box, volumes.shape[1:], strict=True)
    )
    return Focus((_fine(z, step), _fine(y, step), _fine(x, step)), tuple(wide))  # type: ignore[arg-type]


def _fine(at: float, step: int) -> int:
    """Return the voxel at the middle of a coarse one."""
    return round((at + 0.5) * step - 0.5)


def coarse(volume: Volume, step: int) -> CoarseVolume:
    """Return means over cubes of `step` voxels; what does not fill a cube is left out."""
    if step == 1:
        return volume
    n_z, n_y, n_x = (n // step for n in volume.shape)
    whole = volume[: n_z * step, : n_y * step, : n_x * step]
    return whole.reshape(n_z, step, n_y, step, n_x, step).mean(axis=(1, 3, 5), dtype=np.float32)


def plateau(volume: Volume) -> float:
    """Return the typical value where there is material; infinite where there is none.

    The median of those values that exceed half of it, found from above.
    """
    typical = float(volume.max())
    for _ in range(ROUNDS):
        if typical <= 0:
            return np.inf
        typical = float(np.median(volume[volume > typical / 2]))
    return typical


def planes(volumes: Volumes, focus: Focus, pixel_nm: float) -> list[Column]:
    """Return three planes that meet in the centre of a focus, normal to z, y and x.

    The first is seen along the beam as the maps are; the second, normal to the tilt
    axis, is where missing tilts show most.

    Parameters
    ----------
    volumes
        ``(element, z, y, x)`` amount of each element, any unit.
    focus
        Where the planes are.
    pixel_nm
        Edge of a voxel, nm; positions count from the centre of the volume.
    """
    z, y, x = focus.box
    at_z, at_y, at_x = focus.centre
    shape = volumes.shape[1:]
    first = [(s.start - (n - 1) / 2) * pixel_nm for s, n in zip(focus.box, shape, strict=True)]
    at = [(c - (n - 1) / 2) * pixel_nm for c, n in zip(focus.centre, shape, strict=True)]
    along_x = volumes[:, z, y, at_x].transpose(0, 2, 1)
    return [
        Column(f"z = {at[0]:.4g} nm", f"y down, x across\n(z = {at[0]:.1f} nm)",
               volumes[:, at_z, y, x], (first[1], first[2])),
        Column(f"y = {at[1]:.4g} nm", f"z down, x across\n(y = {at[1]:.1f} nm)",
               volumes[:, z, at_y, x], (first[0], first[2])),
        Column(f"x = {at[2]:.4g} nm", f"y down, z across\n(x = {at[2]:.1f} nm)",
               along_x, (first[1], first[0])),
    ]  # fmt: skip
