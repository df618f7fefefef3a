"""Exported maps of a 2-D acquisition, frame by frame: one file per element."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stemedx.arrays import FrameMaps, Frames
from stemedx.ingest.calibration import one_pixel_nm, to_pixel_nm
from stemedx.ingest.contents import Read
from stemedx.ingest.exported_maps import map_files
from stemedx.ingest.files import raw_files
from stemedx.ingest.series import ManifestRow, ignored_row, insist_equal_shapes, manifest_row
from stemedx.maps.checks import insist_counts_or_rates, to_integers
from stemedx.sheet import SheetRow


@dataclass(frozen=True)
class FrameSeries:
    """The frames of one 2-D acquisition, in the order in which they were scanned."""

    pixel_nm: float
    maps: FrameMaps  # counts, elements in the order of the sheet
    haadf: Frames | None
    manifest: list[ManifestRow]


@dataclass(frozen=True)
class _Stack:
    file: Path
    values: Frames
    pixel_nm: float | None
    warnings: tuple[str, ...]


def gather_frames(files: Sequence[Path], row: SheetRow, read: Read) -> FrameSeries:
    """Return the frames of a specimen of kind `map`.

    Each file is named after its element and holds ``(frame, y, x)`` counts; HAADF frames
    are in a file with haadf in its name, or where the sheet says.

    Parameters
    ----------
    files
        Raw files.
    row
        What the sheet says.
    read
        Reads one file.

    Raises
    ------
    ValueError
        If an element has no file, a file holds no frames or no whole counts, or the files
        do not fit each other.
    """
    named = map_files(files, row.elements)
    if missing := [line for line in row.elements if line not in named]:
        raise ValueError(
            f"{row.raw}: expected a file of frames (frame, y, x) of {', '.join(missing)}, found "
            f"{', '.join(path.name for path in files)}. Add the file, or take the element from "
            "the column elements of the sheet."
        )
    elements = [_counts(_read(named[line], read)) for line in row.elements]
    others = [path for path in files if path not in named.values()]
    haadf_files = [path for path in others if "haadf" in path.stem.lower()]
    if row.haadf:
        haadf_files = raw_files(row.haadf, "haadf")
    haadf = _read(haadf_files[0], read) if haadf_files else None
    stacks = [*elements, *([haadf] if haadf else [])]
    insist_equal_shapes(
        [one.values.shape for one in stacks], [one.file for one in stacks], "frames (frame, y, x)"
    )
    steps = [one.pixel_nm for one in elements]
    pixel_nm, doubt = one_pixel_nm(steps, [one.file for one in elements], row.pixel_nm)
    rows = [
        manifest_row(
            one.file.name, np.nan, "", float(one.values.sum(dtype=np.float64)),
            [*one.warnings, doubt],
        )
        for one in elements
    ]  # fmt: skip
    ignored = [ignored_row(path, "not used") for path in others if path not in haadf_files[:1]]
    return FrameSeries(
        pixel_nm,
        np.stack([one.values for one in elements]),
        haadf.values.astype(np.float32) if haadf else None,
        rows + ignored,
    )


def _read(path: Path, read: Read) -> _Stack:
    contents = read(path)
    signals, said = contents.signals, contents.said
    if len(signals) != 1 or len(signals[0].axes) != 3:
        found = [" x ".join(str(len(axis.values)) for axis in one.axes) for one in signals]
        raise ValueError(
            f"{path}: expected frames (frame, y, x) in one array, found "
            f"{'; '.join(found) or 'nothing'}. Export the frames one by one, not their sum."
        )
    signal = signals[0]
    pixel_nm = to_pixel_nm(signal.axes[1], signal.axes[2], path)
    return _Stack(path, signal.load(), pixel_nm, tuple(said))


def _counts(stack: _Stack) -> _Stack:
    """Return the same with integers."""
    insist_counts_or_rates(stack.values, stack.file, ("frame", "y", "x"))
    whole = to_integers(stack.values)
    if whole is None:
        raise ValueError(
            f"{stack.file}: expected whole counts in every frame, found fractions. Events are "
            "moved one by one: export counts."
        )
    return _Stack(stack.file, whole, stack.pixel_nm, stack.warnings)
