import numpy as np
import pytest
from scipy.sparse import csr_array

from stemedx.maps.counting import SpectrumSeries
from stemedx.maps.frames import count_frames, frames_of_tilts, is_cut_short
from stemedx.maps.lines import Line
from stemedx.maps.response import Response
from stemedx.maps.windows import Window, count_windows

WINDOWS = [Window(Line("Se_La", 1.4), 3, 9), Window(Line("S_Ka", 2.3), 7, 12)]


@pytest.fixture
def series(rng):
    """Two tilts of 3 x 5 pixels, 4 and 2 frames, 3 detectors: one entry per photon."""
    rows, frames = np.sort(rng.integers(30, size=900)), rng.integers(2, size=900)
    frames[rows < 15] = rng.integers(4, size=(rows < 15).sum())
    ends = np.searchsorted(rows, np.arange(31))
    photons = (rng.integers(1, 3, 900), rng.integers(20, size=900), ends)
    return SpectrumSeries(
        csr_array(photons, shape=(30, 20)), (2, 3, 5), Response(0.0, 0.1, 0.05), 0, None, (),
        frames, rng.integers(3, size=900), (4, 2), ("a", "b", "c"),
    )  # fmt: skip


def test_frames_and_detectors_add_up_to_the_maps(series):
    maps = count_windows(series.spectra, WINDOWS, series.shape)
    found = list(frames_of_tilts(series, WINDOWS))
    assert [counts.shape for counts, _ in found] == [(2, 4, 3), (2, 2, 3)]
    for tilt, (counts, is_whole) in enumerate(found):
        assert is_whole
        assert counts.sum(axis=(1, 2)).tolist() == maps[:, tilt].sum(axis=(1, 2)).tolist()


def test_a_photon_is_counted_in_its_frame_and_detector(series):
    entry = int(np.flatnonzero((series.spectra.indices >= 9) & (series.spectra.indices < 12))[0])
    before, after = (next(frames_of_tilts(series, WINDOWS))[0] for _ in range(2))
    assert (before == after).all()
    series.spectra.data[entry] += 100
    after = next(frames_of_tilts(series, WINDOWS))[0]
    place = (1, series.frames[entry], series.detectors[entry])
    assert (after - before)[place] == 100
    assert (after - before).sum() == 100


def test_files_without_frames_tell_none(series):
    plain = SpectrumSeries(series.spectra, series.shape, series.response, 0, None, ())
    assert list(frames_of_tilts(plain, WINDOWS)) == []
    none = np.zeros(0, int)
    assert count_frames(none, none, none, WINDOWS, (2, 1)).tolist() == [[[0], [0]]] * 2


def test_a_last_frame_that_was_cut_short_is_told(rng):
    pixels, frames = np.indices((200, 5)).reshape(2, -1)
    counts = rng.poisson(1.0, 1000)
    assert not is_cut_short(pixels, counts, frames, 5)
    is_seen = (frames < 4) | (pixels < 150)
    assert is_cut_short(pixels[is_seen], counts[is_seen], frames[is_seen], 5)
    one = frames == 0
    assert not is_cut_short(pixels[one], counts[one], frames[one], 1)
