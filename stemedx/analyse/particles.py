"""Find the particles in a reconstruction."""

import logging
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.segmentation import expand_labels

from stemedx.arrays import Volume, Volumes

log = logging.getLogger(__name__)
# A thinner shell may be darker than the threshold on the sum of all elements.
MARGIN = 0.25


@dataclass(frozen=True)
class Particle:
    """A box of a volume that holds one particle."""

    box: tuple[slice, slice, slice]  # (z, y, x) of the volume
    inside: np.ndarray  # (z, y, x) of the box: the voxels that were labelled
    region: np.ndarray  # (z, y, x) of the box: those and the nearest around them
    touches_edge: bool  # it may go on outside the volume


def find_particles(
    volumes: Volumes, *, min_diameter_px: float, threshold: float, max_particles: int
) -> list[Particle]:
    """Return the largest particles of a reconstruction, largest first.

    The sum over elements is smoothed by a Gaussian with a standard deviation of an
    eighth of the smallest diameter. A particle is a connected set of voxels above
    `threshold` times the typical value of as many of the brightest voxels as the
    smallest particle has. Particles that touch are one.

    Parameters
    ----------
    volumes
        ``(element, z, y, x)`` amount of each element, any unit.
    min_diameter_px
        Diameter of a sphere with as many voxels as the smallest particle, voxels.
    threshold
        Share of the typical value, between 0 and 1.
    max_particles
        The largest this many are returned.
    """
    total = ndimage.gaussian_filter(volumes.sum(axis=0), min_diameter_px / 8)
    n_smallest = max(1, round(np.pi / 6 * min_diameter_px**3))
    labels, n_labels = ndimage.label(total > threshold * _bright(total, n_smallest))
    sizes = np.bincount(labels.ravel(), minlength=n_labels + 1)[1:]
    largest = np.argsort(-sizes, kind="stable")
    found = [int(n) + 1 for n in largest if sizes[n] >= n_smallest]
    log.info("%d particles of %d voxels or more", len(found), n_smallest)
    labels[~np.isin(labels, found)] = 0
    boxes = ndimage.find_objects(labels)
    return [_particle(labels, n, boxes[n - 1]) for n in found[:max_particles]]


def _bright(total: Volume, n_smallest: int) -> float:
    """Return the median of the `n_smallest` brightest voxels; infinite if they are dark."""
    n = min(n_smallest, total.size)
    bright = float(np.median(np.partition(total, total.size - n, axis=None)[-n:]))
    return bright if bright > 0 else np.inf


def _particle(labels: np.ndarray, label: int, tight: tuple[slice, ...]) -> Particle:
    """Cut out one label and the voxels around it that no other is nearer to."""
    margin = 1 + round(MARGIN * max(side.stop - side.start for side in tight))
    # A neighbour that owns a voxel of the margin is at most two margins away.
    z, y, x = (
        slice(max(0, side.start - 2 * margin), min(n, side.stop + 2 * margin))
        for side, n in zip(tight, labels.shape, strict=True)
    )
    near = labels[z, y, x]
    touches = any(
        side.start == 0 or side.stop == n for side, n in zip(tight, labels.shape, strict=True)
    )
    return Particle((z, y, x), near == label, expand_labels(near, margin) == label, touches)
