"""Raw files as a microscope's export would leave them: HyperSpy files, one per tilt."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rsciio.hspy import file_writer

from stemedx.arrays import Image, Spectra


def write_spectrum_image(
    path: Path,
    spectra: Spectra,
    *,
    pixel_nm: float,
    tilt_deg: float,
    energy_offset_keV: float,  # noqa: N803
    energy_scale_keV: float,  # noqa: N803
    detector: dict[str, float],
) -> None:
    """Write an EDS spectrum image with its calibration, its tilt in the metadata.

    Parameters
    ----------
    path
        ``*.hspy``; a file that exists is replaced.
    spectra
        ``(y, x, energy)`` photons per channel.
    pixel_nm, tilt_deg
        Scan step, nm, and tilt of the stage, degrees.
    energy_offset_keV, energy_scale_keV
        Energy of the first channel and width of one, keV.
    detector
        HyperSpy's names, such as ``energy_resolution_MnKa`` (eV).
    """
    energy = {"name": "Energy", "units": "keV", "navigate": False}
    energy |= {"offset": energy_offset_keV, "scale": energy_scale_keV, "is_binned": True}
    axes = [*_scan_axes(pixel_nm, navigate=True), energy]
    microscope = {"Stage": {"tilt_alpha": tilt_deg}, "Detector": {"EDS": detector}}
    _write(path, spectra, axes, microscope, "EDX", "EDS_TEM")


def write_haadf(path: Path, image: Image, *, pixel_nm: float, tilt_deg: float) -> None:
    """Write a ``(y, x)`` HAADF image with its calibration, its tilt in the metadata."""
    microscope = {"Stage": {"tilt_alpha": tilt_deg}}
    _write(path, image, _scan_axes(pixel_nm, navigate=False), microscope, "HAADF", "")


def _scan_axes(pixel_nm: float, *, navigate: bool) -> list[dict[str, Any]]:
    common = {"scale": pixel_nm, "offset": 0.0, "units": "nm", "is_binned": False}
    return [{"name": name, "navigate": navigate, **common} for name in "yx"]


def _write(
    path: Path,
    values: np.ndarray,
    axes: list[dict[str, Any]],
    microscope: dict[str, Any],
    title: str,
    signal_type: str,
) -> None:
    sized = [
        {"_type": "UniformDataAxis", **axis, "size": size}
        for axis, size in zip(axes, values.shape, strict=True)
    ]
    acquisition = {"TEM": {"acquisition_mode": "STEM", "beam_energy": 200.0, **microscope}}
    metadata = {
        "General": {"title": title},
        "Signal": {"signal_type": signal_type},
        "Acquisition_instrument": acquisition,
    }
    signal = {
        "data": values,
        "axes": sized,
        "metadata": metadata,
        "original_metadata": {},
        "attributes": {"_lazy": False, "ragged": False},
        "learning_results": {},
        "models": {},
        "tmp_parameters": {},
        "package_info": {"package": "hyperspy", "package_version": version("hyperspy")},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    file_writer(str(path), signal)
