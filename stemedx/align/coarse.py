"""First estimate of shifts and tilt axis, from the images alone."""

import numpy as np
from scipy import ndimage

from stemedx.align.correlation import image_shift, profile_shift, vertex
from stemedx.arrays import Image, PerTilt, Rate, Rows, Series, Shifts, TiltAngles
from stemedx.project.geometry import Geometry
from stemedx.project.warp import align_maps

ROUNDS = 10
CLOSE_PX = 0.01
WITHIN = 0.3
COARSE = 16
STEEPEST = 0.1
AXIS_STEP_DEG = 1.0
CLEARLY = 2.5


def moved(
    images: Rate, tilt_deg: TiltAngles, rotation_deg: PerTilt, shift_px: Shifts
) -> tuple[Rate, Series]:
    """Return images in the aligned frame, and the share of each pixel they cover."""
    _, n_y, n_x = images.shape
    geometry = Geometry(tilt_deg, n_y, n_x, rotation_deg, shift_px)
    aligned, coverage = align_maps(images[None], geometry)
    return aligned[0], coverage


def shifts_inside(
    images: Rate, tilt_deg: TiltAngles, rotation_deg: PerTilt, max_shift_px: float
) -> Shifts:
    """Return the shifts of a specimen that lies inside the field.

    Along the axis by `shifts_along`; across it by `shifts_across`, in the part of the
    field that all tilts then see, so that a neighbour cut by the border is cut alike.

    Parameters
    ----------
    images
        ``(tilt, y, x)`` without background.
    tilt_deg
        ``(tilt,)`` degrees.
    rotation_deg
        ``(tilt,)`` counter-clockwise, applied first.
    max_shift_px
        Largest shift from one tilt to the next, pixels.
    """
    shift_px = np.zeros((len(images), 2))
    upright, _ = moved(images, tilt_deg, rotation_deg, shift_px)
    shift_px[:, 0] = shifts_along(upright, max_shift_px)
    level, coverage = moved(images, tilt_deg, rotation_deg, shift_px)
    shift_px[:, 1] = shifts_across(level * (coverage.min(axis=0) > 0.5))
    return shift_px


def shifts_along(images: Series, max_shift_px: float) -> PerTilt:
    """Return the shifts along the tilt axis that make the row sums agree.

    The sum over a row is what tilting conserves, if all of the specimen lies in the
    field. Each is compared with its neighbour, then with the mean of all others.

    Parameters
    ----------
    images
        ``(tilt, y, x)`` without background.
    max_shift_px
        Largest shift from one tilt to the next, pixels.
    """
    profiles = row_profiles(images)
    pairs = zip(profiles[1:], profiles[:-1], strict=True)
    steps = [profile_shift(later, earlier, max_shift_px) for later, earlier in pairs]
    shifts = np.concatenate([[0.0], np.cumsum(steps)])
    for _ in range(ROUNDS):
        shifts = shifts - shifts.mean()
        level = shifted(profiles, shifts)
        others = level.sum(axis=0) - level
        pairs = zip(level, others, strict=True)
        left = np.array([profile_shift(profile, mean, max_shift_px) for profile, mean in pairs])
        shifts = shifts + left
        if np.abs(left).max() < CLOSE_PX:
            break
    return shifts - shifts.mean()


def row_profiles(images: Series) -> Rows:
    """Return the sum of each row, ``(tilt, y)``, scaled to 1 in all."""
    rows = images.sum(axis=2, dtype=np.float64)
    return rows / np.maximum(np.abs(rows).sum(axis=1, keepdims=True), 1e-12)


def shifted(profiles: Rows, shifts: PerTilt) -> Rows:
    """Return profiles moved by fractions of a sample."""
    pairs = zip(profiles, shifts, strict=True)
    return np.stack([ndimage.shift(profile, by, order=1) for profile, by in pairs])


def shifts_across(images: Series) -> PerTilt:
    """Return the shifts that bring each centre of mass to the centre of the field.

    Parameters
    ----------
    images
        ``(tilt, y, x)`` without background, of a specimen inside the field.
    """
    bright = np.percentile(images, 99, axis=(1, 2))[:, None, None]
    specimen = np.where(images > WITHIN * bright, images, 0)
    columns = specimen.sum(axis=1, dtype=np.float64)
    x = np.arange(images.shape[2]) - (images.shape[2] - 1) / 2
    return -(columns @ x) / np.maximum(columns.sum(axis=1), 1e-12)


def shifts_of_neighbours(images: Rate, tilt_deg: TiltAngles, max_shift_px: float) -> Shifts:
    """Return the shifts that make each image lie on its neighbour, accumulated.

    For a specimen larger than the field: a plane that fills it shrinks, tilted, by the
    cosine. Of two neighbours the more tilted is stretched by the ratio; going out from
    the least tilted. Details are compared, not areas, so that what enters at the
    borders matters little.

    Parameters
    ----------
    images
        ``(tilt, y, x)``, rotated already.
    tilt_deg
        ``(tilt,)`` degrees, rising.
    max_shift_px
        Largest shift from one tilt to the next, pixels.
    """
    # Edge on, a plane tells nothing and would be stretched without end.
    cosine = np.maximum(np.cos(np.deg2rad(tilt_deg)), STEEPEST)
    flattest = int(np.argmax(cosine))
    shifts = np.zeros((len(images), 2))
    outwards = [*range(flattest + 1, len(images)), *range(flattest - 1, -1, -1)]
    for tilt in outwards:
        inner = tilt - 1 if tilt > flattest else tilt + 1
        ratio = cosine[inner] / cosine[tilt]
        pair = details(stretched(images[tilt], ratio)), details(images[inner])
        y, x = image_shift(*pair, (max_shift_px, max_shift_px))
        shifts[tilt] = shifts[inner, 0] + y, (shifts[inner, 1] + x) / ratio
    return shifts


def stretched(image: Image, ratio: float) -> Image:
    """Return an image magnified across the tilt axis, about its centre."""
    centre = (image.shape[1] - 1) / 2
    offset = [0, centre - centre / ratio]
    return ndimage.affine_transform(image, [1, 1 / ratio], offset, order=1, mode="nearest")


def details(image: Image) -> Image:
    """Return what is finer than an eighth of the image, fading towards its borders."""
    coarse = ndimage.gaussian_filter(image, min(image.shape) / COARSE)
    y, x = (np.hanning(n + 2)[1:-1] for n in image.shape)
    return (image - coarse) * np.sqrt(y[:, None] * x)


def axis_angle(images: Rate, tilt_deg: TiltAngles, max_shift_px: float, within_deg: float) -> float:
    """Return the rotation that makes the row sums agree best, counter-clockwise.

    Zero unless it is clearly better than none: a round specimen does not tell, and
    noise then would.

    Parameters
    ----------
    images
        ``(tilt, y, x)`` without background, of a specimen inside the field.
    tilt_deg
        ``(tilt,)`` degrees.
    max_shift_px
        Largest shift from one tilt to the next, pixels.
    within_deg
        Angles up to this are tried on either side.
    """
    n_steps = int(within_deg / AXIS_STEP_DEG)
    angles = AXIS_STEP_DEG * np.arange(-n_steps, n_steps + 1)
    misfit = np.array([_misfit(images, tilt_deg, max_shift_px, angle) for angle in angles])
    total = misfit.sum(axis=1)
    best = int(total.argmin())
    # Not at 0 itself: an image that is not turned is not smoothed by it either.
    saved = misfit[[n_steps - 1, n_steps + 1]].mean(axis=0) - misfit[best]
    error = saved.std(ddof=1) / np.sqrt(len(saved))
    if best in (0, len(angles) - 1) or saved.mean() < CLEARLY * error:
        return 0.0
    return float(angles[best] + AXIS_STEP_DEG * vertex(-total, best))


def _misfit(images: Rate, tilt_deg: TiltAngles, max_shift_px: float, angle: float) -> PerTilt:
    """Return the misfit of the row sums once the images are turned."""
    rotation = np.full(len(images), angle)
    upright, _ = moved(images, tilt_deg, rotation, np.zeros((len(images), 2)))
    return row_sum_misfit(upright, max_shift_px)


def row_sum_misfit(images: Rate, max_shift_px: float) -> PerTilt:
    """Return how far the row sums are from their mean once they lie on each other.

    Parameters
    ----------
    images
        ``(tilt, y, x)`` without background.
    max_shift_px
        Largest shift from one tilt to the next, pixels.
    """
    profiles = row_profiles(images)
    level = shifted(profiles, shifts_along(images, max_shift_px))
    return np.sum((level - level.mean(axis=0)) ** 2, axis=1)
