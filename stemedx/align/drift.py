"""Drift between the frames of an acquisition, and events moved against it."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.signal.windows import tukey

from stemedx.align.correlation import image_shift
from stemedx.align.images import width_for
from stemedx.arrays import (
    FrameMaps,
    Frames,
    FrameShifts,
    Image,
    PerFrame,
    Rate,
    WholeShifts,
    WiderFrameMaps,
    WiderFrames,
)

FEWEST_FRAMES = 2
COARSE = 16  # details are finer than this share of the field
FADING = 0.25  # share of the field over which details fade to 0
ROUNDS = 10
CLOSE_PX = 0.02
REACH_PX = 3.0  # of the rounds after the first
NARROW = 0.25
APART = 0.5


@dataclass(frozen=True)
class FrameSource:
    """What the drift is found from."""

    images: Rate  # (frame, y, x), smoothed
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Drift:
    """How each frame has to be moved, and how well it agrees with the others then."""

    shift_px: FrameShifts  # rows down and columns right, mean 0
    agreement: PerFrame  # correlation with the mean of the others, up to 1
    warnings: tuple[str, ...]


def to_frame_source(maps: FrameMaps, haadf: Frames | None, smooth_px: float) -> FrameSource:
    """Return the images to find drift by: HAADF if there is any, else the sum of elements.

    Parameters
    ----------
    maps
        ``(element, frame, y, x)`` counts.
    haadf
        ``(frame, y, x)`` or None.
    smooth_px
        Standard deviation of the Gaussian applied to HAADF; counts get a wider one where
        they are few.

    Raises
    ------
    ValueError
        If there are fewer than two frames, or one is blank.
    """
    images = maps.sum(axis=0, dtype=np.float32) if haadf is None else haadf.astype(np.float32)
    _refuse_unusable(images)
    if haadf is not None:
        return FrameSource(ndimage.gaussian_filter(images, (0, smooth_px, smooth_px)), ())
    width = width_for(maps, smooth_px)
    alone = "no HAADF frames: the drift is found from the counts alone, less surely"
    return FrameSource(ndimage.gaussian_filter(images, (0, width, width)), (alone,))


def find_drift(source: FrameSource, max_shift_px: float) -> Drift:
    """Return the drift of frames, to a fraction of a pixel.

    First each frame is laid on the one before; then, in rounds, each on the mean of all
    others, in the part of the field that all frames see. Details are compared, so that
    uneven brightness does not matter. A frame that is distorted within itself has one
    shift like the others, the mean over that part.

    Parameters
    ----------
    source
        From `to_frame_source`.
    max_shift_px
        Largest move from one frame to the next, pixels.

    Raises
    ------
    ValueError
        If frames drift so far that no field is left that all of them see.
    """
    shift_px = _of_neighbours(source.images, max_shift_px)
    for _ in range(ROUNDS):
        moved = _on_common_field(source.images, shift_px)
        asked = np.array([image_shift(*pair, (REACH_PX, REACH_PX)) for pair in _pairs(moved)])
        shift_px = shift_px + asked - asked.mean(axis=0)
        if np.abs(asked).max() < CLOSE_PX:
            break
    pairs = _pairs(_on_common_field(source.images, shift_px))
    agreement = np.array([_correlation(*pair) for pair in pairs])
    warnings = source.warnings
    if (apart := agreement < APART * np.median(agreement)).any():
        frames = ", ".join(map(str, np.flatnonzero(apart) + 1))
        warnings = (*warnings, f"the others do not look like frame {frames}: leave it out")
    return Drift(shift_px, agreement, warnings)


def move_frames(maps: FrameMaps, whole_px: WholeShifts) -> tuple[WiderFrameMaps, WiderFrames]:
    """Return events moved by whole pixels, on a field that holds all of them.

    No count is lost, split or made. Of the larger field each frame has scanned a part.

    Parameters
    ----------
    maps
        ``(element, frame, y, x)`` counts.
    whole_px
        ``(frame, axis)`` rows down and columns right.

    Returns
    -------
    moved
        ``(element, frame, y, x)`` of the same kind.
    scanned
        ``(frame, y, x)`` uint8: 1 where a frame has scanned.
    """
    n_y, n_x = maps.shape[2:]
    place = whole_px - whole_px.min(axis=0)
    n_down, n_right = place.max(axis=0)
    shape = (n_y + n_down, n_x + n_right)
    moved = np.zeros((*maps.shape[:2], *shape), maps.dtype)
    scanned = np.zeros((maps.shape[1], *shape), np.uint8)
    for frame, (y, x) in enumerate(place):
        moved[:, frame, y : y + n_y, x : x + n_x] = maps[:, frame]
        scanned[frame, y : y + n_y, x : x + n_x] = 1
    return moved, scanned


def _refuse_unusable(images: Frames) -> None:
    if len(images) < FEWEST_FRAMES:
        raise ValueError(
            f"expected at least {FEWEST_FRAMES} frames, found {len(images)}. Export the frames "
            "one by one, not their sum."
        )
    blank = images.max(axis=(1, 2)) == images.min(axis=(1, 2))
    if blank.any():
        frames = ", ".join(map(str, np.flatnonzero(blank) + 1))
        raise ValueError(
            f"expected something to see in every frame, found frame {frames} blank. Leave it out."
        )


def _of_neighbours(images: Rate, max_shift_px: float) -> FrameShifts:
    """Return the shifts that lay each frame on the one before, accumulated."""
    shown = [_details(image) for image in images]
    reach = (max_shift_px, max_shift_px)
    pairs = zip(shown[1:], shown[:-1], strict=True)
    steps = [image_shift(later, earlier, reach) for later, earlier in pairs]
    shift_px = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
    return shift_px - shift_px.mean(axis=0)


def _on_common_field(images: Rate, shift_px: FrameShifts) -> Frames:
    """Return moved frames, only the part of the field that all of them see."""
    field = [
        slice(int(np.ceil(max(0.0, most))), n + int(np.floor(min(0.0, least))))
        for n, most, least in zip(
            images.shape[1:], shift_px.max(axis=0), shift_px.min(axis=0), strict=True
        )
    ]
    for side, n, drift in zip(field, images.shape[1:], np.ptp(shift_px, axis=0), strict=True):
        if side.stop - side.start < NARROW * n:
            raise ValueError(
                f"expected frames that show the same place, found a drift of {drift:.0f} pixels "
                f"in a field of {n}. Leave out the frames that drift too far."
            )
    pairs = zip(images, shift_px, strict=True)
    moved = [ndimage.shift(image, by, order=1, mode="nearest") for image, by in pairs]
    return np.stack(moved)[:, field[0], field[1]]


def _pairs(moved: Frames) -> list[tuple[Image, Image]]:
    """Return the details of each frame, and of the mean of all others."""
    total = moved.sum(axis=0)
    others = [(total - image) / (len(moved) - 1) for image in moved]
    return [(_details(one), _details(mean)) for one, mean in zip(moved, others, strict=True)]


def _details(image: Image) -> Image:
    """Return what is finer than a sixteenth of the field, fading towards its borders."""
    fine = image - ndimage.gaussian_filter(image, min(image.shape) / COARSE, truncate=3)
    y, x = (tukey(n + 2, FADING)[1:-1].astype(np.float32) for n in image.shape)
    return fine * y[:, None] * x


def _correlation(one: Image, other: Image) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])
