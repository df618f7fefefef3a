"""Figure of the counts of each element from frame to frame."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stemedx.figures.canvas import colour_of, legend_below, new_figure, styled
from stemedx.figures.drawings import Drawing
from stemedx.maps.damage import relative_change

COLUMNS = ("tilt_deg", "frame", "detector", "element", "counts", "whole")
TITLE = "Counts from frame to frame"


def draw_damage(table: pd.DataFrame, elements: Sequence[str]) -> list[Drawing]:
    """Draw the counts of each element by frame; nothing where no tilt has two frames.

    Parameters
    ----------
    table
        `COLUMNS`, a row for each map, frame and detector.
    elements
        In the order of their colours.
    """
    whole = table[table["whole"].astype(bool)]
    if whole.empty or not (whole.groupby("tilt_deg")["frame"].nunique() > 1).any():
        return []
    numbers = damage_table(whole, elements)
    caption = (
        "Sum over all tilts and detectors that have the frame, over what they would have if all "
        "frames were alike; bars are one standard deviation of Poisson noise. Counts hold the "
        "background too. A trend is damage, contamination or drift. element_frames.csv has every "
        "tilt and detector."
    )
    return [Drawing("element_maps/frames", damage_figure(numbers), numbers, TITLE, caption)]


def damage_table(table: pd.DataFrame, elements: Sequence[str]) -> pd.DataFrame:
    """Return counts by element and frame, and as a share of even ones.

    With the change from the first frame to the last, percent, and its spread.
    """
    parts = []
    for element in elements:
        own = table[table["element"] == element]
        counts = own.groupby(["tilt_deg", "frame"])["counts"].sum()
        even = counts.groupby("tilt_deg").transform("mean")
        change, spread = relative_change(
            [of_tilt.to_numpy(float) for _, of_tilt in counts.groupby("tilt_deg")]
        )
        by_frame = counts.groupby("frame").sum()
        expected = even.groupby("frame").sum().to_numpy()
        parts.append(
            pd.DataFrame(
                {
                    "element": element,
                    "frame": by_frame.index,
                    "counts": by_frame.to_numpy(),
                    "relative": by_frame.to_numpy() / np.maximum(expected, 1e-9),
                    "relative_sd": np.sqrt(by_frame.to_numpy()) / np.maximum(expected, 1e-9),
                    "change_percent": 100 * change,
                    "change_sd_percent": 100 * spread,
                }
            )
        )
    return pd.concat(parts)


@styled
def damage_figure(table: pd.DataFrame) -> Figure:
    """Draw what `damage_table` returns."""
    figure = new_figure(6.5, 3.6)
    axes = figure.subplots()
    shown = list(dict.fromkeys(table["element"]))
    for n, element in enumerate(shown):
        own = table[table["element"] == element]
        change, spread = own["change_percent"].iloc[0], own["change_sd_percent"].iloc[0]
        label = f"{element}: {change:+.1f} ± {spread:.1f} %".replace("-", "\N{MINUS SIGN}")
        # side by side, so that bars do not hide each other
        at = own["frame"] + 0.08 * (n - (len(shown) - 1) / 2)
        axes.errorbar(at, own["relative"], own["relative_sd"], fmt="o-", color=colour_of(n),
                      label=label, linewidth=1.0)  # fmt: skip
    axes.axhline(1.0, color="#5b6673", linestyle="--", linewidth=0.8)
    axes.set(xlabel="frame", ylabel="counts over their mean")
    axes.set_title("Counts from frame to frame; in the legend the change from first to last")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_below(axes, 4)
    return figure
