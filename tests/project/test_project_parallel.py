import threading

import pytest

from stemedx.project import parallel
from stemedx.project.parallel import WORTH_A_THREAD, for_each, n_threads


@pytest.fixture
def two_threads(monkeypatch):
    monkeypatch.setattr(parallel.os, "sched_getaffinity", lambda _: {0, 1})


@pytest.mark.usefixtures("two_threads")
def test_shared_work_is_not_shared_again():
    found = []

    def outer(_):
        here = threading.get_ident()
        for_each(
            lambda _: found.append((n_threads(), threading.get_ident() == here)),
            "ab",
            WORTH_A_THREAD,
        )

    for_each(outer, "abc", WORTH_A_THREAD)
    assert found == [(1, True)] * 6
    assert n_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_an_error_in_a_thread_is_raised():
    with pytest.raises(ZeroDivisionError):
        for_each(lambda n: 1 // n, [1, 0], WORTH_A_THREAD)
