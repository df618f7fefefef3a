"""Figures of how a volume was found: the gap that fell, and the weights that were tried."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from stemedx.figures.canvas import colour_of, legend_below, new_figure, styled
from stemedx.figures.drawings import Drawing

WEIGHT = "tv_weight_nat_per_px2"


def draw_solving(method: str, attrs: dict[str, Any]) -> list[Drawing]:
    """Draw what a volume tells of its solver: nothing, for methods that do not tell.

    Parameters
    ----------
    method
        Name of the reconstruction.
    attrs
        Attributes of its store: `convergence` and `trials`, if there are any.
    """
    drawn = []
    if told := attrs.get("convergence"):
        table = gap_table(pd.DataFrame(told["rows"], columns=told["columns"]))
        title = f"{method}: what was left to gain"
        caption = (
            "The objective can fall by this much at most: it is the distance to a bound that no "
            "solution is below, in nat, each time the solver looked, in the last problem that it "
            "solved, on the full grid. What is really left is far less. It stops at the share of "
            "the photons that `gap` sets."
        )
        figure = gap_figure(table, title)
        drawn.append(Drawing(f"reconstruct/{method}_convergence", figure, table, title, caption))
    if trials := attrs.get("trials"):
        elements = attrs["elements"]
        table = pd.DataFrame(trials, columns=[WEIGHT, *elements])
        title = f"{method}: weights of the total variation that were tried"
        caption = (
            "How likely photons are that were set aside, over the best of each element. A line "
            "marks the weight taken: the largest that is as good as the best, within its error."
        )
        chosen = dict(zip(elements, attrs["tv_weight"], strict=True))
        figure = weights_figure(table, chosen, title)
        place = f"reconstruct/{method}_weights"
        drawn.append(Drawing(place, figure, table, title, caption, "nat/photon"))
    return drawn


def gap_table(checks: pd.DataFrame) -> pd.DataFrame:
    """Return the looks of a solver with the gap and with units in the names."""
    gap = checks["objective"] - checks["bound"]
    units = {"objective": "objective_nat", "bound": "bound_nat"}
    return checks.rename(columns=units).assign(gap_nat=gap)


@styled
def gap_figure(table: pd.DataFrame, title: str) -> Figure:
    """Draw the gap against the iterations, a line for each slab.

    Parameters
    ----------
    table
        As `gap_table` makes it.
    title
        Says what was solved.
    """
    figure = new_figure(6.5, 3.3)
    axes = figure.subplots()
    for n, (slab, looks) in enumerate(table.groupby("slab")):
        axes.plot(
            looks["iteration"], looks["gap_nat"], "o-", color=colour_of(n), label=f"slab {slab}"
        )
    axes.set(xlabel="iteration", ylabel="gap (nat)", title=title, yscale="log")
    if table["slab"].nunique() > 1:
        legend_below(axes, 4)
    return figure


@styled
def weights_figure(table: pd.DataFrame, chosen: dict[str, float], title: str) -> Figure:
    """Draw how likely photons set aside are under each weight, over the best.

    Parameters
    ----------
    table
        `WEIGHT` and a column for each element, nat per photon.
    chosen
        Element -> weight that was taken.
    title
        Says whose weights.
    """
    figure = new_figure(6.5, 3.3)
    axes = figure.subplots()
    for n, (element, weight) in enumerate(chosen.items()):
        loss = table[element] - table[element].max()
        axes.plot(table[WEIGHT], loss, "o-", color=colour_of(n), label=element)
        axes.axvline(weight, color=colour_of(n), linestyle="--", linewidth=1.0)
    axes.set(xscale="log", title=title, xlabel="weight (nat per square pixel of edge)")
    axes.set_xticks(table[WEIGHT], [f"{weight:.2g}" for weight in table[WEIGHT]], minor=False)
    axes.minorticks_off()
    axes.set_ylabel("over the best (nat per photon)")
    axes.set_ylim(bottom=_lowest(table, list(chosen)))
    legend_below(axes, len(chosen))
    return figure


def _lowest(table: pd.DataFrame, elements: Sequence[str]) -> float:
    """Return where the axis begins: weights far too large would hide the rest."""
    loss = table[list(elements)] - table[list(elements)].max()
    return max(1.1 * float(np.nanmin(loss)), -0.3) or -0.01
