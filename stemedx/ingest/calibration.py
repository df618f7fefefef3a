"""Scan step and energy axis of raw signals, compared from file to file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stemedx.ingest.signals import Axis
from stemedx.ingest.units import to_keV, to_nm

TOLERANCE = 0.005  # share by which scan steps may differ
PIXEL_NM = (1e-3, 1e8)  # from a hundredth of an angstrom to a tenth of a meter
CHANNEL_KEV, LARGEST_OFFSET_KEV = (1e-4, 0.5), 20.0


@dataclass(frozen=True)
class EnergyAxis:
    """Energy of the first channel, width of a channel (keV), number of channels."""

    offset_keV: float  # noqa: N815
    scale_keV: float  # noqa: N815
    n_channels: int

    def first_above(self, energy_keV: float) -> int:  # noqa: N803
        """Return the first channel whose centre is not below an energy."""
        return max(0, int(np.ceil((energy_keV - self.offset_keV) / self.scale_keV - 1e-9)))


def to_energy_axis(axis: Axis, file: Path) -> EnergyAxis:
    """Return the energy axis of a file in keV.

    Raises
    ------
    ValueError
        If its channels are not equally wide, or do not rise, or no detector has such.
    """
    to_kilo = to_keV(axis.units) or 1.0
    energies = axis.values * to_kilo
    steps = np.diff(energies)
    if len(steps) == 0 or steps[0] <= 0 or not np.allclose(steps, steps[0], rtol=1e-3):
        raise ValueError(
            f"{file}: expected an energy axis of equal, rising steps, found {energies[0]:g} to "
            f"{energies[-1]:g} keV. Calibrate the energy axis and save the file again."
        )
    scale = float(energies[-1] - energies[0]) / len(steps)
    if not (CHANNEL_KEV[0] <= scale <= CHANNEL_KEV[1] and abs(energies[0]) <= LARGEST_OFFSET_KEV):
        raise ValueError(
            f"{file}: expected channels of {1e3 * CHANNEL_KEV[0]:g} to {1e3 * CHANNEL_KEV[1]:g} eV "
            f"from about 0 keV, found {1e3 * scale:g} eV from {energies[0]:g} keV. Calibrate the "
            "energy axis and save the file again; it may be damaged."
        )
    return EnergyAxis(float(energies[0]), scale, len(energies))


def insist_equal_energies(axes: Sequence[EnergyAxis], files: Sequence[Path]) -> None:
    """Refuse files whose energy axes differ by half a channel or more.

    Raises
    ------
    ValueError
        Naming two files that differ.
    """
    first = axes[0]
    for axis, file in zip(axes, files, strict=True):
        last = first.n_channels - 1
        at_start = abs(axis.offset_keV - first.offset_keV)
        at_end = abs(at_start + last * (axis.scale_keV - first.scale_keV))
        is_close = max(at_start, at_end) < first.scale_keV / 2
        if axis.n_channels != first.n_channels or not is_close:
            raise ValueError(
                f"{file}: expected the energy axis of {files[0].name} ({_text(first)}), found "
                f"{_text(axis)}. Rebin the spectra to one energy axis."
            )


def _text(axis: EnergyAxis) -> str:
    return f"{axis.n_channels} channels of {axis.scale_keV:g} keV from {axis.offset_keV:g} keV"


def to_pixel_nm(y: Axis, x: Axis, file: Path) -> float | None:
    """Return the scan step of a file, nm; None where it is not calibrated.

    Raises
    ------
    ValueError
        If a pixel is not square, or of a size that no microscope has.
    """
    in_nm = [to_nm(axis.units or (y.units or x.units)) for axis in (y, x)]
    if in_nm[0] is None or in_nm[1] is None:
        return None
    height, width = abs(y.scale) * in_nm[0], abs(x.scale) * in_nm[1]
    if not (PIXEL_NM[0] <= height <= PIXEL_NM[1] and PIXEL_NM[0] <= width <= PIXEL_NM[1]):
        raise ValueError(
            f"{file}: expected pixels of {PIXEL_NM[0]:g} to {PIXEL_NM[1]:g} nm, found {height:g} x "
            f"{width:g} nm. Correct its calibration; the file may be damaged."
        )
    if abs(height - width) > TOLERANCE * width:
        raise ValueError(
            f"{file}: expected square pixels, found {height:g} x {width:g} nm. Resample the map "
            "to square pixels, or correct its calibration."
        )
    return float((height + width) / 2)


def one_pixel_nm(
    found: Sequence[float | None], files: Sequence[Path], said: float | None
) -> tuple[float, str]:
    """Return the scan step of a series, nm, and a warning where the sheet overrules a file.

    Raises
    ------
    ValueError
        If the files have different ones, or none and the sheet neither.
    """
    known = [(step, file) for step, file in zip(found, files, strict=True) if step is not None]
    if said is not None:
        overruled = [step for step, _ in known if abs(step - said) > TOLERANCE * said]
        return said, f"pixel_nm of the sheet used, not {overruled[0]:g} nm" if overruled else ""
    if len(known) < len(found):
        missing = next(file for step, file in zip(found, files, strict=True) if step is None)
        raise ValueError(
            f"{missing}: expected the size of a pixel, found no calibration. Set pixel_nm in the "
            "sheet."
        )
    for step, file in known:
        if abs(step - known[0][0]) > TOLERANCE * known[0][0]:
            raise ValueError(
                f"{file}: expected pixels of {known[0][0]:g} nm as in {known[0][1].name}, found "
                f"{step:g} nm. All tilts need one magnification; if the calibration is wrong, set "
                "pixel_nm in the sheet."
            )
    return float(np.median([step for step, _ in known])), ""
