"""The whole workflow, run as a user would run it, on small simulated specimens."""

import json
import os
import re
import resource
import signal
import subprocess
import time

import numpy as np
import pandas as pd
import pytest
import safetensors

from stemedx import store

pytestmark = pytest.mark.slow
MAP_AXES = ("element", "tilt", "y", "x")


def test_a_run_leaves_what_the_contract_promises(small_run):
    dot = small_run.results / "dot"
    names = {path.relative_to(dot).as_posix() for path in dot.rglob("*")}
    wanted = {
        "tilt_series.zarr",
        "tilt_series.csv",
        "element_maps.zarr",
        "alignment.zarr",
        "alignment.csv",
        "denoised.zarr",
        "volumes/sirt.ome.zarr",
        "volumes/l1.ome.zarr",
        "volumes/two_step.ome.zarr",
        "volumes/haadf.ome.zarr",
        "volumes/two_step_Zn.mrc",
        "projections_360.zarr",
        "resolution/two_step.csv",
        "resolution/two_step_crossings.csv",
        "thickness/two_step/statistics.csv",
        "networks/denoiser.safetensors",
        "networks/enhancer.csv",
        "halves/0a/volumes/two_step.ome.zarr",
        "figures",
        "logs/align.log",
        "benchmarks/align.tsv",
    }
    assert wanted <= names
    assert not [name for name in names if name.endswith(".partial")]
    assert (small_run.results / "report.html").stat().st_size > 10_000
    tables = {path.stem for path in (small_run.results / "tables").glob("*.csv")}
    assert tables >= {"specimens", "methods", "resolution", "thickness", "groups"}


def test_the_counts_that_reach_the_maps_are_integers(small_run):
    counts, attrs = store.read(
        small_run.results / "dot/element_maps.zarr", axes=MAP_AXES, units="count"
    )
    assert np.issubdtype(counts.dtype, np.integer)
    assert (attrs["elements"], len(attrs["tilt_deg"])) == (["Se", "S", "Zn"], counts.shape[1])
    assert attrs["made_by"]["stage"] == "element_maps"


def test_haadf_guides_the_whole_and_not_its_halves(small_run):
    """Noise that both halves saw would look like signal."""
    read = {}
    for part in ("", "halves/0a/"):
        folder = small_run.results / "dot" / part
        with safetensors.safe_open(folder / "networks/denoiser.safetensors", "pt") as stored:
            told = json.loads(stored.metadata()["stemedx"])
        attrs = store.read_attrs(folder / "denoised.zarr")
        inputs = [told["made_by"]["inputs"], attrs["made_by"]["inputs"]]
        read[part] = told["architecture"]["n_guides"], ["tilt_series" in names for names in inputs]
    assert read == {"": (1, [True, True]), "halves/0a/": (0, [False, False])}
    assert not (small_run.results / "dot/checkpoints").exists()


def test_the_halves_add_up_to_the_counts(small_run):
    a, b, whole = (
        store.read(small_run.results / f"dot/{part}element_maps.zarr", axes=MAP_AXES, units="count")
        for part in ("halves/0a/", "halves/0b/", "")
    )
    np.testing.assert_array_equal(a[0] + b[0], whole[0])


def test_the_tables_are_keyed_by_specimen_element_and_method(small_run):
    resolution = pd.read_csv(small_run.results / "tables/resolution.csv")
    assert set(zip(resolution.element, resolution.method, strict=True)) == {
        (element, method) for element in ("Se", "S", "Zn") for method in ("sirt", "l1", "two_step")
    }
    methods = pd.read_csv(small_run.results / "tables/methods.csv")
    assert methods.recommended.sum() == 1


def test_a_second_run_does_nothing(small_run):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = small_run.snakemake()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0
    assert "Nothing to be done" in done.stderr
    # the promise of the README, in seconds of computing: a busy machine may take longer
    assert after.ru_utime - before.ru_utime < 10


def test_bad_specimens_are_named_and_the_others_finish(copy_of_project, write_sheet, small_config):
    (copy_of_project.folder / "empty").mkdir()
    (copy_of_project.folder / "broken").mkdir()
    for tilt in (-10, 0, 10):
        (copy_of_project.folder / f"broken/{tilt}.bcf").write_bytes(b"not a bcf at all")
    write_sheet(
        "dot\tsimulated/dot\tSe,S,Zn\t",
        "lost\tnowhere/*.bcf\tSe\t",
        "empty\tempty\tSe\t",
        "broken\tbroken\tSe\t",
        "absent\tsimulated/dot\tSe,Sn_Ka\t",
        "hand\tsimulated/dot\tSe\tnone.json",
    )
    small_config(methods=["sirt"], resolution={"splits": 0})
    done = copy_of_project.snakemake()
    assert done.returncode == 1
    results = copy_of_project.results
    specimens = pd.read_csv(results / "tables/specimens.csv").set_index("specimen")
    assert specimens.status["dot"] == "finished"
    assert specimens.stage.drop("dot").to_dict() == {
        "lost": "ingest",
        "empty": "ingest",
        "broken": "ingest",
        "absent": "element_maps",
        "hand": "align",
    }
    assert "nowhere" in specimens.reason["lost"]
    assert "Sn" in specimens.reason["absent"]
    assert "none.json" in specimens.reason["hand"]
    page = (results / "report.html").read_text()
    assert all(name in page for name in ("lost", "empty", "broken", "absent", "hand"))
    assert "Traceback" not in re.sub(r"\S+\.py", "", done.stderr)
    assert not (results / "lost/tilt_series.zarr").exists()


def test_a_fault_in_the_configuration_stops_the_run_with_one_line(copy_of_project, small_config):
    small_config(align={"max_shift": 3})
    done = copy_of_project.snakemake("-n")
    assert done.returncode == 1
    said = done.stdout + done.stderr  # a dry run speaks on stdout
    assert "align.max_shift = 3: unknown key" in said
    assert "Traceback" not in said


def test_a_killed_run_goes_on_where_it_stopped(copy_of_project, small_config, write_sheet):
    write_sheet("dot\tsimulated/dot\tSe,S,Zn\t")
    small_config(methods=["sirt"], resolution={"splits": 0})
    run = copy_of_project.start()
    maps = copy_of_project.results / "dot/tilt_series.zarr/zarr.json"
    while not maps.exists() and run.poll() is None:
        time.sleep(0.05)
    copy_of_project.kill(run)
    written = maps.stat().st_mtime_ns
    done = copy_of_project.snakemake()
    assert done.returncode == 0, done.stderr
    assert maps.stat().st_mtime_ns >= written
    assert not list(copy_of_project.results.rglob("*.partial"))


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_computes_nothing_more(copy_of_project, small_config, write_sheet, sign):
    write_sheet("dot\tsimulated/dot\tSe,S,Zn\t")
    small_config(methods=["sirt"], resolution={"splits": 0})
    run = copy_of_project.start(stderr=subprocess.PIPE)
    log = copy_of_project.results / "simulated/logs/dot.log"
    while not log.exists() and run.poll() is None:
        time.sleep(0.05)
    (os.killpg if sign == signal.SIGINT else os.kill)(run.pid, sign)  # as Ctrl-C, as a scheduler
    _, said = run.communicate()
    assert run.returncode == 1
    assert "Stopped. The same command goes on from here." in said
    assert not (copy_of_project.results / "report.html").exists()


def test_a_network_of_the_batch_serves_a_new_specimen_untrained(
    copy_of_project, write_sheet, small_config
):
    learned_from = ("dot\tsimulated/dot\tSe,S,Zn\t", "other\tsimulated/dot\tSe,S,Zn\t")
    network = {"specimens": ["dot"], "held_out": ["other"], "patch_px": 16, "base_channels": 4}
    settings = {
        "methods": ["two_step", "end_to_end"],
        "train_end_to_end": {**network, "n_epochs": 3},
        "resolution": {"splits": 0},
    }
    write_sheet(*learned_from)
    small_config(**settings)
    made = "results/other/volumes/end_to_end.ome.zarr"
    done = copy_of_project.snakemake("--", made)
    assert done.returncode == 0, done.stderr
    volumes, _ = store.read_volumes(copy_of_project.folder / made)
    assert volumes.max() > 0

    write_sheet(*learned_from, "new\tsimulated/dot\tSe,S,Zn\t", "swapped\tsimulated/dot\tS,Se,Zn\t")
    small_config(**{**settings, "resolution": {"splits": 1}})
    jobs = copy_of_project.planned()
    assert {"end_to_end", "synthesize"} <= set(jobs)
    assert "train_end_to_end" not in jobs
    assert [job for job in jobs if "resolution" in job] == ["resolution two_step"]
    planned = copy_of_project.snakemake("-n", "--quiet", "rules", "--summary").stdout
    assert "new/volumes/end_to_end.ome.zarr" in planned
    assert "swapped/volumes/end_to_end.ome.zarr" not in planned
