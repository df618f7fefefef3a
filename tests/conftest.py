"""Fixtures that every test may use."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

# Small networks train faster on one core: docs/decisions/0005-one-thread-per-network.md
os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("STEMEDX_TEST_DATA", Path(__file__).parents[2] / "shared/data"))


@pytest.fixture
def rng():
    return np.random.default_rng(20240229)


@pytest.fixture
def data():
    """Folder of the real measurements; the test is skipped where there is none."""
    if not DATA.is_dir():
        pytest.skip(f"no real measurements at {DATA} (set STEMEDX_TEST_DATA)")
    return DATA


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device_place(request):
    """Where torch computes: on the CPU, and on a CUDA device where there is one."""
    import torch  # noqa: PLC0415 # it takes seconds, which other tests do not have

    from stemedx.project.on_device import OnDevice  # noqa: PLC0415

    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device that this PyTorch can use")
    return OnDevice(torch.device(request.param))


# A program that was started in the background may ignore Ctrl-C, and so would those it starts.
HEEDING = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Project:
    """A copy of the project in which the workflow is run as a user would."""

    def __init__(self, folder):
        self.folder = folder
        self.results = folder / "results"

    def command(self, *more):
        fixed = ["--cores", "2", "--configfile", "small.yaml"]
        return [sys.executable, "-m", "snakemake", *fixed, *more]

    def snakemake(self, *more):
        return subprocess.run(
            self.command(*more), cwd=self.folder, capture_output=True, text=True, check=False
        )

    def start(self, stderr=subprocess.DEVNULL):
        return subprocess.Popen(
            [sys.executable, "-c", HEEDING, *self.command()],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )

    def kill(self, process):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def planned(self, *more):
        """Return what `snakemake -n` would run: rule and method -> the reasons."""
        done = self.snakemake("-n", *more)
        assert done.returncode == 0, done.stderr
        text = done.stdout + done.stderr
        jobs = {}
        for block in re.split(r"\n(?=\[.*\]\n)|\n(?=Job stats)", text):
            rule = re.search(r"^(?:local)?(?:rule|checkpoint) (\w+):", block, re.M)
            if rule is None:
                continue
            method = re.search(r"wildcards:.*\bmethod=(\w+)", block)
            name = " ".join([rule.group(1), *(method.groups() if method else ())])
            reason = re.search(r"reason: (.*)", block)
            jobs[name] = jobs.get(name, "") + (reason.group(1) if reason else "")
        return jobs


SMALL = {
    "methods": ["sirt", "l1", "two_step"],
    "device": "cpu",
    "simulate": {
        "phantoms": {
            "dot": {
                "shape": "core_shell",
                "size_px": 32,
                "pixel_nm": 0.4,
                "tilts": "-60:60:20",
                "peak": 2.0,
            }
        }
    },
    "align": {"n_refinements": 0},
    "train_denoiser": {
        "n_epochs": 2,
        "min_updates": 1,
        "base_channels": 8,
        "batch": 2,
        "crop_px": 32,
        "guide": "haadf",
    },
    "denoise": {"n_thinnings": 1},
    "mbir": {"n_outer": 2, "n_inner": 3},
    "reconstruct": {"sirt": {"n_iterations": 5}, "l1": {"n_outer": 2, "n_inner": 3}},
    "train_enhancer": {"n_epochs": 2, "base_channels": 8, "batch": 2, "crop_px": 32},
}


def copy_project(folder):
    """Copy what a clone would hold, and give it a small batch."""
    left_out = shutil.ignore_patterns(
        ".*", "results", "__pycache__", "bench", "docs", "configs", "*.egg-info"
    )
    shutil.copytree(ROOT, folder, ignore=left_out)
    (folder / "small.yaml").write_text(yaml.safe_dump({**SMALL, "samples": "small.tsv"}))
    (folder / "small.tsv").write_text(
        "specimen\traw\telements\tgroup\ndot\tsimulated/dot\tSe,S,Zn\tdots\n"
    )
    return Project(folder)


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    """A finished run of a small batch; tests must leave it as it is."""
    project = copy_project(tmp_path_factory.mktemp("small") / "project")
    done = project.snakemake()
    assert done.returncode == 0, done.stderr
    return project


@pytest.fixture
def copy_of_project(tmp_path):
    return copy_project(tmp_path / "project")


@pytest.fixture
def small_config(copy_of_project):
    """Change sections of the small batch's configuration."""

    def write(**changes):
        config = {**SMALL, "samples": "small.tsv", **changes}
        (copy_of_project.folder / "small.yaml").write_text(yaml.safe_dump(config))

    return write


@pytest.fixture
def write_sheet(copy_of_project):
    """Write the sheet of the small batch; the last column is `alignment`."""

    def write(*lines):
        header = "specimen\traw\telements\talignment"
        (copy_of_project.folder / "small.tsv").write_text("\n".join([header, *lines, ""]))

    return write
