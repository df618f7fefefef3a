"""Photons of spectrum images: only channels of pixels that counted something."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stemedx.arrays import SparseEnds, SparseValues
from stemedx.maps.checks import insist_counts_or_rates, to_integers

MOSTLY, BY_CHANCE = 0.8, 1e-9


@dataclass(frozen=True, eq=False)
class Photons:
    """Counts of a spectrum image or a stack of them, pixel by pixel.

    Attributes
    ----------
    pixels, channels, counts
        ``(entry)`` where photons were counted, pixels rising in the order (tilt, y, x),
        and how many. The same pixel and channel may come several times, once for each
        frame and detector.
    shape
        Pixels by axis, (y, x) or (tilt, y, x), and channels.
    frames, detectors
        ``(entry)`` the frame (sweep of the beam) and the detector of each, from 0; None
        where the file holds their sum alone.
    n_frames
        How many there are; 0 where the file does not say.
    names
        Of the detectors.
    """

    pixels: SparseValues
    channels: SparseValues
    counts: SparseValues
    shape: tuple[int, ...]
    frames: SparseValues | None = None
    detectors: SparseValues | None = None
    n_frames: int = 0
    names: tuple[str, ...] = ()

    def chosen(self, index: int | None, first_channel: int, frames: range | None) -> "Photons":
        """Return the photons of one tilt, of channels from one on, and of some frames.

        Parameters
        ----------
        index
            Of the tilt in a stack; None for a single spectrum image.
        first_channel
            Photons below are left out.
        frames
            From 0; None for all.
        """
        n_pixels = self.shape[-3] * self.shape[-2]
        first = 0 if index is None else index * n_pixels
        place = slice(*np.searchsorted(self.pixels, (first, first + n_pixels)))
        is_kept = self.channels[place] >= first_channel
        of_frames, n_frames = self.frames, self.n_frames
        if frames is not None and of_frames is not None:
            is_kept &= (of_frames[place] >= frames.start) & (of_frames[place] < frames.stop)
            of_frames, n_frames = of_frames - frames.start, len(frames)
        return Photons(
            self.pixels[place][is_kept] - first,
            self.channels[place][is_kept],
            self.counts[place][is_kept],
            self.shape[-3:],
            None if of_frames is None else of_frames[place][is_kept].astype(np.uint16),
            None if self.detectors is None else self.detectors[place][is_kept],
            n_frames,
            self.names,
        )

    @property
    def ends(self) -> SparseEnds:
        """``(row)`` where the entries of each pixel end; one more than there are pixels."""
        return np.searchsorted(self.pixels, np.arange(np.prod(self.shape[:-1]) + 1)).astype(
            np.int64
        )

    def empty_run(self) -> range | None:
        """Return the longest run of pixels without a photon, if chance has not made it.

        Where most pixels hold photons, so many in a row that hold none are a part of a file
        that was lost, or matter cannot be where they are.
        """
        n_pixels = int(np.prod(self.shape[:-1]))
        lit = np.unique(self.pixels).astype(np.int64)
        edges = np.concatenate([[-1], lit, [n_pixels]])
        longest = int(np.argmax(np.diff(edges)))
        run = range(int(edges[longest]) + 1, int(edges[longest + 1]))
        occupied = len(lit) / n_pixels
        by_chance = n_pixels * (1 - occupied) ** len(run)
        return run if occupied > MOSTLY and by_chance < BY_CHANCE else None

    def per_detector(self) -> dict[str, int]:
        """Return the photons of each detector; nothing where the file holds their sum."""
        if self.detectors is None:
            return {}
        totals = np.bincount(self.detectors, self.counts, len(self.names))
        return {name: int(total) for name, total in zip(self.names, totals, strict=True)}


def from_parts(parts: Iterable[np.ndarray], shape: tuple[int, ...], file: Path) -> Photons:
    """Return the photons of ``(row, x, energy)`` parts, one of them at a time in memory.

    Parameters
    ----------
    parts
        All rows of the first tilt, then those of the next.
    shape
        Pixels by axis, and channels.
    file
        Where they are from, for messages.

    Raises
    ------
    ValueError
        If a value is negative, not finite, or a fraction.
    """
    entries, first_row = [], 0
    for part in parts:
        entries.append(_entries(part, file, first_row, shape))
        first_row += len(part)
    pixels, channels, counts = (np.concatenate(kind) for kind in zip(*entries, strict=True))
    return Photons(pixels, channels, counts, shape)


def _entries(
    spectra: np.ndarray, file: Path, first_row: int, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pixels, channels and counts of some rows."""
    n_rows = shape[-3]
    insist_counts_or_rates(spectra, file, ("y", "x", "channel"), (first_row % n_rows, 0, 0))
    counts = spectra if spectra.dtype.kind in "u" else to_integers(spectra)
    if counts is None:
        raise ValueError(
            f"{file}: expected spectra of counted photons, found fractions such as "
            f"{spectra[spectra != np.floor(spectra)][0]:g}. Export spectra that are not normalised "
            "or filtered."
        )
    n_channels = counts.shape[-1]
    # the flat order of a part whose energies came first is not that of its memory
    pixels, channels = np.divmod(np.flatnonzero(counts), n_channels)
    values = counts.reshape(-1, n_channels)[pixels, channels]
    return (
        (pixels + first_row * shape[-2]).astype(np.uint32),
        channels.astype(np.uint16),
        values.astype(np.uint32),
    )


def from_streams(streams: list[Any], names: list[str]) -> Photons:
    """Return the photons of the streams of one measurement, one for each detector.

    Parameters
    ----------
    streams
        Sparse arrays ``(frame, y, x, channel)`` of the package `sparse`, as the readers of
        Velox and JEOL files make them.
    names
        Of the detectors.

    Raises
    ------
    ValueError
        If the streams differ in shape.
    """
    shapes = {stream.shape for stream in streams}
    if len(shapes) > 1:
        raise ValueError(f"expected streams of one shape, found {sorted(shapes)}")
    n_frames, _, n_x, _ = streams[0].shape
    coords = [np.asarray(stream.coords) for stream in streams]
    frames, channels = (np.concatenate([one[axis] for one in coords]) for axis in (0, 3))
    # JEOL's are 16 bits wide
    pixels = np.concatenate([one[1].astype(np.uint32) * n_x + one[2] for one in coords])
    counts = np.concatenate([stream.data for stream in streams])
    detectors = np.repeat(np.arange(len(streams)), [len(stream.data) for stream in streams])
    order = np.argsort(pixels, kind="stable")
    return Photons(
        pixels[order].astype(np.uint32),
        channels[order].astype(np.uint16),
        counts[order].astype(np.uint32),
        tuple(int(n) for n in streams[0].shape[1:]),
        frames[order].astype(np.uint16),
        detectors[order].astype(np.uint8),
        int(n_frames),
        tuple(names),
    )
