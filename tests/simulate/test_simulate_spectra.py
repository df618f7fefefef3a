import numpy as np
import pytest

from stemedx.simulate.spectra import LINES, OFFSET_KEV, SCALE_KEV, draw_spectra, fwhm_keV

ELEMENTS = ("Se", "S", "Zn")


def in_window(spectra, element):
    energy = OFFSET_KEV + SCALE_KEV * np.arange(spectra.shape[2])
    centre = LINES[element][0]
    return spectra[:, :, np.abs(energy - centre) <= fwhm_keV(centre)].sum(axis=2)


def test_windows_hold_the_counts_drawn_and_nothing_else(rng):
    counts = rng.poisson(0.8, (3, 30, 40)).astype(np.uint16)
    counts[:, 5:9] = 0
    spectra = draw_spectra(counts, ELEMENTS, rng)
    for n, element in enumerate(ELEMENTS):
        found = in_window(spectra, element)
        assert (found <= counts[n]).all()
        # of a Gaussian +-1 FWHM holds 98.1 %; the ends fall on channels of 20 eV
        assert found.sum() == pytest.approx(0.98 * counts[n].sum(), rel=0.02)


def test_zero_peak_and_continuum_are_there_to_be_left_out(rng):
    spectra = draw_spectra(np.zeros((3, 20, 30), np.uint16), ELEMENTS, rng)
    energy = OFFSET_KEV + SCALE_KEV * np.arange(spectra.shape[2])
    assert spectra[:, :, energy < 0.2].sum() > 0.4 * 600
    assert 0 < spectra[:, :, energy > 0.3].sum() < 0.3 * 600


def test_width_at_manganese_is_the_resolution():
    assert fwhm_keV(5.8987) == pytest.approx(0.135, rel=1e-9)  # rounding
    assert fwhm_keV(1.38) < 0.135 < fwhm_keV(9.7)
