"""One run at a time in a folder of results."""

import fcntl
import os
from pathlib import Path
from typing import IO


def take_lock(path: Path) -> IO[str]:
    """Return the lock file, held as long as it stays open.

    The lock ends with the process that holds it, however it ends: a killed run
    leaves nothing to clean up.

    Raises
    ------
    BlockingIOError
        If a living process holds it, naming the process.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip()
        lock.close()
        raise BlockingIOError(
            f"{path}: process {holder} is working on these results. Wait for it to end, "
            "or stop it; a second run would overwrite its files."
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock
