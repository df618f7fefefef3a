import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from stemedx.maps.lines import Line
from stemedx.maps.windows import (
    Window,
    count_windows,
    fwhm_keV,
    to_window,
)


def test_width_follows_goldstein():
    assert fwhm_keV(5.8987, 140.0) == pytest.approx(0.140, rel=1e-9)  # rounding
    # 2.5 eV per eV: from Mn Ka to Zn Ka
    assert fwhm_keV(8.6389, 140.0) == pytest.approx(
        np.sqrt(140**2 + 2.5 * (8638.9 - 5898.7)) / 1e3, rel=1e-9
    )
    # better than silicon's own spread allows: as if the electronics added nothing
    assert fwhm_keV(1.0, 60.0) == pytest.approx(np.sqrt(2500.0) / 1e3, rel=1e-9)


@given(
    st.floats(0.3, 9.5), st.floats(0.001, 0.3), st.floats(-0.5, 0.2), st.sampled_from([0.005, 0.02])
)
def test_window_holds_the_channels_within_it(energy, half, offset, scale):
    n_channels = round((10 - offset) / scale)
    window = to_window(Line("S_Ka", energy), half, offset, scale, n_channels)
    inside = np.abs(offset + scale * np.arange(n_channels) - energy)
    slack = 1e-9 * scale  # rounding at the ends
    assert (inside[window.first : window.end] <= max(half, scale / 2) + slack).all()
    outside = np.delete(inside, np.arange(window.first, window.end))
    assert (outside > half - slack).all()
    assert window.first < window.end


def test_counts_in_windows_are_sums_of_channels(rng):
    spectra = rng.poisson(0.1, (2, 3, 4, 30)).astype(np.uint16)
    windows = [Window(Line("Se_La", 1.4), 3, 9), Window(Line("S_Ka", 2.3), 7, 8)]
    maps = count_windows(csr_array(spectra.reshape(-1, 30)), windows, (2, 3, 4))
    assert maps.shape == (2, 2, 3, 4)
    assert (maps[0] == spectra[..., 3:9].sum(axis=-1)).all()
    assert (maps[1] == spectra[..., 7]).all()


def test_many_counts_do_not_overflow():
    spectra = csr_array(np.full((1, 4), 60_000, np.uint16))
    maps = count_windows(spectra, [Window(Line("S_Ka", 2.3), 0, 4)], (1, 1, 1))
    assert maps.item() == 240_000
