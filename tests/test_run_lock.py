import subprocess
import sys
from pathlib import Path

import pytest

from stemedx.run_lock import take_lock

ROOT = Path(__file__).parents[1]
HOLD = """
import sys
from pathlib import Path
from stemedx.run_lock import take_lock
lock = take_lock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_run_is_refused_and_a_killed_one_leaves_no_lock(tmp_path):
    path = tmp_path / "results/.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError, match=f"process {other.pid} is working on these"):
            take_lock(path)
        other.kill()
    with take_lock(path):
        pass
