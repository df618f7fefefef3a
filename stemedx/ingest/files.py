"""Which files a sheet's `raw` or `haadf` means, and in which order."""

import re
from glob import glob
from pathlib import Path

# What a folder is searched for; a glob or a path may name anything that has a reader.
EXTENSIONS = "ali asw bcf dm3 dm4 emd emi hdf5 hspy mrc nxs prz pts rpl ser spd tif tiff zspy"
RAW = frozenset(f".{extension}" for extension in EXTENSIONS.split())
# Parts of another file of the same name, which reads them itself.
PART_OF = {".ser": ".emi", ".pts": ".asw"}
NUMBER = re.compile(r"(?<![A-Za-z0-9.])[-+]?\d+(?:\.\d+)?|\d+(?:\.\d+)?")


def raw_files(pattern: str, column: str) -> list[Path]:
    """Return the files that a folder, a glob or a path names, in natural order.

    Parameters
    ----------
    pattern
        What the sheet says.
    column
        Of the sheet, for the message.

    Raises
    ------
    ValueError
        If there is no such folder or file, or it holds no raw files.
    """
    place = Path(pattern)
    if place.is_dir() and place.suffix != ".zspy":
        found = [path for path in place.iterdir() if _is_raw(path)]
        wanted = f"raw files ({', '.join(sorted(RAW))}) in this folder"
    else:
        matching = map(Path, glob(pattern))  # noqa: PTH207 - absolute patterns too
        found = [path for path in matching if path.is_file() or path.suffix == ".zspy"]
        wanted = "a folder, a file, or files that match"
    if not found:
        raise ValueError(
            f"{pattern}: expected {wanted}, found none. Correct the column {column} of the sheet "
            "(paths are relative to the sheet)."
        )
    return sorted(_without_parts(found), key=_natural)


def numbers(name: str) -> list[float]:
    """Return the numbers in a name; a hyphen after a letter or a digit is no sign.

    Examples
    --------
    >>> numbers("EDX_-40.5deg"), numbers("2018-11-29_x")
    ([-40.5], [2018.0, 11.0, 29.0])
    """
    return [float(found) for found in NUMBER.findall(name)]


def _is_raw(path: Path) -> bool:
    return path.suffix.lower() in RAW and not path.name.startswith(".")


def _without_parts(files: list[Path]) -> list[Path]:
    """Leave out files that another one of the same name reads itself."""
    whole = {(path.stem.lower(), path.suffix.lower()) for path in files}
    return [path for path in files if not _has_whole(path, whole)]


def _has_whole(path: Path, known: set[tuple[str, str]]) -> bool:
    """Tell whether the file that `path` is a part of is there; TIA numbers its parts."""
    owner = PART_OF.get(path.suffix.lower())
    stem = path.stem.lower()
    return (stem, owner) in known or (re.sub(r"_\d+$", "", stem), owner) in known


def _natural(path: Path) -> tuple[list[str], list[float], str]:
    """Order -40 before 2 before 10, names that differ in more than numbers by letters."""
    return [NUMBER.sub("", path.stem)], numbers(path.stem), path.name
