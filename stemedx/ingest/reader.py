"""The door to RosettaSciIO, HyperSpy's readers of vendor files.

The readers are called themselves, not `hyperspy.load`: that fills in what a file does
not say (a stage tilt of 0, a detector at 35 degrees), and it can then not be told from
what was measured.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from rsciio import IO_PLUGINS

from stemedx.ingest.jeol import read_photons, stream_file
from stemedx.ingest.signals import (
    REMEDY,
    Signal,
    is_stream,
    readable,
    signal_of_photons,
    signal_of_streams,
    to_signal,
)
from stemedx.ingest.truncation import missing_bytes

# Readers that share an extension with another one.
PREFERRED = {"mrc": "MRC", "hdf5": "HSPY", "img": "JEOL", "map": "JEOL"}
# Only what is asked for is read.
LAZY = ("HSPY", "ZSPY", "EMD", "JEOL", "EDAX", "MRC")
# Lists of photons, frame by frame; of JEOL's the first frame is enough: see `jeol`.
STREAMS: dict[str, dict[str, Any]] = {
    "EMD": {"SI_dtype": np.uint16, "sum_frames": False, "sum_EDS_detectors": False},
    "JEOL": {"SI_dtype": np.uint16, "sum_frames": False, "frame_list": [0]},
}


def read_signals(path: Path) -> tuple[list[Signal], list[str]]:
    """Return the signals of a file, and what its reader warned of.

    Raises
    ------
    ValueError
        If there is no reader for it, it is shorter than it says, or the reader fails.
    """
    _insist_whole(path)
    name, api = plugin(path)
    options: dict[str, Any] = {"lazy": True} if name in LAZY else {}
    with readable(path), _overheard() as said:
        found = import_module(api).file_reader(str(path), **options, **STREAMS.get(name, {}))
        streams = [one for one in found if name in STREAMS and is_stream(one)]
        signals = [to_signal(path, one) for one in found if not is_stream(one) or not streams]
        if streams and name == "JEOL":
            signals += [_jeol(path, one, said) for one in streams]
        elif streams:
            signals.append(signal_of_streams(path, streams))
    return signals, said


def _jeol(path: Path, found: dict[str, Any], said: list[str]) -> Signal:
    """Return the photons of a JEOL file, or of one that a project names."""
    place = stream_file(path, found)
    if place != path:
        _insist_whole(place)
    n_y, n_x = (int(axis["size"]) for axis in found["axes"][1:3])
    photons, unusual = read_photons(place, n_y, n_x)
    said += unusual
    return signal_of_photons(path, found, photons)


def _insist_whole(path: Path) -> None:
    if missing := missing_bytes(path):
        raise ValueError(
            f"{path}: expected a whole file, found {path.stat().st_size} bytes, {missing} fewer "
            f"than its header announces. {REMEDY}"
        )


def plugin(path: Path) -> tuple[str, str]:
    """Return name and module of the reader of a file.

    Raises
    ------
    ValueError
        If none knows its extension, or several do.
    """
    candidates = _candidates(path)
    preferred = PREFERRED.get(_extension(path))
    for name, api in candidates.items():
        if len(candidates) == 1 or name == preferred:
            return name, api
    if _extension(path) in ("zip", "gz", "7z", "tar"):
        raise ValueError(
            f"{path}: expected a raw file, found an archive. Unpack it; for EDAX keep .spd, .spc "
            "and .ipr in one folder."
        )
    found = f"{len(candidates)} readers ({', '.join(candidates)})" if candidates else "no reader"
    raise ValueError(
        f"{path}: expected a file that one reader of RosettaSciIO knows by its extension, found "
        f"{found}. Save it as .hspy, or name other files in the column raw."
    )


def _candidates(path: Path) -> dict[str, str]:
    extension = _extension(path)
    return {
        plugin["name"]: plugin["api"]
        for plugin in IO_PLUGINS
        if extension in {known.lower() for known in plugin["file_extensions"]}
    }


def _extension(path: Path) -> str:
    return path.suffix.removeprefix(".").lower()


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """Collect the warnings of the readers, which would be noise on a terminal."""
    said: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("rsciio")
    before = logger.handlers, logger.propagate
    logger.handlers, logger.propagate = [handler], False
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield said
        said.extend(str(item.message) for item in caught if item.category is UserWarning)
        said[:] = dict.fromkeys(text for text in said if "numba" not in text)
    finally:
        logger.handlers, logger.propagate = before
