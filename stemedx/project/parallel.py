"""Work that releases Python's lock, shared among a few threads."""

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

# As many as the rules of the workflow reserve.
MAX_THREADS = 4
# Work on fewer values than this is over before a thread has started.
WORTH_A_THREAD = 200_000
Item = TypeVar("Item")
_thread = threading.local()


def n_threads() -> int:
    """Return how many threads to work with; results do not depend on it.

    Work shared among threads is not shared again within each: there it is 1.
    """
    if getattr(_thread, "is_shared", False):
        return 1
    return min(MAX_THREADS, len(os.sched_getaffinity(0)))


def for_each(work: Callable[[Item], object], items: Iterable[Item], n_values: int) -> None:
    """Call `work` on each item, several at a time if there is enough of it.

    Parameters
    ----------
    work
        Releases Python's lock while it computes, and leaves the other items alone.
    items
        What it is called with.
    n_values
        How many values are touched in all.
    """
    if n_values < WORTH_A_THREAD or n_threads() == 1:
        for item in items:
            work(item)
        return
    with ThreadPoolExecutor(n_threads(), initializer=_share) as pool:
        for _ in pool.map(work, items):
            pass


def _share() -> None:
    _thread.is_shared = True
