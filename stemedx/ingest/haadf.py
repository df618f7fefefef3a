"""The HAADF series that goes with a series of spectra or maps."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stemedx.arrays import Image, Series, TiltAngles
from stemedx.ingest.calibration import TOLERANCE, to_pixel_nm
from stemedx.ingest.contents import Read
from stemedx.ingest.files import raw_files
from stemedx.ingest.series import insist_equal_shapes
from stemedx.ingest.signals import Signal
from stemedx.ingest.tilts import View, tilts_of
from stemedx.ingest.views import is_picture, views_of

log = logging.getLogger(__name__)
SAME_TILT_DEG = 0.5
REMEDY = "Name the HAADF images of this series in the column haadf of the sheet, or leave it empty."


@dataclass(frozen=True, eq=False)
class Picture:
    """One HAADF image, its view, and its scan step (nm) where the file has one."""

    view: View
    values: Image
    pixel_nm: float | None


def is_haadf(signal: Signal) -> bool:
    """Tell whether title or file name say that a picture is HAADF."""
    return is_picture(signal) and "haadf" in f"{signal.title} {signal.file.stem}".lower()


def to_pictures(signal: Signal) -> list[Picture]:
    """Return the images of a signal, one per view.

    Raises
    ------
    ValueError
        If it cannot be read, or a value is not a finite real number.
    """
    is_stack = len(signal.axes) == 3
    pixel_nm = to_pixel_nm(signal.axes[-2], signal.axes[-1], signal.file)
    return [
        Picture(view, _real(signal.load(view.index), view), pixel_nm)
        for view in views_of(signal, signal.axes[0] if is_stack else None)
    ]


def read_pictures(pattern: str, read: Read) -> list[Picture]:
    """Return the HAADF images that the column `haadf` of a sheet names.

    Of several pictures in a file, the one that is called HAADF.

    Raises
    ------
    ValueError
        If there are no such files, or one of them has no picture, or several.
    """
    pictures = []
    for path in raw_files(pattern, "haadf"):
        signals = [signal for signal in read(path).signals if is_picture(signal)]
        chosen = signals if len(signals) == 1 else [one for one in signals if is_haadf(one)]
        if len(chosen) != 1:
            raise ValueError(
                f"{path}: expected one HAADF image or stack, found "
                f"{', '.join(repr(one.title) for one in signals) or 'no image'}. {REMEDY}"
            )
        pictures += to_pictures(chosen[0])
    return pictures


def to_series(
    pictures: Sequence[Picture],
    known: dict[View, float],
    tilt_deg: TiltAngles,
    shape: tuple[int, int],
    pixel_nm: float,
    said: str | None,
) -> Series:
    """Return ``(tilt, y, x)`` HAADF, the image of each tilt in its place.

    Parameters
    ----------
    pictures
        In natural order of their files; more than are needed will do.
    known
        Tilts of the views of spectra: an image of the same view has the same.
    tilt_deg
        ``(tilt)`` the tilts that are wanted, degrees.
    shape, pixel_nm
        Rows, columns and scan step that are wanted.
    said
        Tilts as the sheet says, for images that do not tell their own.

    Raises
    ------
    ValueError
        If shapes or scan steps differ from what is wanted, or a tilt has no image.
    """
    if not all(picture.view in known for picture in pictures):
        known = _tilts_of_pictures(pictures, said)
    images = [_nearest(pictures, known, tilt) for tilt in tilt_deg.tolist()]
    files = [picture.view.file for picture in images]
    insist_equal_shapes([picture.values.shape for picture in images], files, "images")
    first = images[0]
    if first.values.shape != shape:
        raise ValueError(
            f"{first.view.file}: expected HAADF of {shape[0]} x {shape[1]} pixels as the maps, "
            f"found {first.values.shape[0]} x {first.values.shape[1]}. {REMEDY}"
        )
    if first.pixel_nm is not None and abs(first.pixel_nm - pixel_nm) > 4 * TOLERANCE * pixel_nm:
        log.warning("%s: pixels of %g nm, not %g", first.view.file, first.pixel_nm, pixel_nm)
    return np.stack([picture.values for picture in images])


def _tilts_of_pictures(pictures: Sequence[Picture], said: str | None) -> dict[View, float]:
    views = [picture.view for picture in pictures]
    try:
        found = tilts_of(views, None)
    except ValueError:
        if said is None:
            raise
        found = tilts_of(views, said)
    return dict(zip(views, found.deg, strict=True))


def _nearest(pictures: Sequence[Picture], known: dict[View, float], tilt: float) -> Picture:
    nearest = min(pictures, key=lambda picture: abs(known[picture.view] - tilt))
    if abs(known[nearest.view] - tilt) > SAME_TILT_DEG:
        raise ValueError(
            f"{nearest.view.file.parent}: expected a HAADF image at {tilt:g} degrees, found "
            f"{known[nearest.view]:g} ({nearest.view.name}) as the nearest. {REMEDY}"
        )
    return nearest


def _real(values: np.ndarray, view: View) -> Image:
    is_fine = np.isrealobj(values) and values.dtype.kind in "fiub"
    if not is_fine or values.ndim != 2 or not np.isfinite(values).all():
        raise ValueError(
            f"{view.file}: expected a HAADF image (y, x) of finite numbers, found {values.ndim} "
            f"axes of {values.dtype} in {view.name}. {REMEDY}"
        )
    return values.astype(np.float32)
