"""A digest of raw files, remembered so that large ones are read once."""

import json
from glob import glob
from hashlib import sha256
from pathlib import Path

BLOCK = 1 << 20


def raw_digest(patterns: list[str], memory: Path) -> str:
    """Return a digest of the content of all files that `patterns` name.

    A file that was read before, with the same size and time of change, is not read
    again. Nothing found gives a digest too: the stage that reads the files says what
    is missing.

    Parameters
    ----------
    patterns
        Files, folders (with all they hold) or globs.
    memory
        JSON file of the digests known so far.
    """
    known = json.loads(memory.read_text()) if memory.is_file() else {}
    files = sorted({file for pattern in patterns for file in _files(pattern)})
    keys = {file: _key(file) for file in files}
    news = {key: _digest(file) for file, key in keys.items() if key not in known}
    if news:
        memory.parent.mkdir(parents=True, exist_ok=True)
        partial = memory.with_suffix(".partial")
        partial.write_text(json.dumps({**known, **news}))
        partial.replace(memory)
    known.update(news)
    lines = [f"{file.name} {known[keys[file]]}" for file in files]
    return sha256("\n".join(lines).encode()).hexdigest()[:16]


def _files(pattern: str) -> list[Path]:
    found = [Path(name) for name in glob(pattern)]  # noqa: PTH207 - absolute globs too
    inside = [file for folder in found if folder.is_dir() for file in folder.rglob("*")]
    return [file for file in [*found, *inside] if file.is_file()]


def _key(file: Path) -> str:
    state = file.stat()
    return f"{file.resolve()} {state.st_size} {state.st_mtime_ns}"


def _digest(file: Path) -> str:
    total = sha256()
    with file.open("rb") as stream:
        while block := stream.read(BLOCK):
            total.update(block)
    return total.hexdigest()
