import numpy as np
import pytest

from stemedx.maps.lines import Family, families_of, lines_near
from stemedx.maps.response import Response, background_columns, line_columns, noise_for

RESPONSE = Response(-0.2, 0.01, noise_for(135.0), 0.2, 0.12)


def test_resolution_is_that_of_mn_ka():
    assert RESPONSE.resolution_eV == pytest.approx(135.0, rel=1e-9)  # rounding
    assert Response(0.0, 0.01, noise_for(50.0)).noise_keV > 0  # better than silicon allows


def test_a_line_holds_all_its_photons_at_its_energy():
    family = Family("Fe", "K", "", ((6.4, 1.0),), 1.0)
    for response in (RESPONSE, Response(-0.2, 0.01, 0.04)):
        column = line_columns([family], response, 0, 1200)[:, 0]
        energies = response.energies(0, 1200)
        assert column.sum() == pytest.approx(1.0, abs=1e-6)  # its tail ends before 0
        tail = 0.6 * response.tail_share
        length = response.tail_keV * np.sqrt(6.4 / 2)
        lost = tail / (1 + tail) * length
        # the mean of an exponential is its length
        assert column @ energies == pytest.approx(6.4 - lost, abs=1e-4)  # of channels of 10 eV
        square = column @ (energies - column @ energies) ** 2
        spread = tail / (1 + tail) * 2 * length**2 - lost**2
        # channels of 10 eV add a twelfth of their square
        assert square == pytest.approx(response.sigma_keV(6.4) ** 2 + spread + 1e-4 / 12, rel=1e-3)


def test_soft_lines_are_seen_too_low():
    """As much as silicon absorbs them: O Ka by all, Mg Ka by little, Pt M not at all."""
    response = Response(-0.2, 0.01, 0.04, surface_keV=0.010)
    lost = {energy: energy - response.seen_keV(energy) for energy in (0.525, 1.05, 2.05, 8.05)}
    assert lost == pytest.approx({0.525: 0.010, 1.05: 0.010 / 8, 2.05: 0.0, 8.05: 0.0})
    family = Family("O", "K", "", ((0.525, 1.0),), 1.0)
    column = line_columns([family], response, 0, 1200)[:, 0]
    assert column @ response.energies(0, 1200) == pytest.approx(0.515, abs=1e-4)


def test_doublets_and_vacancies():
    (k_lines,) = families_of("Cu", 5.0, 12.0, None, frozenset())
    energies = dict(k_lines.lines)
    assert sum(energies.values()) == pytest.approx(1.0)
    (alpha2,) = [e for e in energies if 8.02 < e < 8.04]
    # Bearden (1967): Cu Ka1 8.0478, Ka2 8.0278 keV
    assert alpha2 == pytest.approx(8.0278, abs=1.5e-3)  # binding energies are whole eV
    assert energies[alpha2] == pytest.approx(energies[8.0478] / 2)
    names = {one.name for one in families_of("Pt", 0.5, 12.0, 200.0, frozenset({"Pt M"}))}
    assert names == {"Pt L", "Pt M", "Pt M4", "Pt M3", "Pt M2", "Pt M zeta"}
    assert families_of("Pt", 0.5, 12.0, 8.0, frozenset())[0].name == "Pt M"  # L is not excited


def test_lines_near_an_energy():
    assert lines_near(4.511, 0.01)[0] == "Ti_Ka"


def test_background_follows_bremsstrahlung():
    energies = RESPONSE.energies(70, 1240)
    columns = background_columns(energies)
    assert columns.shape == (1170, 12)
    smooth = (20 - energies) / energies * np.exp(-0.3 / energies**2)
    found = columns @ np.linalg.lstsq(columns, smooth)[0]
    assert found == pytest.approx(smooth, rel=0.02)  # what 12 numbers can do
