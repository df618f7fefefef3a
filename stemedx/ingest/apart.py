"""Reading files in a process of their own, which may crash, hang or take all memory.

The readers trust what a damaged file says of itself: the compiled parser of Bruker files
may write beyond its arrays, and libhdf5 may turn in circles. A server loads the readers
once; for each file it forks, so that what a file does to its process ends with it.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from math import ceil
from pathlib import Path

import numpy as np

from stemedx.ingest.contents import Contents, Read, read_contents
from stemedx.ingest.handover import read_handed, write_contents
from stemedx.ingest.reader import STREAMS, plugin
from stemedx.ingest.signals import REMEDY

SECONDS = 300.0
MEMORY_BYTES = 8 * 2**30
POLL_S = 0.005
CODE = """
import sys
sys.path[:0] = [sys.argv[1]]
from stemedx.ingest.apart import serve
serve(float(sys.argv[2]), int(sys.argv[3]))
"""


@contextmanager
def reading_apart(seconds: float = SECONDS, memory_bytes: int = MEMORY_BYTES) -> Iterator[Read]:
    """Lend a function that reads a file as `read_contents` does, in another process.

    Parameters
    ----------
    seconds, memory_bytes
        Of computing, and of memory, that one file may take at most.

    Raises
    ------
    ValueError
        By the function: whatever `read_contents` refuses; and if the process crashes,
        takes too long or needs too much memory.
    """
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", CODE, str(root), str(seconds), str(memory_bytes)]
    server = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield lambda path: _ask(server, path, Path(folder, "answer.npz"))
    finally:
        assert server.stdin is not None  # pipes, as asked
        assert server.stdout is not None
        with suppress(BrokenPipeError):
            server.stdin.close()
        server.stdout.close()
        server.kill()
        server.wait()


def _ask(server: "subprocess.Popen[str]", path: Path, place: Path) -> Contents:
    assert server.stdin is not None
    assert server.stdout is not None
    fault_place = place.with_suffix(".txt")
    for old in (place, fault_place):
        old.unlink(missing_ok=True)
    with suppress(BrokenPipeError):
        server.stdin.write(json.dumps([str(path), str(place)]) + "\n")
        server.stdin.flush()
    ended = server.stdout.readline().strip() or "the process that reads files has ended"
    if place.is_file():
        return read_handed(place, path)
    if fault_place.is_file():
        raise ValueError(fault_place.read_text(encoding="utf-8"))
    raise ValueError(
        f"{path}: expected a raw file that can be read, the reader failed ({ended}). {REMEDY}"
    )


def serve(seconds: float, memory_bytes: int) -> None:
    """Read files that standard input names, one after the other, each in a fork."""
    for line in sys.stdin:
        path, place = map(Path, json.loads(line))
        _load_reader(path)
        child = os.fork()
        if child == 0:
            _answer(path, place, seconds, memory_bytes)
        sys.stdout.write(_ended(child, seconds) + "\n")
        sys.stdout.flush()


def _load_reader(path: Path) -> None:
    """Import the reader of a file before the fork; what goes wrong is told by the fork."""
    with suppress(ValueError, ImportError):
        name, api = plugin(path)
        import_module(api)
        if name in STREAMS and "sparse" not in sys.modules:
            _compile_streams()


def _compile_streams() -> None:
    """Read a stream of few photons: numba compiles at the first, for seconds."""
    readers = import_module("rsciio.utils._fei_stream_readers")
    stream = np.array([3, 65535, 5, 7, 65535] * 32, np.uint16)
    sparse = readers.stream_to_sparse_COO_array(
        stream_data=stream, spatial_shape=(2, 4), channels=4096, last_frame=8, sum_frames=False
    )
    sparse.astype(np.uint16)


def _answer(path: Path, place: Path, seconds: float, memory_bytes: int) -> None:
    """Read a file and leave its contents at `place`, or the fault beside it; never return."""
    # the first of the two ends it by SIGXCPU, which tells why; the second is for the stubborn
    resource.setrlimit(resource.RLIMIT_CPU, (ceil(seconds), ceil(seconds) + 5))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        write_contents(place, read_contents(path))
    except Exception as error:  # noqa: BLE001 - readers fail in every way there is
        fault = _fault(path, error, memory_bytes)
        place.with_suffix(".txt").write_text(fault, encoding="utf-8")
    finally:
        os._exit(0)


def _fault(path: Path, error: Exception, memory_bytes: int) -> str:
    """Return in one line what went wrong."""
    if isinstance(error, MemoryError) or isinstance(error.__cause__, MemoryError):
        return (
            f"{path}: expected a file that can be read, it needs more than "
            f"{memory_bytes / 2**30:.1f} GB of memory. {REMEDY}"
        )
    if isinstance(error, ValueError) and str(path) in str(error):
        return str(error)
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return f"{path}: expected a raw file that can be read, found {reason}. {REMEDY}"


def _ended(child: int, seconds: float) -> str:
    """Wait for a process, as long as it may take; return how it ended.

    The system stops it after `seconds` of computing. Where it waits and does nothing, five
    times as long is granted; counted in naps, so that a busy machine takes no time from it.
    """
    too_slow = f"the reader did not end within {seconds:g} s"
    for _ in range(ceil(5 * seconds / POLL_S)):
        found, status = os.waitpid(child, os.WNOHANG)
        if found and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
            return too_slow
        if found:
            return f"the reader crashed (status {status})" if status else "done"
        time.sleep(POLL_S)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return too_slow
