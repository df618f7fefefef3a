"""Photons by frame (sweep of the beam) and detector."""

from collections.abc import Iterator, Sequence

import numpy as np

from stemedx.arrays import FrameCounts, SparseValues
from stemedx.maps.counting import SpectrumSeries
from stemedx.maps.windows import Window

CERTAIN = 20.0  # photons that the missing end of a frame would have held


def frames_of_tilts(
    series: SpectrumSeries, windows: Sequence[Window]
) -> Iterator[tuple[FrameCounts, bool]]:
    """Yield the photons of each tilt by frame, and whether its last frame is whole.

    Nothing where the files do not tell frames.

    Parameters
    ----------
    series
        Spectra of all tilts.
    windows
        One per element.
    """
    if series.frames is None or series.detectors is None:
        return
    spectra, n_pixels = series.spectra, series.shape[1] * series.shape[2]
    for n, n_frames in enumerate(series.n_frames):
        ends = spectra.indptr[n * n_pixels : (n + 1) * n_pixels + 1]
        entries = slice(ends[0], ends[-1])
        frames, counts = series.frames[entries], spectra.data[entries]
        place = frames.astype(np.int64) * len(series.names) + series.detectors[entries]
        shape = (n_frames, len(series.names))
        found = count_frames(spectra.indices[entries], counts, place, windows, shape)
        pixels = np.repeat(np.arange(n_pixels), np.diff(ends))
        yield found, not is_cut_short(pixels, counts, frames, n_frames)


def count_frames(
    channels: SparseValues,
    counts: SparseValues,
    place: SparseValues,
    windows: Sequence[Window],
    shape: tuple[int, int],
) -> FrameCounts:
    """Return ``(element, frame, detector)`` photons in the window of each line.

    They add up to the counts of the maps.

    Parameters
    ----------
    channels, counts
        ``(entry)`` of the spectra of one tilt.
    place
        ``(entry)`` frame times the number of detectors, plus the detector.
    windows
        One per element.
    shape
        Number of frames and of detectors.
    """
    n_places = shape[0] * shape[1]
    found = np.zeros((len(windows), *shape), np.int64)
    for n, window in enumerate(windows):
        inside = (channels >= window.first) & (channels < window.end)
        totals = np.bincount(place[inside], counts[inside], n_places)
        found[n] = np.rint(totals).astype(np.int64).reshape(shape)
    return found


def is_cut_short(
    pixels: SparseValues, counts: SparseValues, frames: SparseValues, n_frames: int
) -> bool:
    """Tell whether the acquisition stopped within the last frame.

    Its last pixels hold nothing, where the frames before let expect 20 photons or more.

    Parameters
    ----------
    pixels, counts, frames
        ``(entry)`` of the spectra of one tilt.
    n_frames
        Of the tilt.
    """
    if n_frames < 2:
        return False
    is_last = frames == n_frames - 1
    end = int(pixels[is_last].max(initial=-1))
    before = counts[(pixels > end) & ~is_last].sum(dtype=np.float64)
    return bool(before / (n_frames - 1) > CERTAIN)
