import re
from pathlib import Path

import numpy as np
import pytest

from stemedx.ingest.calibration import (
    EnergyAxis,
    insist_equal_energies,
    one_pixel_nm,
    to_energy_axis,
    to_pixel_nm,
)
from stemedx.ingest.signals import Axis
from stemedx.ingest.units import to_deg, to_keV, to_nm

FILES = [Path("a.bcf"), Path("b.bcf"), Path("c.bcf")]


def axis(units, scale, offset=0.0, size=4):
    return Axis("", units, offset + scale * np.arange(size))


@pytest.mark.parametrize(
    ("units", "nm"),
    [("nm", 1), ("µm", 1e3), ("μm", 1e3), ("um", 1e3), ("Å", 0.1), ("A", 0.1), ("m", 1e9)]
    + [("[n_m]", 1), ("px", None), ("", None), ("1/nm", None), ("keV", None)],
)
def test_units_of_length(units, nm):
    assert to_nm(units) == nm


def test_units_of_energy_and_angle():
    assert [to_keV(units) for units in ("keV", "eV", "Energy (EV)", "nm")] == [1, 1e-3, 1e-3, None]
    assert [to_deg(units) for units in ("deg", "°", "nm")] == [1, 1, None]
    assert to_deg("rad") == pytest.approx(57.29577951)


def test_scan_step_in_nm():
    assert to_pixel_nm(axis("µm", 0.0131), axis("µm", 0.0131), FILES[0]) == pytest.approx(13.1)
    assert to_pixel_nm(axis("nm", 3.27), axis("", 3.27), FILES[0]) == pytest.approx(3.27)
    assert to_pixel_nm(axis("px", 1.0), axis("px", 1.0), FILES[0]) is None


def test_pixels_that_are_not_square_are_refused():
    with pytest.raises(ValueError, match=r"a.bcf: expected square pixels, found 4.26 x 1.99 nm"):
        to_pixel_nm(axis("nm", 4.26), axis("nm", 1.99), FILES[0])


def test_one_scan_step():
    assert one_pixel_nm([0.8, 0.8008, 0.8], FILES, None) == (0.8, "")
    assert one_pixel_nm([None] * 3, FILES, 0.7) == (0.7, "")
    assert one_pixel_nm([0.8] * 3, FILES, 0.8) == (0.8, "")
    assert one_pixel_nm([0.8] * 3, FILES, 0.7) == (0.7, "pixel_nm of the sheet used, not 0.8 nm")


def test_missing_scan_step_is_refused():
    with pytest.raises(ValueError, match=r"b.bcf: expected the size of a pixel.*Set pixel_nm"):
        one_pixel_nm([0.8, None, 0.8], FILES, None)


def test_unequal_scan_steps_are_refused():
    with pytest.raises(
        ValueError, match=r"c.bcf: expected pixels of 0.8 nm as in a.bcf, found 1.6"
    ):
        one_pixel_nm([0.8, 0.8, 1.6], FILES, None)


def test_energy_axis_in_kev():
    found = to_energy_axis(axis("eV", 5.0, -1000.0, 4000), FILES[0])
    assert (found.offset_keV, found.n_channels) == (-1.0, 4000)
    assert found.scale_keV == pytest.approx(0.005, rel=1e-12)
    assert found.first_above(0.2) == 240
    assert found.first_above(0.2001) == 241
    assert found.first_above(-3.0) == 0


@pytest.mark.parametrize("values", [[1.0, 0.9, 0.8], [0.0, 0.1, 0.3], [0.5]])
def test_odd_energy_axes_are_refused(values):
    with pytest.raises(ValueError, match="a.bcf: expected an energy axis of equal, rising steps"):
        to_energy_axis(Axis("Energy", "keV", np.array(values)), FILES[0])


def test_unequal_energy_axes_are_refused():
    first = EnergyAxis(-0.1, 0.01, 1000)
    insist_equal_energies([first, EnergyAxis(-0.102, 0.010001, 1000)], FILES[:2])
    for other in (EnergyAxis(-0.1, 0.01, 2000), EnergyAxis(-0.1, 0.0101, 1000),
                  EnergyAxis(-0.09, 0.01, 1000)):  # fmt: skip
        with pytest.raises(ValueError, match=r"b.bcf: expected the energy axis of a.bcf \(1000"):
            insist_equal_energies([first, other], FILES[:2])


@pytest.mark.parametrize("scale", [0.0, np.nan, 1e-9, 1e12])
def test_pixels_that_no_microscope_has_are_refused(scale):
    found = re.escape(f"found {scale:g} x {scale:g} nm")
    with pytest.raises(ValueError, match=f"a.bcf: expected pixels of .*{found}"):
        to_pixel_nm(axis("nm", scale), axis("nm", scale), Path("a.bcf"))


@pytest.mark.parametrize(("first", "step"), [(0.0, 1e-6), (0.0, 2.0), (300.0, 0.01)])
def test_energies_that_no_detector_has_are_refused(first, step):
    values = first + step * np.arange(50)
    with pytest.raises(ValueError, match="a.bcf: expected channels of 0.1 to 500 eV from about 0"):
        to_energy_axis(Axis("Energy", "keV", values), Path("a.bcf"))
