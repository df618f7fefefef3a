"""Work that releases Python's lock, shared among a few threads."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

# As many as the rules of the workflow reserve.
MAX_THREADS = 4
# Work on fewer values than this is over before a thread has started.
WORTH_A_THREAD = 200_000
Item = TypeVar("Item")


def n_threads() -> int:
    """Return how many threads to work with; results do not depend on it."""
    return min(MAX_THREADS, len(os.sched_getaffinity(0)))


def for_each(work: Callable[[Item], None], items: Iterable[Item], n_values: int) -> None:
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
    if n_values < WORTH_A_THREAD:
        for item in items:
            work(item)
        return
    with ThreadPoolExecutor(n_threads()) as pool:
        for _ in pool.map(work, items):
            pass
