"""Every real vendor file: the right arrays, axes and units, or the right refusal."""

import re
import shutil
import zipfile

import pytest

from stemedx.ingest.contents import read_contents
from stemedx.ingest.files import raw_files
from stemedx.ingest.gather import gather
from stemedx.ingest.haadf import read_pictures
from stemedx.ingest.view_spectra import view_spectra
from stemedx.ingest.views import is_spectrum_image
from stemedx.sheet import SheetRow

pytestmark = [pytest.mark.slow, pytest.mark.data]

# file: shape of the map, channels, eV per channel, nm per pixel, photons above 0 keV,
# beam, tilt of the stage (None: the file does not say; hspy files of HyperSpy say 0)
SPECTRA = {
    "bruker/P45_12bit_packed_8bit_compressed.bcf": ((75, 100), 2048, 10, 8736.8, None, 20, 0.5),
    "bruker/bcf_v2_50x50px.bcf": ((50, 50), 2048, 10, 11.8, None, 20, None),
    "bruker/over16bit.bcf": ((3, 4), 4096, 20, 515887.2, 144112109, 10, None),
    "bruker/test_TEM.bcf": ((64, 64), 2048, 10, 0.771, None, 200, None),
    "hspy/SiO2 EDS Spectrum Image.hspy": ((128, 128), 2048, 10, 8.6, None, 200, 0),
    "hspy/core_shell.hspy": ((64, 64), 992, 20, 0.5, 884071, 200, 0),
    "jeol/rawdata.ASW": ((512, 512), 4096, 10, 8.69, 299590, 200, None),
    "velox/Test SI 16x16 215 kx.emd": ((16, 16), 4096, 10, 3.5992, 31175, 300, 0.005),
    "velox/fei_SI_EDS-HAADF-4detectors_2frames.emd": (
        (16, 16), 4096, 5, 1.234, 3046029, 200, 0.007,
    ),
    "velox/fei_SI_SuperX-HAADF_10frames_10x50.emd": (
        (50, 10), 4096, 5, 1.234, 518381, 200, -35.343,
    ),
    "velox/fei_emd_si.emd": ((16, 16), 4096, 10, 5.3024, 3316, 200, 0.006),
}  # fmt: skip
REFUSED = {
    "bruker/Nope.bcf": "the reader failed .*is not SFS container",
    "bruker/bruker_nano.spx": r"expected spectrum images .*bruker_nano.spx: EDX \(4096\)",
    "dm/test-EDS_spectrum.dm3": r"expected spectrum images .*EDS Spectrum \(4096\)",
    "dm/test_STEM_image.dm3": r"expected spectrum images .*test_STEM_image \(68 x 68\)",
    "edax/EDAX_EDS_files.zip": "expected a raw file, found an archive. Unpack it; for EDAX",
    "hspy/SiO2 HAADF Image.hspy": "expected spectrum images .*found none .HAADF only",
    "jeol/met03.EDS": r"expected spectrum images .*EDX \(2048\)",
    "msa/example2.msa": r"expected spectrum images .*\(80\)",
    "tia/03_Scanning Preview.emi": r"expected spectrum images .*\(5 x 128 x 128\)",
    "tia/16x16-line_profile_horizontal_5x128x128_EDS.emi": r"untitled \(5 x 4000\)",
    "velox/STEM HAADF Diffraction Micro.emd": "expected spectrum images .*found none .HAADF only",
    "velox/Test SI 16x16 ReducedData 215 kx.emd": "expected a spectrum image, found a pruned Velox",
}


def row(path, **more):
    return SheetRow(specimen="s", raw=str(path), elements="Si,Fe", **more)


@pytest.mark.parametrize("name", SPECTRA)
def test_spectrum_images(data, name):
    shape, n_channels, ev, nm, photons, beam, tilt = SPECTRA[name]
    if name.endswith(".emd") or "jeol" in name:
        pytest.importorskip("sparse")
    contents = read_contents(data / "vendor" / name)
    (image,) = [signal for signal in contents.signals if is_spectrum_image(signal)]
    (view,) = view_spectra(image, 0.0, None, ())
    assert view.shape == shape
    assert view.axis.n_channels == n_channels
    assert view.axis.scale_keV * 1e3 == pytest.approx(ev, rel=2e-3)  # calibrations of the files
    assert view.pixel_nm == pytest.approx(nm, rel=1e-2)  # as written above
    assert image.beam_keV == beam
    assert image.stage_deg == (None if tilt is None else pytest.approx(tilt, abs=1e-3))
    if photons is not None:
        assert view.photons.counts.sum(dtype="int64") == photons
    assert view.photons.counts.sum(dtype="int64") > 0


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(data, name):
    if name.endswith(".emd"):
        pytest.importorskip("sparse")
    path = data / "vendor" / name
    with pytest.raises(ValueError, match=re.escape(path.name) + "|vendor") as refusal:
        gather([path], row(path), 0.2, read_contents)
    assert re.search(REFUSED[name], str(refusal.value)), refusal.value


def test_one_file_is_no_series(data):
    path = data / "vendor/bruker/test_TEM.bcf"
    with pytest.raises(ValueError, match="test_TEM.bcf: expected a series of several tilts"):
        gather([path], row(path), 0.2, read_contents)


def test_edax_with_pixels_that_are_not_square(data, tmp_path):
    with zipfile.ZipFile(data / "vendor/edax/EDAX_EDS_files.zip") as archive:
        archive.extractall(tmp_path)
    (path,) = tmp_path.rglob("*.spd")
    with pytest.raises(ValueError, match="expected square pixels, found 22.83.* x 24.4"):
        gather([path], row(path), 0.2, read_contents)


def test_mixed_microscopes_are_no_series(data, tmp_path):
    """Spectra of two pixel sizes: the energies are compared first."""
    for n, name in enumerate(("hspy/core_shell.hspy", "hspy/SiO2 EDS Spectrum Image.hspy")):
        shutil.copy(data / "vendor" / name, tmp_path / f"{10 * n}deg.hspy")
    with pytest.raises(ValueError, match="expected the energy axis of"):
        gather(raw_files(str(tmp_path), "raw"), row(tmp_path), 0.2, read_contents)


def test_haadf_series(data):
    folder = data / "etspy"
    pictures = read_pictures(str(folder / "HAADF.dm3"), read_contents)
    assert len(pictures) == 91
    assert [pictures[n].view.axis_deg for n in (0, 90)] == pytest.approx([-90, 90], abs=1e-3)
    assert pictures[0].values.shape == (64, 64)
    assert pictures[0].pixel_nm == pytest.approx(17.9, rel=0.01)
    pictures = read_pictures(str(folder / "HAADF.mrc"), read_contents)
    assert (len(pictures), pictures[0].values.shape) == (77, (256, 256))
    assert pictures[0].pixel_nm == pytest.approx(3.36, rel=0.01)
    assert len((folder / "HAADF.rawtlt").read_text().split()) == 77
    pictures = read_pictures(str(folder / "SerialEM/test_000.mrc"), read_contents)
    assert (len(pictures), pictures[0].pixel_nm) == (2, pytest.approx(0.788, rel=1e-3))
