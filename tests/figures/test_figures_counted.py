import numpy as np
import pytest

from stemedx.figures.counted import draw_counted, gain_table

COUNTS = np.array([[100, 200, 300], [50, 50, 50]], np.uint32)
MAPS = np.repeat(np.repeat(COUNTS[:, :, None, None], 2, axis=2), 3, axis=3)


def attributes(**more):
    totals = 6.0 * COUNTS
    return {
        "elements": ["Se", "S"],
        "lines": ["Se_La", "S_Ka"],
        "tilt_deg": [-10.0, 0.0, 10.0],
        "gain": [[0.5, 1.0, 1.5], [1.0, 1.0, 1.0]],
        "background": (0.25 * totals).tolist(),
        "net": (0.75 * totals).tolist(),
        "net_variance": totals.tolist(),
        "method": "fit",
        **more,
    }


def test_gain_and_background_of_each_map():
    table = gain_table(MAPS, attributes())
    assert table["counts"].tolist() == (6 * COUNTS).ravel().tolist()
    assert table["background_percent"].tolist() == [25.0] * 6
    assert table["gain"].tolist() == [0.5, 1.0, 1.5, 1.0, 1.0, 1.0]
    # as uncertain as the net counts, as a share of them: sqrt(600) / 450
    assert table["gain_sd"].iloc[0] == pytest.approx(0.5 * np.sqrt(600) / 450, rel=1e-3)


def test_exported_maps_have_no_background(text_of):
    known = attributes(method="exported", variance_to_mean=[4.0, 1.0])
    del known["net"], known["net_variance"]
    (drawing,) = draw_counted(MAPS, known)
    assert drawing.place == "element_maps/gain"
    assert "background (%" not in text_of(drawing.figure)
    assert "background of exported maps is not known" in drawing.caption
    assert drawing.numbers["net_sd"].iloc[0] == pytest.approx(np.sqrt(4 * 600), rel=1e-3)


def test_the_spectrum_shows_the_windows_of_the_lines(text_of):
    energy = np.linspace(0.5, 12, 50)
    known = attributes(
        spectrum={
            "energy_keV": energy.tolist(),
            "counts": [100] * 50,
            "fit": [99.0] * 50,
            "background": [20.0] * 50,
        },
        windows_keV=[[1.3, 1.5], [2.2, 2.4]],
        chi2_of_sum=1.25,
        calibration={"resolution_MnKa_eV": 133.4, "scale_keV": 0.0099902},
    )
    spectrum, gain = draw_counted(MAPS, known)
    assert (spectrum.place, gain.place) == ("element_maps/spectrum", "element_maps/gain")
    text = text_of(spectrum.figure)
    assert "reduced chi² 1.25, 133 eV at Mn Ka, 9.99 eV per channel" in text
    assert {"Se_La", "S_Ka", "counts", "fit", "background"} <= set(text.split("\n"))
    (axes,) = spectrum.figure.axes
    assert [patch.get_x() for patch in axes.patches[:2]] == [1.3, 2.2]
    assert spectrum.numbers["counts"].tolist() == [100] * 50


def test_a_single_map_has_no_gain():
    assert draw_counted(MAPS[:, :1], attributes()) == []
