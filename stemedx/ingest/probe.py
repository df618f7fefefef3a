"""Reading a file in a process of its own, which may crash, hang or take all memory."""

import pickle
import resource
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

SECONDS = 300
MEMORY_BYTES = 8 * 2**30
CODE = """
import sys
sys.path[:0] = [sys.argv[1]]
from stemedx.ingest.probe import answer
answer(*sys.argv[2:])
"""
WANTED = ("tilt_alpha", "beam_energy")


def read_apart(api: str, path: Path) -> list[dict[str, Any]]:
    """Return what a reader of RosettaSciIO gives, read by another process.

    The compiled parser of Bruker files trusts what a damaged file says of itself: it may
    write beyond its arrays, now or at the next file, and end the process.

    Parameters
    ----------
    api
        Module of the reader.
    path
        To read.

    Raises
    ------
    RuntimeError
        If the process crashes, hangs, or needs too much memory; or what the reader
        raised.
    """
    root = Path(__file__).parents[2]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "answer")
        command = [sys.executable, "-c", CODE, str(root), api, str(path), str(place)]
        try:
            subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"the reader did not end within {SECONDS} s") from None
        if not place.is_file():
            raise RuntimeError("the reader crashed")
        with place.open("rb") as stream:
            fault, found = pickle.load(stream)  # noqa: S301 - written by ourselves
    if fault:
        raise RuntimeError(fault)
    return list(found)


def answer(api: str, path: str, place: str) -> None:
    """Read a file; leave a pair at `place`: what went wrong or nothing, and the signals."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    try:
        found = [_plain(one) for one in import_module(api).file_reader(path)]
        fault = ""
    except MemoryError:
        found, fault = [], f"it needs more than {MEMORY_BYTES / 2**30:.0f} GB of memory"
    except Exception as error:  # noqa: BLE001 - readers fail in every way there is
        found, fault = [], f"{type(error).__name__}: {error}"
    partial = Path(place).with_suffix(".partial")
    with partial.open("wb") as stream:
        pickle.dump((fault, found), stream, protocol=5)
    partial.rename(place)


def mapped(found: dict[str, Any]) -> dict[str, Any]:
    """Return what the vendor's own metadata say, where the reader knows their place."""
    values = {}
    for place, (target, convert) in (found.get("mapping") or {}).items():
        name = target.rsplit(".", 1)[-1]
        value: Any = found.get("original_metadata") or {}
        for key in place.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None and name in WANTED:
            values[name] = convert(value) if convert else value
    return values


def _plain(found: dict[str, Any]) -> dict[str, Any]:
    """Return a signal without its functions, which another process cannot be handed."""
    kept: dict[str, Any] = {k: found[k] for k in ("data", "axes", "metadata") if k in found}
    return kept | {"mapped": mapped(found)}
