"""The log of a stage: a file that tells what was read, done and written."""

import logging
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

FINISHED = "finished"
FAILED = "failed"
SECONDS_BETWEEN_LINES = 30.0
log = logging.getLogger(__name__)
Item = TypeVar("Item")


@contextmanager
def log_to(path: str) -> Iterator[None]:
    """Write what is logged inside the block to `path`, warnings also to the terminal.

    The last line of the file tells how it ended: ``finished``, or ``failed:`` and the
    reason; neither means that the stage was killed. A failure ends the process with
    one line on the terminal; its traceback is in the file.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    to_file = logging.FileHandler(path, mode="w", encoding="utf-8")
    to_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    to_terminal = logging.StreamHandler(sys.stderr)
    to_terminal.setFormatter(logging.Formatter(f"{path}: %(message)s"))
    to_terminal.addFilter(lambda r: r.levelno >= logging.WARNING or r.name == __name__)
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    logging.getLogger("stemedx").setLevel(logging.INFO)
    for handler in (to_file, to_terminal):
        root.addHandler(handler)
    try:
        yield
        logging.getLogger("stemedx").info(FINISHED)
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        to_file.handle(logging.LogRecord("", logging.INFO, "", 0, traceback.format_exc(), (), None))
        logging.getLogger("stemedx").error("%s: %s", FAILED, reason)
        raise SystemExit(1) from None
    finally:
        for handler in (to_file, to_terminal):
            root.removeHandler(handler)
            handler.close()


def failure(path: Path) -> str | None:
    """Return why the stage that wrote the log `path` failed; None if it did not.

    A log that is absent tells nothing: the stage did not start.
    """
    if not path.is_file():
        return None
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    last = lines[-1] if lines else ""
    if last.endswith(f" {FINISHED}"):
        return None
    _, found, reason = last.partition(f"ERROR {FAILED}: ")
    return reason if found else "it was stopped before it ended (killed, or out of memory)"


def progress(items: Iterable[Item], what: str, total: int, *, done: int = 0) -> Iterator[Item]:
    """Yield `items`; tell every 30 s, in log and terminal, how many are done.

    Parameters
    ----------
    items
        What is still to be done.
    what
        Their name, for the message.
    total
        Their number, those done before included.
    done
        How many were done before.
    """
    told = time.monotonic()
    for n, item in enumerate(items, start=done + 1):
        yield item
        if time.monotonic() - told > SECONDS_BETWEEN_LINES:
            told = time.monotonic()
            log.info("%s: %d of %d", what, n, total)
