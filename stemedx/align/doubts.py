"""What speaks against the tilts and the tilt axis that an alignment was made with."""

from itertools import combinations

import numpy as np

from stemedx.align.coarse import moved, row_sum_misfit
from stemedx.align.correlation import image_shift
from stemedx.align.refine import Views, reduced, weighted
from stemedx.arrays import Image, MeasuredMaps, Rate, Shifts, TiltAngles
from stemedx.project.blocks import block_to_volumes, maps_to_block
from stemedx.project.geometry import Geometry
from stemedx.project.projector import project, projector
from stemedx.reconstruct.simultaneous import sirt

WIDEST_PX = 48
N_ITERATIONS = 20
SAME_DEG = 0.05
STEEP_DEG = 15.0  # flatter maps look the same from both sides
CLEARLY = 2.5  # standard errors
BETTER = 0.03  # of a correlation


def turned_axis(images: Rate, tilt_deg: TiltAngles, max_shift_px: float) -> str | None:
    """Return a warning if the sums of columns agree better than those of rows.

    Sums along lines normal to the tilt axis are what tilting conserves.

    Parameters
    ----------
    images
        ``(tilt, y, x)`` without background, of a specimen inside the field.
    tilt_deg
        ``(tilt,)`` degrees.
    max_shift_px
        Largest shift from one tilt to the next, pixels.
    """
    factor = -(-max(images.shape[1:]) // WIDEST_PX)
    small = reduced(images, factor)
    turned = np.ascontiguousarray(np.rot90(small, axes=(1, 2)))
    reach = max_shift_px / factor
    rows, columns = (row_sum_misfit(one, reach) for one in (small, turned))
    saved = rows - columns
    if saved.mean() <= CLEARLY * saved.std(ddof=1) / np.sqrt(len(saved)):
        return None
    return (
        "the tilt axis seems to lie along image x: sums of columns agree better than sums of "
        "rows. If so, set tilt_axis_deg to 90 in the sheet"
    )


def repeated(maps: MeasuredMaps, tilt_deg: TiltAngles) -> list[str]:
    """Return warnings of tilts that are there twice, and of maps that are copies.

    Parameters
    ----------
    maps
        ``(element, tilt, y, x)`` as measured.
    tilt_deg
        ``(tilt,)`` degrees.
    """
    pairs = list(combinations(range(len(tilt_deg)), 2))
    twice = [one for one, other in pairs if abs(tilt_deg[one] - tilt_deg[other]) < SAME_DEG]
    copies = [pair for pair in pairs if np.array_equal(maps[:, pair[0]], maps[:, pair[1]])]
    told = []
    if twice:
        named = ", ".join(f"{tilt:g}" for tilt in tilt_deg[twice])
        told.append(
            f"these tilts are there twice: {named} deg. Both maps are used; if one was taken at "
            "another tilt, correct the tilts of the sheet"
        )
    for one, other in copies:
        told.append(
            f"the maps at {tilt_deg[one]:g} and {tilt_deg[other]:g} deg are the same, photon for "
            "photon: one seems to be a copy. Leave that file out"
        )
    return told


def wrong_signs(views: Views, shift_px: Shifts) -> str | None:
    """Return a warning if tilts fit better with the other sign.

    Each map is left out in turn, and compared with what the rest projects to at its tilt
    and at the negative of it. Negating all tilts mirrors the volume, which nothing tells.

    Parameters
    ----------
    views
        Images, and how they were taken.
    shift_px
        ``(tilt, axis)`` that align them.
    """
    factor = -(-views.weight.shape[2] // WIDEST_PX)
    small = reduced(views.images, factor)
    aligned, coverage = moved(small, views.tilt_deg, views.rotation_deg, shift_px / factor)
    seen = (coverage > 0.5).astype(np.float32)
    steep = np.flatnonzero(np.abs(views.tilt_deg) > STEEP_DEG)
    known = aligned * seen, seen, views.tilt_deg
    wrong = [tilt for tilt in steep.tolist() if _fits_better_negated(*known, tilt)]
    if not wrong:
        return None
    named = ", ".join(f"{views.tilt_deg[tilt]:g}" for tilt in wrong)
    return f"these tilts fit better with the other sign: {named} deg; check the tilts of the sheet"


def _fits_better_negated(aligned: Rate, seen: Rate, tilt_deg: TiltAngles, tilt: int) -> bool:
    others = np.arange(len(tilt_deg)) != tilt
    others &= np.abs(tilt_deg + tilt_deg[tilt]) > 0.5  # its mirror image would agree with itself
    rays = maps_to_block(seen[None, others])
    operator = weighted(
        projector(Geometry(tilt_deg[others], aligned.shape[1], aligned.shape[2]), 1), rays
    )
    volume = sirt(operator, maps_to_block(aligned[None, others]), N_ITERATIONS)
    both = np.array([tilt_deg[tilt], -tilt_deg[tilt]])
    as_told, negated = project(block_to_volumes(volume), both)[0]
    return _likeness(aligned[tilt], negated) > _likeness(aligned[tilt], as_told) + BETTER


def _likeness(image: Image, expected: Image) -> float:
    """Return the correlation once one lies on the other."""
    y, x = image_shift(image, expected, (image.shape[0] / 4, image.shape[1] / 4))
    moved_image = np.roll(image, (round(y), round(x)), axis=(0, 1))
    return float(np.corrcoef(moved_image.ravel(), expected.ravel())[0, 1])
