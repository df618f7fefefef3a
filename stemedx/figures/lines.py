"""Figures of curves: counts per tilt, losses of networks, Fourier shell correlation."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stemedx.analyse.summary import RESOLVED, UNRESOLVED, limit_text, median_crossings
from stemedx.figures.canvas import DARK, colour_of, legend_below, new_figure, styled

CURVE_COLUMNS = ("split", "element", "frequency_per_nm", "fsc")
HALVES = (
    "The halves are independent: photons were shared out by lot, then each half went its own way."
)


@styled
def counts_figure(table: pd.DataFrame, elements: Sequence[str], units: str) -> Figure:
    """Draw the sum of each element's maps against the tilt.

    Parameters
    ----------
    table
        ``tilt_deg`` and a column for each element.
    elements
        Names of the columns.
    units
        Unit of a sum.
    """
    figure = new_figure(6.5, 3.3)
    axes = figure.subplots()
    for n, element in enumerate(elements):
        axes.plot(table["tilt_deg"], table[element], "o-", color=colour_of(n), label=element)
    axes.set(xlabel="tilt (°)", ylabel=f"sum of the map ({units})")
    axes.set_ylim(bottom=0)
    axes.set_title("Sum over each map; steps from tilt to tilt are shadowing, dose or drift")
    legend_below(axes, len(elements))
    return figure


@styled
def losses_figure(table: pd.DataFrame, title: str) -> Figure:
    """Draw the losses of a training against its steps.

    Parameters
    ----------
    table
        ``step`` and one or more columns whose name holds ``loss``.
    title
        Says what was trained.
    """
    figure = new_figure(6.5, 3.3)
    axes = figure.subplots()
    for n, name in enumerate(loss_columns(table)):
        told = table[["step", name]].dropna()
        label = {"loss": "training", "held_out_loss": "held out"}.get(name, name)
        alpha = 0.55 if name == "loss" else 1.0
        axes.plot(told["step"], told[name], label=label, color=colour_of(n), alpha=alpha)
    axes.set(xlabel="update", ylabel="loss (per pixel)", title=title)
    legend_below(axes, 2)
    return figure


def loss_columns(table: pd.DataFrame) -> list[str]:
    """Return the names of the columns that hold losses."""
    return [str(name) for name in table.columns if "loss" in str(name)]


@styled
def fsc_figure(
    curves: pd.DataFrame, crossings: pd.DataFrame, elements: Sequence[str], method: str
) -> Figure:
    """Draw the correlation of half data sets against spatial frequency.

    Each threshold is a dashed line, each crossing a dot on it. The legend tells the
    resolution (median over the splits), or that there is no resolved signal.

    Parameters
    ----------
    curves
        `CURVE_COLUMNS`.
    crossings
        `summary.CROSSING_COLUMNS`; the first threshold is the headline.
    elements
        In the order of their colours.
    method
        Name of the reconstruction.
    """
    figure = new_figure(7.0, 4.6)
    axes = figure.subplots()
    summary = median_crossings(crossings)
    for n, element in enumerate(elements):
        own = crossings[crossings["element"] == element]
        label = f"{element}: {crossing_text(summary, element)}"
        splits = curves[curves["element"] == element].groupby("split")
        for _, curve in splits:
            axes.plot(curve["frequency_per_nm"], curve["fsc"], color=colour_of(n), label=label)
            label = "_"  # one entry for all splits
        _mark(axes, own[own["status"] == RESOLVED], colour_of(n))
    end = float(curves["frequency_per_nm"].max()) if len(curves) else 1.0
    axes.set(xlim=(0, end), ylim=(-0.25, 1.05))
    for threshold in crossings["threshold"].unique():
        axes.axhline(threshold, color=DARK, linestyle="--", linewidth=0.8)
        axes.text(end * 0.005, threshold + 0.012, f"{threshold:g}")  # curves begin near 1
    axes.set(xlabel="spatial frequency (1/nm)", ylabel="Fourier shell correlation (1)")
    axes.set_title(f"{method}: agreement of half data sets\n{HALVES}")
    legend_below(axes, 1)
    return figure


def _mark(axes: Axes, crossings: pd.DataFrame, colour: str) -> None:
    axes.plot(
        1 / crossings["resolution_nm"], crossings["threshold"], "o", color=colour,
        markeredgecolor="white", markersize=7,
    )  # fmt: skip


def crossing_text(summary: pd.DataFrame, element: str) -> str:
    """Return in words where the curves of one element cross the thresholds."""
    own = summary[(summary["element"] == element) & (summary["status"] == RESOLVED)]
    told = zip(own["resolution_nm"], own["threshold"], own["limited_by"], strict=True)
    texts = [f"{nm:.2f} nm at {threshold:g}{limit_text(limit)}" for nm, threshold, limit in told]
    return ", ".join(texts) or UNRESOLVED
