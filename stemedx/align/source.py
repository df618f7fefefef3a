"""What an alignment is made from: HAADF and elements, without background."""

from dataclasses import dataclass, replace

import numpy as np

from stemedx.align.doubts import repeated
from stemedx.align.images import (
    above_vacuum,
    is_contained,
    of_equal_totals,
    width_for,
    without_vacuum,
)
from stemedx.align.refine import Views
from stemedx.arrays import MeasuredMaps, PerTilt, Rate, Rates, Series, TiltAngles
from stemedx.params import AlignParams

FEWEST_TILTS = 3
FEW_PHOTONS = 300


@dataclass(frozen=True)
class Source:
    """What an alignment is made from."""

    smooth: Rates  # (channel, tilt, y, x) HAADF if there is any, elements; no background
    channels: Rates  # the same, not smoothed
    n_shown: int  # 1 with HAADF, else all: their sum shows where the specimen is
    is_inside: bool  # the specimen lies within the field at every tilt
    warnings: tuple[str, ...]

    @property
    def n_images(self) -> int:
        """1 if the first channel is the HAADF, else 0."""
        return 1 if self.n_shown < len(self.channels) else 0

    @property
    def images(self) -> Rate:
        """HAADF, or the sum of elements, smoothed: ``(tilt, y, x)``."""
        return self.smooth[: self.n_shown].sum(axis=0)

    def views(self, tilt_deg: TiltAngles, rotation_deg: PerTilt) -> Views:
        """Return what projection matching compares, before anything is known of weights."""
        weight = np.ones(self.smooth.shape[1:], np.float32)
        return Views(self.smooth, self.n_shown, weight, tilt_deg, rotation_deg)


def to_source(
    maps: MeasuredMaps, haadf: Series | None, tilt_deg: TiltAngles, params: AlignParams
) -> Source:
    """Return the images to align by: HAADF if there is any, else the sum of elements.

    Parameters
    ----------
    maps
        ``(element, tilt, y, x)`` counts or intensities.
    haadf
        ``(tilt, y, x)`` or None.
    tilt_deg
        ``(tilt,)`` degrees.
    params
        Smoothing.

    Raises
    ------
    ValueError
        If there are fewer than three tilts, or one is blank.
    """
    if len(tilt_deg) < FEWEST_TILTS:
        raise ValueError(
            f"expected at least {FEWEST_TILTS} tilts, found {len(tilt_deg)}. Fewer cannot be "
            "aligned: add the missing files."
        )
    total = maps.sum(axis=0, dtype=np.float32)
    _refuse_blank(total, tilt_deg, "element maps")
    warnings = repeated(maps, tilt_deg)
    width = width_for(maps, params.smooth_px)
    elements = [one for one in maps if one.any()]
    seen, widths = elements, [width] * len(elements)
    if haadf is None:
        photons = float(np.median(total.sum(axis=(1, 2), dtype=np.float64)))
        if photons < FEW_PHOTONS:
            warnings.append(f"few photons: {photons:.0f} in the median map, all elements together")
    else:
        _refuse_blank(haadf, tilt_deg, "HAADF")
        seen, widths = [haadf, *elements], [params.smooth_px, *widths]
    n_shown = len(seen) if haadf is None else 1
    smooth = np.stack([above_vacuum(*one) for one in zip(seen, widths, strict=True)])
    channels = np.stack([without_vacuum(one, width) for one in seen])
    source = Source(
        smooth, channels, n_shown, is_contained(smooth[:n_shown].sum(axis=0)), tuple(warnings)
    )
    if source.is_inside:
        return replace(source, smooth=of_equal_totals(smooth), channels=of_equal_totals(channels))
    larger = "the specimen, or a neighbour, reaches the border of the field"
    return replace(source, warnings=(*warnings, larger))


def _refuse_blank(images: Series, tilt_deg: TiltAngles, what: str) -> None:
    blank = images.max(axis=(1, 2)) == images.min(axis=(1, 2))
    if blank.any():
        tilts = ", ".join(f"{tilt:g}" for tilt in tilt_deg[blank])
        raise ValueError(
            f"expected something to see at every tilt, found blank {what} at {tilts} deg. "
            "Leave that file out, or repair it."
        )
