"""Work that releases Python's lock, shared among a few threads."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

MAX_THREADS = 8
Item = TypeVar("Item")


def n_threads() -> int:
    """Return how many threads to work with; results do not depend on it."""
    return min(MAX_THREADS, len(os.sched_getaffinity(0)))


def for_each(work: Callable[[Item], None], items: Iterable[Item]) -> None:
    """Call `work` on each item, several at a time; raise what it raises."""
    with ThreadPoolExecutor(n_threads()) as pool:
        for _ in pool.map(work, items):
            pass
