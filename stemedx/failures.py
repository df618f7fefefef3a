"""Which stages failed, as their logs tell."""

from collections.abc import Iterator
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


def failures(run: RunConfig, specimens: list[str]) -> list[Fault]:
    """Return what failed: specimen, stage, method (empty: all), reason, log.

    Only stages that this configuration asks for are looked at; a stage that failed
    for the whole and for its halves is told once.
    """
    found: dict[tuple[str, str, str], Fault] = {}
    for specimen in specimens:
        for path in sorted(Path(run.results, specimen).glob("**/logs/*.log")):
            reason = failure(path)
            if reason is None or ("halves" in path.parts and not run.resolution.splits):
                continue
            for stage, method in _stages_and_methods(path.stem, run):
                fault = {"stage": stage, "method": method, "reason": reason, "log": str(path)}
                found.setdefault((specimen, stage, method), {"specimen": specimen, **fault})
    return [*found.values(), *_of_batch_network(run, specimens, list(found.values()))]


def _stages_and_methods(stem: str, run: RunConfig) -> Iterator[tuple[str, str]]:
    """Yield what a log of this name is about; nothing if it is not wanted any more."""
    # What T learns from is made by two_step.
    wanted = {*run.methods, *(("two_step",) if "end_to_end" in run.methods else ())}
    if stem in NEEDED_BY:
        yield from ((stem, method) for method in NEEDED_BY[stem] if method in wanted)
        return
    for stage in type(run).model_fields:
        if stem == stage:
            yield stage, ""
            return
        for method in ("haadf", *run.methods):
            if stem.startswith(f"{stage}_{method}"):
                yield stage, "" if method == "haadf" else method
                return


def _of_batch_network(run: RunConfig, specimens: list[str], found: list[Fault]) -> list[Fault]:
    """Return a fault of every specimen if T could not be trained."""
    if "end_to_end" not in run.methods:
        return []
    path = Path(run.results, "logs/train_end_to_end.log")
    learned_from = (*run.train_end_to_end.specimens, *run.train_end_to_end.held_out)
    lost = {fault["specimen"] for fault in found if fault["method"] in ("", "two_step")}
    missing = [name for name in learned_from if name in lost]
    reason = f"it learns from {', '.join(missing)}, which failed" if missing else failure(path)
    if reason is None:
        return []
    fault = {"stage": "train_end_to_end", "method": "end_to_end", "reason": reason}
    return [{"specimen": specimen, **fault, "log": str(path)} for specimen in specimens]
