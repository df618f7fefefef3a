"""Logs, and what they tell of a failure."""

import logging

import pytest

from stemedx import logs
from stemedx.failures import failures
from stemedx.params import RunConfig

log = logging.getLogger("stemedx.test")


def test_a_stage_that_ends_well_says_finished(tmp_path):
    path = tmp_path / "logs/a.log"
    with logs.log_to(str(path)):
        log.info("read 3 photons")
    assert "read 3 photons" in path.read_text()
    assert logs.failure(path) is None


def test_a_failure_is_one_line_on_the_terminal_and_a_traceback_in_the_log(tmp_path, capsys):
    path = tmp_path / "a.log"
    with pytest.raises(SystemExit) as ended, logs.log_to(str(path)):
        raise ValueError("expected 3 tilts,\nfound 2")
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"{path}: failed: expected 3 tilts, found 2\n"
    assert "Traceback" in path.read_text()
    assert logs.failure(path) == "expected 3 tilts, found 2"


def test_a_killed_stage_is_told(tmp_path):
    path = tmp_path / "a.log"
    path.write_text("2026-01-01 00:00:00,000 INFO read 3 photons\n")
    assert "stopped before it ended" in logs.failure(path)


def test_a_stage_that_never_started_has_not_failed(tmp_path):
    assert logs.failure(tmp_path / "none.log") is None


def test_warnings_reach_the_terminal_and_notes_do_not(tmp_path, capsys):
    with logs.log_to(str(tmp_path / "a.log")):
        log.warning("Se and As overlap")
        log.info("wrote it")
    assert capsys.readouterr().err == f"{tmp_path / 'a.log'}: Se and As overlap\n"


def test_progress_is_told_in_terminal_and_log(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(logs, "SECONDS_BETWEEN_LINES", 0.0)
    with logs.log_to(str(tmp_path / "a.log")):
        assert list(logs.progress("ab", "training", 2)) == ["a", "b"]
    assert "training: 2 of 2" in capsys.readouterr().err
    assert "training: 1 of 2" in (tmp_path / "a.log").read_text()


def test_progress_counts_what_was_done_before(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "SECONDS_BETWEEN_LINES", 0.0)
    with logs.log_to(str(tmp_path / "a.log")):
        assert list(logs.progress("ab", "training", 7, done=5)) == ["a", "b"]
    assert "training: 6 of 7" in (tmp_path / "a.log").read_text()


def failed_log(path, reason):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"2026-01-01 00:00:00,000 ERROR failed: {reason}\n")


def test_failures_tell_specimen_stage_method_and_reason(tmp_path):
    run = RunConfig(results=str(tmp_path), methods=("sirt", "two_step"))
    failed_log(tmp_path / "a/logs/ingest.log", "no files")
    failed_log(tmp_path / "b/logs/reconstruct_sirt.log", "too thin")
    failed_log(tmp_path / "b/halves/0a/logs/train_denoiser.log", "no photons")
    failed_log(tmp_path / "b/halves/0b/logs/train_denoiser.log", "no photons either")
    failed_log(tmp_path / "gone/logs/ingest.log", "not in the sheet")
    found = failures(run, ["a", "b"])
    assert [tuple(fault.values())[:4] for fault in found] == [
        ("a", "ingest", "", "no files"),
        ("b", "train_denoiser", "two_step", "no photons"),
        ("b", "reconstruct", "sirt", "too thin"),
    ]


def test_a_failed_method_that_is_no_longer_wanted_is_not_a_failure(tmp_path):
    run = RunConfig(results=str(tmp_path), methods=("sirt",), resolution={"splits": 0})
    failed_log(tmp_path / "a/logs/reconstruct_l1.log", "x")
    failed_log(tmp_path / "a/logs/denoise.log", "x")
    failed_log(tmp_path / "a/halves/0a/logs/reconstruct_sirt.log", "x")
    assert failures(run, ["a"]) == []


BATCH_NETWORK = {"specimens": ["a"], "held_out": ["b"]}


def test_a_stage_that_two_methods_need_fails_both(tmp_path):
    run = RunConfig(
        results=str(tmp_path),
        methods=("two_step", "end_to_end"),
        train_end_to_end={"specimens": ["a"]},
    )
    failed_log(tmp_path / "c/logs/denoise.log", "no weights")
    failed_log(tmp_path / "c/logs/mbir.log", "no memory")
    found = [(fault["stage"], fault["method"]) for fault in failures(run, ["a", "c"])]
    assert found == [("denoise", "two_step"), ("denoise", "end_to_end"), ("mbir", "two_step")]


def test_a_specimen_that_the_network_of_the_batch_learns_from_fails_it_for_all(tmp_path):
    run = RunConfig(
        results=str(tmp_path), methods=("sirt", "end_to_end"), train_end_to_end=BATCH_NETWORK
    )
    failed_log(tmp_path / "b/logs/synthesize.log", "no memory")
    found = failures(run, ["a", "b"])
    told = [
        (fault["specimen"], fault["reason"]) for fault in found if fault["stage"][:5] == "train"
    ]
    assert told == [(name, "it learns from b, which failed") for name in "ab"]


def test_a_network_of_the_batch_that_failed_is_told_with_its_log(tmp_path):
    run = RunConfig(
        results=str(tmp_path), methods=("sirt", "end_to_end"), train_end_to_end=BATCH_NETWORK
    )
    failed_log(tmp_path / "logs/train_end_to_end.log", "the loss is not finite")
    found = failures(run, ["a"])
    assert [tuple(fault.values())[:4] for fault in found] == [
        ("a", "train_end_to_end", "end_to_end", "the loss is not finite")
    ]
    assert failures(RunConfig(results=str(tmp_path), methods=("sirt",)), ["a"]) == []


def test_every_stage_of_a_map_is_needed(tmp_path):
    run = RunConfig(results=str(tmp_path), methods=("sirt",))
    failed_log(tmp_path / "flat/logs/train_denoiser.log", "no photons")
    failed_log(tmp_path / "a/logs/train_denoiser.log", "of another configuration")
    found = failures(run, ["a", "flat"], ["flat"])
    assert [tuple(fault.values())[:3] for fault in found] == [("flat", "train_denoiser", "")]


def test_a_denoiser_of_the_batch_fails_all_that_it_serves(tmp_path):
    published = {"method": "paper", "n_levels": 3, "crop_px": 16, "specimens": ["flat"]}
    run = RunConfig(results=str(tmp_path), methods=("sirt", "two_step"), train_denoiser=published)
    failed_log(tmp_path / "logs/train_denoiser.log", "the loss is not finite")
    found = failures(run, ["a", "flat"], ["flat"])
    named = [(fault["specimen"], fault["stage"], fault["method"]) for fault in found]
    assert named == [("a", "train_denoiser", "two_step"), ("flat", "train_denoiser", "")]
    failed_log(tmp_path / "flat/logs/kernel.log", "no memory")
    told = {fault["reason"] for fault in failures(run, ["a", "flat"], ["flat"])}
    assert told == {"no memory", "it learns from flat, which failed"}
