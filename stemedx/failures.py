"""Which stages failed, as their logs tell."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from stemedx.logs import failure
from stemedx.params import RunConfig

Fault = dict[str, str]
# The stages that only some methods need; a failure elsewhere concerns all methods.
NEEDED_BY = {
    **dict.fromkeys(("train_denoiser", "denoise"), ("two_step", "end_to_end")),
    **dict.fromkeys(("mbir", "train_enhancer", "enhance", "synthesize"), ("two_step",)),
    "end_to_end": ("end_to_end",),
}
# What Snakemake says after Ctrl-C, and after a signal to terminate.
STOPPED = (
    "Terminating processes on user request",
    "Will exit after finishing currently running jobs",
)


def was_stopped(logs: Iterable[str | Path]) -> bool:
    """Tell whether the user ended a run before it was done, as Snakemake's own logs say."""
    there = [Path(log) for log in logs if Path(log).is_file()]
    text = "".join(log.read_text(encoding="utf-8", errors="replace") for log in there)
    return any(line in text for line in STOPPED)


def failures(run: RunConfig, specimens: list[str], flat: Sequence[str] = ()) -> list[Fault]:
    """Return what failed: specimen, stage, method (empty: all), reason, log.

    Only stages that this configuration asks for are looked at; a stage that failed
    for the whole and for its halves is told once.

    Parameters
    ----------
    run
        Configuration.
    specimens
        Names of all.
    flat
        Those of kind map: every stage of theirs is needed for all that they have.
    """
    found: dict[tuple[str, str, str], Fault] = {}
    for specimen in specimens:
        for path in sorted(Path(run.results, specimen).glob("**/logs/*.log")):
            reason = failure(path)
            if reason is None or ("halves" in path.parts and not run.resolution.splits):
                continue
            for stage, method in _stages_and_methods(path.stem, run, specimen in flat):
                fault = {"stage": stage, "method": method, "reason": reason, "log": str(path)}
                found.setdefault((specimen, stage, method), {"specimen": specimen, **fault})
    faults = list(found.values())
    faults += _of_batch_denoiser(run, specimens, flat, faults)
    return [*faults, *_of_batch_network(run, specimens, faults)]


def _stages_and_methods(stem: str, run: RunConfig, is_flat: bool) -> Iterator[tuple[str, str]]:
    """Yield what a log of this name is about; nothing if it is not wanted any more."""
    # What T learns from is made by two_step.
    wanted = {*run.methods, *(("two_step",) if "end_to_end" in run.methods else ())}
    if stem in NEEDED_BY:
        methods = [method for method in NEEDED_BY[stem] if method in wanted]
        yield from ((stem, method) for method in ([""] if is_flat else methods))
        return
    for stage in type(run).model_fields:
        if stem == stage:
            yield stage, ""
            return
        for method in ("haadf", *run.methods):
            if stem.startswith(f"{stage}_{method}"):
                yield stage, "" if method == "haadf" else method
                return


def _of_batch_denoiser(
    run: RunConfig, specimens: list[str], flat: Sequence[str], found: list[Fault]
) -> list[Fault]:
    """Return a fault of every specimen if a Q^D of the batch could not be trained."""
    names = run.train_denoiser.specimens if run.train_denoiser.method == "paper" else ()
    lost = {fault["specimen"] for fault in found}
    fault = _missing(run, "train_denoiser", [name for name in names if name in lost])
    if fault is None or not names:
        return []
    methods = [method for method in NEEDED_BY["denoise"] if method in run.methods]
    return [
        {"specimen": specimen, **fault, "method": method}
        for specimen in specimens
        for method in ([""] if specimen in flat else methods)
    ]


def _of_batch_network(run: RunConfig, specimens: list[str], found: list[Fault]) -> list[Fault]:
    """Return a fault of every specimen if T could not be trained."""
    if "end_to_end" not in run.methods:
        return []
    names = (*run.train_end_to_end.specimens, *run.train_end_to_end.held_out)
    lost = {fault["specimen"] for fault in found if fault["method"] in ("", "two_step")}
    fault = _missing(run, "train_end_to_end", [name for name in names if name in lost])
    if fault is None:
        return []
    return [{"specimen": specimen, **fault, "method": "end_to_end"} for specimen in specimens]


def _missing(run: RunConfig, stage: str, lost: list[str]) -> Fault | None:
    """Return why a network of the batch is missing; None if it is not."""
    path = Path(run.results, f"logs/{stage}.log")
    reason = f"it learns from {', '.join(lost)}, which failed" if lost else failure(path)
    return (
        None
        if reason is None
        else {"stage": stage, "method": "", "reason": reason, "log": str(path)}
    )
