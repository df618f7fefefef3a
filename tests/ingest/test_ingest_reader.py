import logging
import warnings
from struct import pack_into

import numpy as np
import pytest

from stemedx.ingest import reader
from stemedx.ingest.reader import read_signals
from stemedx.ingest.truncation import missing_bytes
from stemedx.ingest.vendor import symbols
from stemedx.ingest.views import is_picture, is_spectrum_image


def test_signal_tells_what_the_file_tells(tmp_path, write_spectra):
    spectra = write_spectra(tmp_path / "a.hspy", tilt=-12.5)
    (signal,), said = read_signals(tmp_path / "a.hspy")
    assert (signal.title, signal.stage_deg, signal.beam_keV, said) == ("EDX", -12.5, 200.0, [])
    assert signal.resolution_eV is None
    assert [axis.units for axis in signal.axes] == ["nm", "nm", "keV"]
    assert signal.energy_axis == 2
    assert is_spectrum_image(signal)
    assert not is_picture(signal)
    assert (signal.load() == spectra).all()
    assert (signal.load(1) == spectra[1]).all()


def test_energy_loss_spectra_are_not_x_rays(tmp_path, write):
    axes = [("y", "nm", 0.0, 0.8), ("x", "nm", 0.0, 0.8), ("E", "eV", 100.0, 0.5)]
    write(tmp_path / "a.hspy", np.zeros((3, 4, 50)), axes, signal_type="EELS")
    (signal,), _ = read_signals(tmp_path / "a.hspy")
    assert not is_spectrum_image(signal)
    assert not is_picture(signal)


def test_diffraction_patterns_are_no_pictures(tmp_path, write):
    write(tmp_path / "a.hspy", np.zeros((3, 4)), [("y", "1/nm", 0.0, 0.1), ("x", "1/nm", 0.0, 0.1)])
    assert not is_picture(read_signals(tmp_path / "a.hspy")[0][0])


def test_file_without_a_reader_is_refused(tmp_path):
    path = tmp_path / "a.xyz"
    path.touch()
    with pytest.raises(ValueError, match=r"a.xyz: expected a file that one reader .* no reader"):
        read_signals(path)


def test_file_with_several_readers_is_refused(tmp_path):
    (tmp_path / "a.h5").touch()
    with pytest.raises(ValueError, match=r"a.h5: .* found \d readers \(.*Delmic"):
        read_signals(tmp_path / "a.h5")


def test_what_is_no_bcf_is_refused(tmp_path):
    path = tmp_path / "a.bcf"
    path.write_bytes(b"NotTodayNotTodayNotT")
    with pytest.raises(
        ValueError, match=r"a.bcf: expected a raw file .*TypeError: .*not SFS.*copy"
    ):
        read_signals(path)


def test_truncated_file_is_refused(tmp_path, write_spectra):
    path = tmp_path / "a.hspy"
    write_spectra(path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(
        ValueError, match=r"a.hspy: expected a raw file that can be read.*truncated"
    ):
        read_signals(path)


def test_truncated_bcf_is_refused_before_its_reader_crashes(tmp_path):
    path = tmp_path / "a.bcf"
    whole = bytearray(0x118 + 3 * 64)
    whole[:8] = b"AAMVHFSS"
    pack_into("<I", whole, 0x128, 64)
    pack_into("<I", whole, 0x148, 3)
    path.write_bytes(whole)
    assert missing_bytes(path) == 0
    path.write_bytes(whole[:-5])
    assert missing_bytes(path) == 5
    with pytest.raises(ValueError, match=r"a.bcf: expected a whole file, found 467 bytes, 5 fewer"):
        read_signals(path)


def test_only_bruker_files_tell_their_size(tmp_path):
    path = tmp_path / "a.mrc"
    path.write_bytes(b"")
    assert missing_bytes(path) == 0
    assert missing_bytes(tmp_path) == 0


def test_reader_that_lacks_a_package_says_which(tmp_path, monkeypatch):
    def lacking(name):
        raise ModuleNotFoundError("The 'sparse' library was not found")

    monkeypatch.setattr(reader, "import_module", lacking)
    (tmp_path / "a.emd").touch()
    with pytest.raises(ValueError, match="a.emd: its reader lacks a package .*'sparse'"):
        read_signals(tmp_path / "a.emd")


def test_chatter_of_readers_is_kept_from_the_terminal(tmp_path, write_spectra, monkeypatch, capsys):
    write_spectra(tmp_path / "a.hspy")
    true_reader = reader.import_module

    def chatty(name):
        logging.getLogger("rsciio.hspy").warning("pruned file")
        logging.getLogger("rsciio.utils").warning("`numba` is not installed")
        warnings.warn("odd axis", UserWarning, stacklevel=1)
        warnings.warn("to be removed", DeprecationWarning, stacklevel=1)
        return true_reader(name)

    monkeypatch.setattr(reader, "import_module", chatty)
    assert read_signals(tmp_path / "a.hspy")[1] == ["pruned file", "odd axis"]
    assert capsys.readouterr().err == ""


@pytest.mark.data
def test_real_bcf(data):
    haadf, edx = read_signals(data / "l2083/-40.bcf")[0]
    assert (haadf.title, edx.title) == ("HAADF", "EDX")
    assert (is_picture(haadf), is_spectrum_image(edx)) == (True, True)
    # HyperSpy would say 0 degrees and 130 eV, which the file does not
    assert (edx.stage_deg, edx.resolution_eV, edx.beam_keV) == (None, None, 200.0)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "stage_deg", "energy_axis"),
    [
        ("bruker/test_TEM.bcf", None, 2),
        ("hspy/SiO2 EDS Spectrum Image.hspy", 0.0, 2),
        ("dm/test-EDS_spectrum.dm3", 24.950478513, 0),
        ("tia/16x16-line_profile_horizontal_5x128x128_EDS.emi", None, 1),
    ],
)
def test_real_files_of_other_vendors(data, name, stage_deg, energy_axis):
    edx = next(
        one for one in read_signals(data / "vendor" / name)[0] if one.energy_axis is not None
    )
    assert edx.energy_axis == energy_axis
    assert edx.stage_deg == (stage_deg and pytest.approx(stage_deg, rel=1e-6))  # as printed


@pytest.mark.data
def test_real_refusals(data, tmp_path):
    with pytest.raises(ValueError, match="Nope.bcf: expected a raw file that can be read"):
        read_signals(data / "vendor/bruker/Nope.bcf")
    cut = tmp_path / "cut.bcf"
    cut.write_bytes((data / "l2083/-40.bcf").read_bytes()[:2_500_000])
    with pytest.raises(ValueError, match="cut.bcf: expected a whole file, found 2500000 bytes"):
        read_signals(cut)


def test_archive_is_refused(tmp_path):
    path = tmp_path / "EDAX.zip"
    path.write_bytes(b"PK")
    with pytest.raises(ValueError, match="EDAX.zip: expected a raw file, found an archive. Unpack"):
        read_signals(path)


def test_elements_that_a_file_names(tmp_path):
    sample = {"elements": np.array(["Fe", "Pt"]), "xray_lines": ["S_Ka", "?"]}
    assert symbols(sample) == ("Fe", "Pt", "S")
    assert symbols({}) == ()
