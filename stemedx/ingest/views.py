"""The views, one per tilt, that the signals of raw files hold."""

import numpy as np

from stemedx.ingest.signals import Axis, Signal
from stemedx.ingest.tilts import View
from stemedx.ingest.units import to_deg, to_nm

UNCALIBRATED = ("", "px", "pix", "pixel", "pixels", "<undefined>")


def views_of(signal: Signal, axis: Axis | None) -> list[View]:
    """Return the views of a signal: one, or one for each index of its first axis.

    Parameters
    ----------
    signal
        An image, or a stack of images or spectrum images.
    axis
        The first axis of a stack; None for a single image.
    """
    if axis is None:
        return [View(signal.file, stage_deg=signal.stage_deg)]
    tilts = _axis_tilts(axis)
    return [
        View(signal.file, n, None if tilts is None else float(tilts[n]))
        for n in range(len(axis.values))
    ]


def is_picture(signal: Signal) -> bool:
    """Tell whether a signal is an image, or a stack of images, in real space."""
    lateral = [axis.units for axis in signal.axes[-2:]]
    # a diffraction pattern has 1/nm; an image without calibration nothing, or px
    is_real = all(units in UNCALIBRATED or to_nm(units) is not None for units in lateral)
    has_no_energy = signal.energy_axis is None and not signal.is_eels
    return len(signal.axes) in (2, 3) and has_no_energy and is_real


def is_spectrum_image(signal: Signal) -> bool:
    """Tell whether a signal is a spectrum image, or a stack of them."""
    return len(signal.axes) in (3, 4) and signal.energy_axis is not None


def _axis_tilts(axis: Axis) -> np.ndarray | None:
    """Return the tilts that an axis is calibrated in, degrees; None if it is not."""
    to_degrees = to_deg(axis.units)
    if to_degrees is not None:
        return axis.values * to_degrees
    is_default = np.array_equal(axis.values, np.arange(len(axis.values)))
    is_tilt = "tilt" in axis.name.lower() and not axis.units and not is_default
    return axis.values if is_tilt else None
