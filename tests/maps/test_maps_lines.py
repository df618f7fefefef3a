import pytest

from stemedx.maps.lines import Line, choose_line


@pytest.mark.parametrize(
    ("wanted", "to_kev", "beam_kev", "name"),
    [
        ("S", 20.0, 200.0, "S_Ka"),
        ("Zn", 20.0, 200.0, "Zn_Ka"),  # below 10 keV
        ("Se", 20.0, 200.0, "Se_La"),  # Ka at 11.2 keV is above
        ("Au", 20.0, 200.0, "Au_La"),
        ("Au", 9.0, 200.0, "Au_Ma"),  # the axis ends below La
        ("Zn", 20.0, 9.0, "Zn_La"),  # the beam does not excite Ka
        ("Se_Ka", 20.0, None, "Se_Ka"),  # as the sheet says
        ("Pd_Lb1", 20.0, 200.0, "Pd_Lb1"),
    ],
)
def test_choice_of_the_line(wanted, to_kev, beam_kev, name):
    assert choose_line(wanted, 0.2, to_kev, beam_kev).name == name


def test_energies_are_those_of_the_tables():
    # Thompson et al., X-ray Data Booklet (2009): S Ka1 2.3078, Zn Ka1 8.6389, Au La1 9.7133 keV
    known = {"S": 2.3078, "Zn": 8.6389, "Au": 9.7133}
    for symbol, energy in known.items():
        found = choose_line(symbol, 0.2, 20.0, 200.0)
        assert found.energy_keV == pytest.approx(energy, abs=1e-3)  # a tenth of a channel
        assert found.symbol == symbol


def test_line_beyond_the_spectra_is_refused():
    with pytest.raises(ValueError, match=r"line of Zn_Ka between 0.20 and 5.00 keV.*8.639 keV"):
        choose_line("Zn_Ka", 0.2, 5.0, 200.0)
    with pytest.raises(ValueError, match=r"line of B between 0.20 .*lower ingest.min_keV"):
        choose_line("B", 0.2, 20.0, 200.0)


def test_what_is_no_line_is_refused():
    with pytest.raises(ValueError, match=r"expected an X-ray line of Se, found 'Se_Ma'.*Ka.*La"):
        choose_line("Se_Ma", 0.2, 20.0, None)
    with pytest.raises(ValueError, match="expected the symbol of an element, found 'Xx'"):
        choose_line("Xx", 0.2, 20.0, None)


def test_symbol_of_a_line():
    assert Line("Cd_La", 3.1338).symbol == "Cd"
