"""Photons of JEOL files, block by block: RosettaSciIO's list of them needs 200 times the file.

The layout is that of RosettaSciIO 0.15, `rsciio.jeol`: words of 16 bits, whose upper four
say what the others are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stemedx.arrays import SparseValues
from stemedx.ingest.photons import Photons
from stemedx.ingest.truncation import jeol_stream

COLUMN, ROW, PICTURE, PHOTON = 0x8, 0x9, 0xA, 0xB
FULL_SCAN = 4096  # rows and columns are told as shares of it
BLOCK_WORDS = 2**21


@dataclass
class _Beam:
    """Where the beam is, in words of the file."""

    frame: int = 0
    row: int = 0
    column: int = 0
    has_picture: bool = False


def stream_file(path: Path, found: dict[str, Any]) -> Path:
    """Return the file that holds the photons of a signal: a project names others."""
    named = found.get("original_metadata", {}).get("asw_viewdata", {}).get("Filename")
    return path.parent.joinpath(*named.split("\\")) if named else path


def read_photons(path: Path, n_y: int, n_x: int) -> tuple[Photons, list[str]]:
    """Return the photons of a ``.pts`` file, frame by frame, and what is unusual.

    A last frame that was not finished is left out, and told.

    Parameters
    ----------
    path
        Of the file.
    n_y, n_x
        Rows and columns.

    Raises
    ------
    ValueError
        If it holds no whole frame.
    """
    beam = _Beam()
    blocks = list(_blocks(path, n_y, n_x, beam))
    pixels, channels, frames = (np.concatenate(kind) for kind in zip(*blocks, strict=True))
    at_end = beam.row == FULL_SCAN - FULL_SCAN // n_y and (
        not beam.has_picture or beam.column == FULL_SCAN - FULL_SCAN // n_x
    )
    n_frames = beam.frame + at_end
    if n_frames == 0:
        raise ValueError(
            f"{path}: expected a whole frame, found that the scan ended in row "
            f"{beam.row * n_y // FULL_SCAN} of {n_y}. Leave this file out."
        )
    is_kept = frames < n_frames
    order = np.argsort(pixels[is_kept], kind="stable")
    photons = Photons(
        pixels[is_kept][order],
        channels[is_kept][order],
        np.ones(len(order), np.uint32),
        (n_y, n_x, FULL_SCAN),
        frames[is_kept][order],
        np.zeros(len(order), np.uint8),
        int(n_frames),
        ("detector 1",),
    )
    said = [] if at_end else [f"frame {n_frames + 1} was not finished and is left out"]
    return photons, said


def _blocks(
    path: Path, n_y: int, n_x: int, beam: _Beam
) -> Iterator[tuple[SparseValues, SparseValues, SparseValues]]:
    """Yield pixels, channels and frames of the photons of a part of the file."""
    offset, n_bytes = jeol_stream(path)
    words = np.memmap(path, "<u2", "r", offset, (n_bytes // 2,))
    for first in range(0, len(words), BLOCK_WORDS):
        block = np.asarray(words[first : first + BLOCK_WORDS])
        kind, value = block >> 12, (block & 0xFFF).astype(np.int32)
        is_photon = kind == PHOTON
        rows = np.concatenate([[beam.row], value[kind == ROW]])
        columns = np.concatenate([[beam.column], value[kind == COLUMN]])
        # the beam goes up again where a frame begins
        frames = beam.frame + np.cumsum(np.diff(rows, prepend=rows[0]) < 0)
        row = np.cumsum(kind == ROW)[is_photon]
        column = np.cumsum(kind == COLUMN)[is_photon]
        beam.row, beam.column, beam.frame = int(rows[-1]), int(columns[-1]), int(frames[-1])
        beam.has_picture |= bool((kind == PICTURE).any())
        y, x = rows[row] // (FULL_SCAN // n_y), columns[column] // (FULL_SCAN // n_x)
        is_inside = (y < n_y) & (x < n_x)
        yield (
            (y * n_x + x)[is_inside].astype(np.uint32),
            value[is_photon][is_inside].astype(np.uint16),
            frames[row][is_inside].astype(np.uint16),
        )
