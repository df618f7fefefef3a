"""Which stages failed, as their logs tell."""

from pathlib import Path

from stemedx.logs import failure
from stemedx.params import RunConfig

# The stages that only one method needs; a failure elsewhere concerns all methods.
TWO_STEP = (
    "train_denoiser",
    "denoise",
    "mbir",
    "train_enhancer",
    "enhance",
    "synthesize",
)


def failures(run: RunConfig, specimens: list[str]) -> list[dict[str, str]]:
    """Return what failed: specimen, stage, method (empty: all), reason, log.

    Only stages that this configuration asks for are looked at; a stage that failed
    for the whole and for its halves is told once.
    """
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    for specimen in specimens:
        for path in sorted(Path(run.results, specimen).glob("**/logs/*.log")):
            stage, method = _stage_and_method(path.stem, run)
            reason = failure(path)
            if reason is None or stage is None or method not in ("", "haadf", *run.methods):
                continue
            if "halves" in path.parts and not run.resolution.splits:
                continue
            method = "" if method == "haadf" else method
            fault = {"stage": stage, "method": method, "reason": reason, "log": str(path)}
            found.setdefault((specimen, stage, method), {"specimen": specimen, **fault})
    return list(found.values())


def _stage_and_method(stem: str, run: RunConfig) -> tuple[str | None, str]:
    if stem in TWO_STEP:
        return stem, "two_step"
    for stage in type(run).model_fields:
        if stem == stage:
            return stage, ""
        for method in ("haadf", *run.methods):
            if stem.startswith(f"{stage}_{method}"):
                return stage, method
    return None, ""
