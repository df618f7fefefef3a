"""Tiny raw files, as HyperSpy would write them."""

import numpy as np
import pytest
from rsciio.hspy import file_writer

ENERGY = ("Energy", "keV", -0.1, 0.05)


def write_signal(path, values, axes, *, title="EDX", signal_type="", tilt=None, beam=200.0):
    """Write a signal; `axes` are (name, units, offset, scale) in the order of the array."""
    microscope = {"beam_energy": beam}
    if tilt is not None:
        microscope["Stage"] = {"tilt_alpha": tilt}
    described = [
        {"_type": "UniformDataAxis", "name": name, "units": units, "offset": offset}
        | {"scale": scale, "size": size, "navigate": name not in ("Energy", "x", "y")}
        for (name, units, offset, scale), size in zip(axes, values.shape, strict=True)
    ]
    metadata = {"General": {"title": title}, "Signal": {"signal_type": signal_type}}
    metadata["Acquisition_instrument"] = {"TEM": microscope}
    signal = {
        "data": values,
        "axes": described,
        "metadata": metadata,
        "original_metadata": {},
        "attributes": {"_lazy": False, "ragged": False},
        "learning_results": {},
        "models": {},
        "tmp_parameters": {},
        "package_info": {"package": "hyperspy", "package_version": "2.5.0"},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    file_writer(str(path), signal)


def scan(pixel=0.8, units="nm"):
    return [("y", units, 0.0, pixel), ("x", units, 0.0, pixel)]


@pytest.fixture
def write():
    return write_signal


@pytest.fixture
def write_spectra(rng):
    """Write one spectrum image of 3 x 4 pixels and 40 channels; return its counts."""

    def write_one(path, *, shape=(3, 4, 40), pixel=0.8, units="nm", energy=ENERGY, **more):
        spectra = rng.poisson(0.3, shape).astype(np.uint8)
        axes = [*scan(pixel, units), energy]
        write_signal(path, spectra, axes, signal_type="EDS_TEM", **more)
        return spectra

    return write_one


@pytest.fixture
def write_maps(rng):
    """Write one series of maps, 3 tilts of 5 x 7 pixels; return it."""

    def write_one(path, values=None, *, tilt=("tilt", "deg", -20.0, 25.0), pixel=0.8, units="nm"):
        maps = rng.poisson(0.7, (3, 5, 7)).astype(np.uint8) if values is None else values
        axes = [tilt, *scan(pixel, units)][-maps.ndim :]
        write_signal(path, maps, axes, title=path.stem)
        return maps

    return write_one
