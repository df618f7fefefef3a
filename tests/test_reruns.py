"""What is run again after an edit: read from `snakemake -n` in an edited copy."""

import re

import pytest

pytestmark = pytest.mark.slow
SHELLS = {f"thickness {method}" for method in ("sirt", "l1", "two_step", "truth")}


@pytest.fixture
def edited(small_run):
    """Edit one file of the copy, tell what would run, and put it back."""

    def jobs_after(name, old, new):
        path = small_run.folder / name
        before = path.read_text()
        assert old in before, f"{name} has no {old!r}"
        path.write_text(before.replace(old, new, 1))
        try:
            return small_run.planned()
        finally:
            path.write_text(before)

    return jobs_after


def reason_of(jobs, kind):
    """Rules (with their method) that run for a reason of their own."""
    return {job for job, reasons in jobs.items() if kind in reasons}


def test_nothing_runs_without_an_edit(small_run):
    assert small_run.planned() == {}


@pytest.mark.parametrize(
    ("name", "old", "new", "own"),
    [
        (
            "stemedx/analyse/thickness.py",
            "\nimport ",
            "\nX_EDITED = 1\nimport ",
            SHELLS,
        ),
        ("stemedx/reconstruct/sirt.py", "\nfrom ", "\nX = 1\nfrom ", {"reconstruct sirt"}),
        ("stemedx/reconstruct/l1.py", "\nfrom ", "\nX = 1\nfrom ", {"reconstruct l1"}),
        ("stemedx/stages/align.py", "\nimport ", "\nX = 1\nimport ", {"align"}),
        (
            "stemedx/networks/unet.py",
            "\nimport ",
            "\nX = 1\nimport ",
            {"train_denoiser"},  # the first of its chain; what follows runs for its new inputs
        ),
    ],
)
def test_an_edited_module_reruns_the_stages_that_import_it(edited, name, old, new, own):
    assert reason_of(edited(name, old, new), "Params") == own


@pytest.mark.parametrize(
    ("name", "old"),
    [
        ("stemedx/store.py", '"""Zarr stores'),
        ("stemedx/reconstruct/sirt.py", '"""'),
        ("stemedx/stages/align.py", '"""'),
    ],
)
def test_an_edited_docstring_or_comment_reruns_nothing(edited, name, old):
    assert edited(name, old, f"# A new remark.\n{old}Edited. ") == {}


def test_an_edited_section_reruns_its_stage_and_what_follows(small_run):
    jobs = small_run.planned("--config", "thickness={threshold: 0.4}")
    assert reason_of(jobs, "Params") == SHELLS
    assert {job.split()[0] for job in jobs} == {"thickness", "figures", "tables", "report", "all"}


def test_an_edited_method_section_leaves_the_other_methods_alone(small_run):
    jobs = small_run.planned("--config", "reconstruct={sirt: {n_iterations: 7}}")
    assert reason_of(jobs, "Params") == {"reconstruct sirt"}
    assert not [job for job in jobs if re.search("two_step|l1|mbir|denoise", job)]


def test_the_device_reruns_nothing(small_run):
    assert small_run.planned("--config", "device=auto") == {}


def test_a_touched_script_reruns_nothing(small_run):
    (small_run.folder / "workflow_scripts/align.py").touch()
    assert small_run.planned() == {}
