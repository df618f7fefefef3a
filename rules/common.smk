"""The checked configuration and sheet, and what the other files here share."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from stemedx.code_digest import code_digest
from stemedx.failures import failures, was_stopped
from stemedx.methods import (
    NEED_HAADF,
    NO_HAADF,
    check_learned_from,
    learned_from,
    left_out,
)
from stemedx.params import (
    ON_DEVICE,
    RECONSTRUCT_METHODS,
    WITHOUT_HALVES,
    check_config,
)
from stemedx.raw_digest import raw_digest
from stemedx.run_lock import take_lock
from stemedx.sheet import check_phases, read_sheet

ROOT = Path(workflow.basedir)
INGEST_COLUMNS = (
    "raw",
    "elements",
    "tilts",
    "haadf",
    "pixel_nm",
    "signal",
    "frames",
    "kind",
)
# Set for the second, short run that makes the report after something has failed.
FINISHED_ONLY = "STEMEDX_FINISHED_ONLY"

try:
    run = check_config(config, ", ".join(map(os.path.relpath, workflow.configfiles)))
    sheet = read_sheet(Path(run.samples))
    check_phases(sheet, run.reconstruct.phases, run.samples)
    check_learned_from(run, sheet)
except ValueError as fault:
    raise WorkflowError(str(fault)) from None

flat = [name for name in sheet if sheet[name].kind == "map"]
failed = failures(run, list(sheet), flat) if FINISHED_ONLY in os.environ else []
not_possible = left_out(run, sheet)
report_page = f"{run.results}/report.html"
names = "|".join(map(re.escape, sheet))


pathvars:
    results=run.results,


wildcard_constraints:
    specimen=names,
    dataset=f"({names})(/halves/[0-9]+[ab])?",
    owner=f"(({names})/(halves/[0-9]+[ab]/)?)?",
    split="[0-9]+",
    method="[a-z][a-z0-9_]*",
    element="[A-Z][a-z]?",


def settings(stage, method=None):
    """Parameters of a stage, as plain data: a change of any re-runs its rule."""
    return run.settings(stage, method)


def phantom_settings(name):
    """Parameters of one phantom: a change of another does not re-run it."""
    plain = settings("simulate")
    return {**plain, "phantoms": {name: plain["phantoms"][name]}}


def reconstruct_settings(wildcards):
    """Parameters of one method, with the phases of the specimen if it reads them."""
    own = {wildcards.method: settings("reconstruct", wildcards.method)}
    if wildcards.method != "fusion":
        return own
    picked = sheet[specimen_of(wildcards.dataset)].phases
    return {"phases": {name: run.reconstruct.phases[name] for name in picked}, **own}


def code(stage, method=None):
    """Digest of the code of a stage: a change of it re-runs its rule."""
    own = [] if method is None else [f"stemedx.reconstruct.{method}"]
    return code_digest(f"workflow_scripts.{stage}", *own, root=ROOT)


def row(specimen, *columns):
    """What the sheet says of a specimen, as plain data."""
    return sheet[specimen].model_dump(mode="json", include={"specimen", *columns})


def possible_methods(specimen):
    """The methods that this specimen may have volumes of, as is known before a run."""
    faults = [*failed, *not_possible]
    without = {fault["method"] for fault in faults if fault["specimen"] == specimen}
    return [] if "" in without else [m for m in run.methods if m not in without]


def is_map(specimen):
    """Tell whether a specimen is a 2-D acquisition, which ends after `denoise`."""
    return specimen in flat


def methods(specimen):
    """The methods that this specimen has volumes of; some only ingest can tell."""
    possible = possible_methods(specimen)
    if not set(possible) & set(NEED_HAADF) or has_haadf(specimen):
        return possible
    return [method for method in possible if method not in NEED_HAADF]


def has_haadf(specimen):
    """Tell whether the raw files of a specimen turned out to hold HAADF."""
    series = checkpoints.ingest.get(specimen=specimen).output.tilt_series
    attrs = json.loads(Path(series, "zarr.json").read_text())["attributes"]
    return attrs["has_haadf"]


def left_out_of_all(wildcards):
    """The methods that specimens cannot have, those that lack HAADF among them."""
    return not_possible + [
        {"specimen": specimen, "method": method, "reason": NO_HAADF}
        for specimen in specimens()
        for method in possible_methods(specimen)
        if method in NEED_HAADF and not has_haadf(specimen)
    ]


def specimens():
    """The specimens that tables and report can show."""
    lost = {fault["specimen"] for fault in failed}
    return [
        name
        for name in sheet
        if possible_methods(name) or (is_map(name) and name not in lost)
    ]


def drift_of(wildcards):
    """The frames of a map, laid on each other."""
    folder = f"{run.results}/{wildcards.specimen}"
    return [f"{folder}/drift.zarr"] if is_map(wildcards.specimen) else []


def aligned_of(wildcards):
    """The alignment of a tilt series, and its table; a map has none."""
    folder = f"{run.results}/{wildcards.specimen}"
    if is_map(wildcards.specimen):
        return {}
    return {
        "alignment": [f"{folder}/alignment.zarr"],
        "alignment_table": [f"{folder}/alignment.csv"],
    }


def kernel_of(wildcards):
    """The output of the CNN-based kernel of a map that Q^D learns from."""
    is_used = (
        has_batch_denoiser() and wildcards.specimen in run.train_denoiser.specimens
    )
    return [f"{run.results}/{wildcards.specimen}/kernel.zarr"] if is_used else []


def specimen_of(dataset):
    """The specimen that a half data set is a share of."""
    return dataset.split("/")[0]


def has_batch_denoiser():
    """Tell whether Q^D is one network of the batch, which learns from maps with frames."""
    return run.train_denoiser.method == "paper" and bool(run.train_denoiser.specimens)


def learned_from_by_denoiser(wildcards):
    """What Q^D learns from: the maps of its owner, or kernels for that of the batch."""
    start = started_from("train_denoiser", wildcards.owner)
    if wildcards.owner:
        folder, owner = f"{run.results}/{wildcards.owner}", wildcards.owner.rstrip("/")
        has_frames = run.train_denoiser.method == "frames" and owner in flat
        return {
            "element_maps": [f"{folder}element_maps.zarr"],
            "tilt_series": guides_of(owner),
            "drift": [f"{folder}drift.zarr"] if has_frames else [],
            "start": start,
        }
    kernels = [
        f"{run.results}/{name}/kernel.zarr" for name in run.train_denoiser.specimens
    ]
    return {"kernels": kernels, "start": start}


def started_from(stage, dataset):
    """Weights that a training starts from; those of halves would share their noise."""
    start = getattr(run, stage).start
    return [start] if start and "/halves/" not in dataset else []


def kernel_settings():
    """Parameters of kernels that Q^D trains itself; no others, which would re-run it."""
    trains_kernels = run.train_denoiser.method == "paper" and not has_batch_denoiser()
    return settings("train_kernel") if trains_kernels else {}


def denoiser_of(dataset, ending):
    """A file of the network Q^D that serves a dataset."""
    owner = "" if has_batch_denoiser() else f"{dataset}/"
    return f"{run.results}/{owner}networks/denoiser.{ending}"


def weights_of_denoiser(wildcards):
    """The weights of the network Q^D that serves a dataset."""
    return denoiser_of(wildcards.dataset, "safetensors")


def alignment_of(wildcards):
    """Half data sets share the geometry of the whole."""
    return f"{run.results}/{specimen_of(wildcards.dataset)}/alignment.zarr"


def by_hand_of(wildcards):
    """The alignment made by hand; the stage says it if there is no such file."""
    named = sheet[wildcards.specimen].alignment
    return named if named and Path(named).is_file() else []


def tilt_series_of(wildcards):
    """The tilt series, where a method reads its HAADF. Half data sets share it."""
    if wildcards.method not in ("haadf", *NEED_HAADF):
        return []
    return [f"{run.results}/{specimen_of(wildcards.dataset)}/tilt_series.zarr"]


def guides_of(dataset):
    """The tilt series whose HAADF guides the denoiser; halves would share its noise."""
    is_half = dataset != specimen_of(dataset)
    if run.train_denoiser.guide == "none" or is_half or is_map(specimen_of(dataset)):
        return []
    return [f"{run.results}/{dataset}/tilt_series.zarr"]


def guiding(wildcards):
    """What guides the denoiser of a dataset."""
    return guides_of(wildcards.dataset)


def halves(wildcards):
    """The half data sets of a specimen, a and b of each split in turn."""
    folder = f"{run.results}/{wildcards.specimen}/halves"
    return [f"{folder}/{n}{ab}" for n in range(run.resolution.splits) for ab in "ab"]


def halves_of(wildcards):
    """The volumes of the half data sets by one method."""
    return [f"{half}/volumes/{wildcards.method}.ome.zarr" for half in halves(wildcards)]


def half_maps_of(wildcards):
    """The counts of the half data sets."""
    return [f"{half}/element_maps.zarr" for half in halves(wildcards)]


def volumes_of(wildcards):
    """The volumes that the figures of a specimen show."""
    return each_method("volumes/{method}.ome.zarr", wildcards.specimen)


def haadf_of(wildcards):
    """The HAADF volume, if the raw files turn out to hold HAADF."""
    if is_map(wildcards.specimen):
        return []
    folder = f"{run.results}/{wildcards.specimen}/volumes"
    return [f"{folder}/haadf.ome.zarr"] if has_haadf(wildcards.specimen) else []


def networks_of(wildcards):
    """The loss curves of the networks of a specimen."""
    specimen = wildcards.specimen
    wanted = set(methods(specimen))
    folder = f"{run.results}/{specimen}/networks"
    own = {
        denoiser_of(specimen, "csv"): is_map(specimen)
        or wanted & {"two_step", "end_to_end"},
        f"{folder}/kernel.csv": kernel_of(wildcards),
        f"{folder}/enhancer.csv": "two_step" in wanted,
        f"{run.results}/networks/end_to_end.csv": "end_to_end" in wanted,
    }
    return [path for path, is_shown in own.items() if is_shown]


def denoised_of(wildcards):
    """The denoised maps, where a method wants them, and of a map."""
    wanted = {"two_step", "end_to_end"} & set(methods(wildcards.specimen))
    is_shown = wanted or is_map(wildcards.specimen)
    return [f"{run.results}/{wildcards.specimen}/denoised.zarr"] if is_shown else []


def of_trained(path):
    """A file of every specimen that T learns from, then of those held out."""
    return [f"{run.results}/{specimen}/{path}" for specimen in learned_from(run)]


def resolution_of(wildcards):
    """The FSC curves and crossings of every method, a pair for each."""
    return [
        path
        for ending in ("", "_crossings")
        for path in each_resolution(ending, wildcards.specimen)
    ]


def thickness_of(wildcards):
    """The shells of every method, and of the truth of a simulated specimen."""
    return shells(wildcards.specimen)


def shells(*only):
    """Folders of the shells of one specimen, or of all that can be shown."""
    known = [
        name
        for name in only or specimens()
        if simulated(name) and possible_methods(name)
    ]
    truths = [f"{run.results}/{name}/thickness/truth" for name in known]
    return [*each_method("thickness/{method}", *only), *truths]


def volume_of(wildcards):
    """The volume of a method; `truth` is what a specimen was simulated from."""
    if wildcards.method != "truth":
        return f"{run.results}/{wildcards.specimen}/volumes/{wildcards.method}.ome.zarr"
    phantom = sheet[wildcards.specimen].raw.removeprefix("simulated/")
    return f"{run.results}/simulated/truth/{phantom}.ome.zarr"


def each_specimen(path):
    """A file of every specimen that can be shown."""
    return [f"{run.results}/{specimen}/{path}" for specimen in specimens()]


def each_method(path, *only):
    """A file of every method of every specimen that can be shown, or of one of them."""
    return [
        f"{run.results}/{specimen}/{path.format(method=method)}"
        for specimen in only or specimens()
        for method in methods(specimen)
    ]


def each_resolution(ending, *only):
    """A file of the resolution of every method that it is measured of."""
    if not run.resolution.splits:
        return []
    return [
        f"{run.results}/{specimen}/resolution/{method}{ending}.csv"
        for specimen in only or specimens()
        for method in methods(specimen)
        if method not in WITHOUT_HALVES
    ]


def volume_files(wildcards):
    """The volumes of every specimen, method and element as MRC."""
    return [
        f"{run.results}/{specimen}/volumes/{method}_{symbol}.mrc"
        for specimen in specimens()
        for method in methods(specimen)
        for symbol in sheet[specimen].symbols
    ]


def gpus():
    """How many GPUs a job on a device asks a scheduler for."""
    return int(run.device == "cuda")


def simulated(specimen):
    """The raw files of a specimen that this workflow simulates."""
    raw = sheet[specimen].raw
    is_ours = raw.removeprefix("simulated/") in run.simulate.phantoms
    return [f"{run.results}/{raw}"] if raw.startswith("simulated/") and is_ours else []


def raw_files(specimen):
    """Digest of the raw files of a specimen: new content is ingested again."""
    row = sheet[specimen]
    named = (None if simulated(specimen) else row.raw, row.haadf, row.tilts)
    memory = Path(".snakemake/raw_digests.json")
    return raw_digest([pattern for pattern in named if pattern], memory)


def take_run_lock():
    """Refuse to run where a living run works."""
    if FINISHED_ONLY in os.environ:
        return
    global run_lock  # held open as long as this process lives
    try:
        run_lock = take_lock(Path(run.results, ".lock"))
    except BlockingIOError as held:
        raise WorkflowError(str(held)) from None


def report_what_finished(logs):
    """Make tables and report of what finished; the rest is listed there.

    Not after the user has stopped the run: all that is left would then be computed.
    """
    if FINISHED_ONLY in os.environ:
        return
    if was_stopped(logs):
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        return
    merged = Path(".snakemake/merged_config.json")
    merged.write_text(json.dumps(config))
    deploy = ["--use-conda"] if workflow.deployment_settings.deployment_method else []
    files = ["--snakefile", workflow.main_snakefile, "--configfile", str(merged), "--"]
    subprocess.run(
        [
            sys.executable,
            "-m",
            "snakemake",
            "--cores",
            "1",
            *deploy,
            *files,
            report_page,
        ],
        env={**os.environ, FINISHED_ONLY: "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    print(f"\nThe report of what finished: {report_page}. The rest:", file=sys.stderr)
    for fault in failures(run, list(sheet), flat):
        print(
            "  {specimen}: {stage}: {reason} ({log})".format(**fault), file=sys.stderr
        )


onstart:
    take_run_lock()


onerror:
    report_what_finished(log)  # a list: Snakemake's own files
