"""Photons of JEOL files, against those of RosettaSciIO and of streams that are written here."""

import numpy as np
import pytest

from stemedx.ingest import jeol
from stemedx.ingest.apart import reading_apart
from stemedx.ingest.jeol import read_photons, stream_file
from stemedx.ingest.reader import read_signals
from stemedx.ingest.signals import signal_of_streams
from stemedx.ingest.truncation import missing_bytes

SAMPLE = "vendor/jeol/Sample/00_View000/View000_0000006.pts"
N_Y, N_X = 4, 8


def write_stream(path, words):
    """Write what the reader of the stream looks at: where it is, and its words."""
    header = bytearray(36)
    header[28:36] = np.array([36, 2 * len(words)], "<u4").tobytes()
    path.write_bytes(bytes(header) + np.array(words, "<u2").tobytes())


def scan(photons, n_rows=N_Y, has_picture=False):
    """Return the words of one frame; photons are (y, x, channel)."""
    words = []
    for y in range(n_rows):
        words.append(0x9000 + y * 4096 // N_Y)
        for x in range(N_X):
            channels = [c for at_y, at_x, c in photons if (at_y, at_x) == (y, x)]
            if channels or has_picture:
                words.append(0x8000 + x * 4096 // N_X)
            words += [0xA123] * has_picture + [0xB000 + c for c in channels] + [0x6000]
    return words


@pytest.mark.parametrize("block", [5, 2**21])
@pytest.mark.parametrize("has_picture", [False, True])
def test_photons_come_back(tmp_path, rng, monkeypatch, block, has_picture):
    monkeypatch.setattr(jeol, "BLOCK_WORDS", block)
    frames = [
        sorted(zip(*(rng.integers(n, size=20).tolist() for n in (N_Y, N_X, 4096)), strict=True))
        for _ in range(3)
    ]
    words = [word for one in frames for word in scan(one, has_picture=has_picture)]
    write_stream(tmp_path / "a.pts", words)
    photons, said = read_photons(tmp_path / "a.pts", N_Y, N_X)
    found = zip(
        photons.frames.tolist(), photons.pixels.tolist(), photons.channels.tolist(), strict=True
    )
    known = [(n, y * N_X + x, c) for n, one in enumerate(frames) for y, x, c in one]
    assert sorted(found) == sorted(known)
    assert (np.diff(photons.pixels.astype(int)) >= 0).all()
    assert (photons.n_frames, photons.shape, said) == (3, (N_Y, N_X, 4096), [])
    assert photons.counts.sum() == 60


def test_a_frame_that_was_not_finished_is_left_out_and_told(tmp_path):
    place = tmp_path / "a.pts"
    write_stream(place, scan([(0, 1, 7)]) + scan([(1, 2, 9)], n_rows=2))
    photons, said = read_photons(place, N_Y, N_X)
    assert (photons.n_frames, photons.channels.tolist()) == (1, [7])
    assert said == ["frame 2 was not finished and is left out"]
    write_stream(place, scan([(1, 2, 9)], n_rows=3))
    with pytest.raises(ValueError, match=r"a.pts: expected a whole frame, .* in row 2 of 4. Leave"):
        read_photons(place, N_Y, N_X)


def test_a_file_cut_short_lacks_bytes(tmp_path):
    place = tmp_path / "a.pts"
    write_stream(place, scan([(0, 1, 7)]))
    assert missing_bytes(place) == 0
    place.write_bytes(place.read_bytes()[:-6])
    assert missing_bytes(place) == 6
    place.write_bytes(b"short")
    assert missing_bytes(place) == 0


def test_a_project_names_the_file_of_its_photons(tmp_path):
    named = {"original_metadata": {"asw_viewdata": {"Filename": "Sample\\00_View000\\a.pts"}}}
    assert stream_file(tmp_path / "a.asw", named) == tmp_path / "Sample/00_View000/a.pts"
    assert stream_file(tmp_path / "a.pts", {}) == tmp_path / "a.pts"


@pytest.mark.data
@pytest.mark.slow
def test_the_same_photons_as_rosettasciio(data):
    from rsciio.jeol import file_reader  # noqa: PLC0415

    path = data / SAMPLE
    streams = file_reader(str(path), lazy=True, SI_dtype=np.uint16, sum_frames=False)
    known = signal_of_streams(path, [one for one in streams if len(one["axes"]) == 4]).values
    found = next(one.values for one in read_signals(path)[0])
    assert (found.n_frames, found.shape, found.names) == (14, (512, 512, 4096), known.names)

    def keys(photons):
        place = photons.pixels.astype(np.int64) * 4096 + photons.channels
        return np.sort(np.repeat(place * 64 + photons.frames, photons.counts))

    assert np.array_equal(keys(found), keys(known))


@pytest.mark.data
@pytest.mark.slow
def test_a_file_that_unpacks_to_gigabytes_takes_few(data, tmp_path):
    """12 million photons: 2 GB as a cube, 3.2 GB as a list; imports alone are 2 GB of addresses."""
    whole = (data / SAMPLE).read_bytes()
    at, length = np.frombuffer(whole[28:36], "<u4").tolist()
    header = bytearray(whole[:at])
    header[32:36] = (40 * length).to_bytes(4, "little")
    (tmp_path / "a.pts").write_bytes(bytes(header) + 40 * whole[at:])
    with reading_apart(60.0, 3 * 2**30) as read:
        (image,) = read(tmp_path / "a.pts").signals
    assert image.values.n_frames == 40 * 14
    assert image.values.counts.sum(dtype=np.int64) == 40 * 308_261
