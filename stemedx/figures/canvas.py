"""Blank figures, their style, and how they become files.

Figures are made without pyplot: nothing is kept between two of them.
"""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import offset_copy

# Okabe & Ito's palette, in the order of the channels of the stores.
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#F0E442", "#CC79A7", "#56B4E9", "#E69F00")
DARK = "#1b2430"
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.labelsize": 9.0,
    "axes.labelcolor": DARK,
    "axes.edgecolor": "#5b6673",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e7ec",
    "figure.facecolor": "white",
    "figure.titlesize": 10.5,
    "text.color": DARK,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.0,
    # Without it the identifiers in an SVG are drawn by lot.
    "svg.hashsalt": "stemedx",
}
# Neither a date nor the version of the drawing library: same numbers, same bytes.
METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
}
Draw = TypeVar("Draw", bound=Callable[..., Figure])


def styled(draw: Draw) -> Draw:
    """Make a function draw its figure in the style of this package."""

    @wraps(draw)
    def in_style(*args: Any, **kwargs: Any) -> Figure:
        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return in_style  # type: ignore[return-value]


def new_figure(width_in: float, height_in: float) -> Figure:
    """Return an empty figure whose parts will make room for each other."""
    return Figure(figsize=(width_in, height_in), layout="constrained")


def write_figure(figure: Figure, stem: Path, dpi: int) -> None:
    """Write a figure as ``{stem}.svg`` and ``{stem}.png``, the same bytes each time.

    Parameters
    ----------
    figure
        What to write; its layout is fixed from now on.
    stem
        Path without an ending; its folder is made.
    dpi
        Dots per inch of the PNG, and of images inside the SVG.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(STYLE):
        figure.set_dpi(dpi)
        if (engine := figure.get_layout_engine()) is not None:
            engine.execute(figure)  # once, not for each format
        figure.set_layout_engine("none")
        for ending, metadata in METADATA.items():
            path = stem.with_name(f"{stem.name}.{ending}")
            figure.savefig(path, format=ending, dpi=dpi, metadata=metadata)


def legend_below(axes: Axes, n_columns: int) -> None:
    """Put the legend under a plot and the label of its x axis, where no curve runs."""
    below = offset_copy(axes.transAxes, axes.get_figure(root=True), y=-32, units="points")
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, 0), bbox_transform=below, ncols=n_columns,
        borderaxespad=0,
    )  # fmt: skip


def degrees(angle: float | int) -> str:
    """Return an angle as it is written on a figure."""
    return f"{angle:g}°".replace("-", "\N{MINUS SIGN}")


def colour_of(n: int) -> str:
    """Return the colour of the n-th element."""
    return COLOURS[n % len(COLOURS)]


def rounded(values: np.ndarray, digits: int = 4) -> np.ndarray:
    """Return `values` with this many significant digits: plots show no more."""
    exact = np.asarray(values, np.float64)
    size = np.floor(np.log10(np.abs(exact), where=exact != 0, out=np.zeros_like(exact)))
    unit = 10.0 ** (digits - 1 - np.where(np.isfinite(size), size, 0))
    return np.round(exact * unit) / unit
