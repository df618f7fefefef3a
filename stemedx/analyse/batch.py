"""What became of a batch: specimens, methods and groups compared with each other."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

METHOD_COLUMNS = (
    "specimen",
    "method",
    "available",
    "reason",
    "gain_nat_per_hit",
    "independent",
    "recommended",
)
KEYS = ["specimen", "element", "method"]
# Methods that read more than photons, and the one by photons alone they must not lose to.
GUIDED = {"fusion": "poisson_tv"}
GROUP_KEYS = ["group", "element", "method"]
# Mean and standard deviation over the specimens of a group are taken of these.
COMPARED = {
    "resolution_nm": "resolution_nm",
    "mean_nm": "thickness_nm",
    "uncovered_percent": "uncovered_percent",
}


@dataclass(frozen=True)
class Batch:
    """What was asked for, what of it failed, and what was left out from the start."""

    sheet: list[dict[str, Any]]
    methods: list[str]
    failed: list[dict[str, str]]
    left_out: list[dict[str, str]]

    def faults(self, specimen: str) -> list[dict[str, str]]:
        """Return what failed of a specimen."""
        return [fault for fault in self.failed if fault["specimen"] == specimen]

    def reason(self, specimen: str, method: str) -> str:
        """Return why a specimen has nothing by a method; empty if it has."""
        own = [one for one in self.left_out if one["specimen"] == specimen]
        return joined(
            [
                *(one["reason"] for one in own if one["method"] == method),
                *(
                    f"{fault['stage']}: {fault['reason']}"
                    for fault in self.faults(specimen)
                    if fault["method"] in ("", method)
                ),
            ]
        )

    def status(self, specimen: str) -> str:
        """Return ``finished``, ``partly failed`` or ``failed``."""
        if not self.faults(specimen):
            return "finished"
        is_lost = all(self.reason(specimen, method) for method in self.methods)
        return "failed" if is_lost else "partly failed"


def joined(texts: Iterable[str]) -> str:
    """Return texts in one line, each once."""
    return "; ".join(dict.fromkeys(text for text in texts if text))


def method_table(batch: Batch, gains: dict[tuple[str, str], tuple[float, bool]]) -> pd.DataFrame:
    """Return which methods each specimen has, and how well they predict held-out hits.

    Parameters
    ----------
    batch
        Specimens and methods.
    gains
        (specimen, method) -> gain in nat per hit, and whether it is independent.

    Returns
    -------
    table
        `METHOD_COLUMNS`; recommended is the one with the largest gain above 0. `reason` says too
        what a method that is available must not be believed for.
    """
    rows = []
    for specimen in (row["specimen"] for row in batch.sheet):
        own = {method: gains.get((specimen, method), (np.nan, None)) for method in batch.methods}
        useful = [method for method in batch.methods if own[method][0] > 0]
        best = max(useful, key=lambda method: own[method][0], default=None)  # noqa: B023
        for method in batch.methods:
            reason = batch.reason(specimen, method)
            said = joined([reason, "" if reason else doubt(method, own)])
            rows.append((specimen, method, not reason, said, *own[method], method == best))
    return pd.DataFrame(rows, columns=list(METHOD_COLUMNS))


def doubt(method: str, gains: Mapping[str, tuple[float, bool | None]]) -> str:
    """Return why a method that guides by HAADF is not accepted; empty if it is.

    HAADF may add structure that the photons do not have. It is accepted where held-out
    photons are predicted no worse than from the photons alone.
    """
    if method not in GUIDED:
        return ""
    own, alone = (gains.get(name, (np.nan, None))[0] for name in (method, GUIDED[method]))
    if not np.isfinite(own + alone):
        return f"not checked against {GUIDED[method]}: held-out photons of both are needed"
    if own >= alone:
        return ""
    return (
        f"not accepted: held-out photons are less likely than under {GUIDED[method]} "
        f"({own:.3f} < {alone:.3f} nat per hit)"
    )


def group_table(
    group_of: dict[str, str], resolution: pd.DataFrame, shells: pd.DataFrame
) -> pd.DataFrame:
    """Return means and standard deviations over the specimens of each group.

    Each specimen counts once, with the mean over its particles, those left out that the
    edge of the volume cuts off; and in the resolution only where it has one at the first
    threshold.

    Parameters
    ----------
    group_of
        Specimen -> group; the others are left out.
    resolution
        ``specimen, element, method, threshold, resolution_nm``.
    shells
        ``specimen, element, method, mean_nm, uncovered_percent, touches_edge`` of each particle.
    """
    first = resolution["threshold"].iloc[0] if len(resolution) else None
    headline = resolution[resolution["threshold"] == first]
    whole = shells[~shells["touches_edge"].astype(bool)]
    thickness = whole.groupby(KEYS, sort=False)[["mean_nm", "uncovered_percent"]].mean()
    each = headline[[*KEYS, "resolution_nm"]].merge(thickness.reset_index(), on=KEYS, how="outer")
    each["group"] = each["specimen"].map(group_of)
    grouped = each.dropna(subset="group").groupby(GROUP_KEYS)
    table = grouped.agg(
        n_specimens=("specimen", "nunique"),
        n_resolved=("resolution_nm", "count"),
        **{
            f"{name}_{how}": (column, how)
            for column, name in COMPARED.items()
            for how in ("mean", "std")
        },
    ).reset_index()
    table.insert(len(GROUP_KEYS), "threshold", first)
    return table
