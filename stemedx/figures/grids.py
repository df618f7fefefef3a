"""Grids of images: a row for each element, a column for each place or method."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from stemedx.arrays import PictureRGB, Pictures
from stemedx.figures.canvas import colour_of, new_figure, rounded, styled

PANEL_IN = 2.2
BAR_SHARE = 0.35  # of the panel's width, at most
BRIGHT_PERCENT = 99.9  # brighter pixels than this are drawn alike


@dataclass(frozen=True)
class Column:
    """The same piece of a plane, seen in every element."""

    name: str  # the key of its rows in the table
    title: str
    images: Pictures  # (element, down, across)
    corner_nm: tuple[float, float] = (0.0, 0.0)  # (down, across) of the first pixel


@styled
def image_grid(
    columns: Sequence[Column],
    elements: Sequence[str],
    *,
    pixel_nm: float,
    units: str,
    title: str,
    scaled_to: Column | None = None,
) -> Figure:
    """Draw images in rows of elements; each row has one scale and a colour bar.

    Parameters
    ----------
    columns
        One or more; within one the images have one shape.
    elements
        Names of the rows.
    pixel_nm
        Edge of a pixel, nm; each column has a scale bar.
    units
        Unit of a value, for the colour bars.
    title
        Says what is shown.
    scaled_to
        The column whose values set the scales; all of them if None.
    """
    figure, axes = _panels(columns, len(elements), pixel_nm)
    for row, element in enumerate(elements):
        pictures = [column.images[row] for column in columns]
        low, high, extend = limits([scaled_to.images[row]] if scaled_to else pictures)
        for panel, picture in zip(axes[row], pictures, strict=True):
            shown = panel.imshow(picture, cmap="viridis", vmin=low, vmax=high)
            bare(panel)
        axes[row, 0].set_ylabel(element, fontweight="bold", fontsize=11)
        bar = figure.colorbar(shown, ax=list(axes[row]), extend=extend, shrink=0.9, pad=0.01)
        bar.set_label(units)
        bar.ax.grid(False)
        if all(np.issubdtype(picture.dtype, np.integer) for picture in pictures):
            bar.ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    figure.suptitle(title)
    return figure


def _panels(columns: Sequence[Column], n_rows: int, pixel_nm: float) -> tuple[Figure, np.ndarray]:
    """Return a figure with axes (row, column), titles and scale bars; pixels are alike."""
    shapes = np.array([column.images.shape[1:] for column in columns])
    height, width = (PANEL_IN / shapes.max() * n for n in (shapes[:, 0].max(), shapes[:, 1].sum()))
    figure = new_figure(max(4.6, width + 0.12 * len(columns) + 1.2), (height + 0.15) * n_rows + 1.0)
    ratios = {"width_ratios": shapes[:, 1]}
    axes = figure.subplots(n_rows, len(columns), squeeze=False, gridspec_kw=ratios)
    length_nm = bar_length_nm(shapes[:, 1].min() * pixel_nm)
    for column, panel in zip(columns, axes[0], strict=True):
        panel.set_title(column.title)
        add_scale_bar(panel, column.images.shape[2] * pixel_nm, length_nm)
    return figure, axes


def grid_table(columns: Sequence[Column], elements: Sequence[str], pixel_nm: float) -> pd.DataFrame:
    """Return the numbers of a grid: a row for each pixel, a column for each element."""
    return pd.concat([_column_table(column, elements, pixel_nm) for column in columns])


def _column_table(column: Column, elements: Sequence[str], pixel_nm: float) -> pd.DataFrame:
    down, across = np.indices(column.images.shape[1:])
    at = {
        "panel": column.name,
        "down_nm": rounded(column.corner_nm[0] + down.ravel() * pixel_nm, 6),
        "across_nm": rounded(column.corner_nm[1] + across.ravel() * pixel_nm, 6),
    }
    values = column.images.reshape(len(elements), -1)
    return pd.DataFrame({**at, **dict(zip(elements, map(compact, values), strict=True))})


def compact(values: np.ndarray) -> np.ndarray:
    """Return values as a plot shows them: integers as they are, others rounded."""
    if np.issubdtype(values.dtype, np.integer):
        return values
    return rounded(values).astype(np.float32)


@styled
def composite_grid(
    rows: dict[str, Sequence[Column]], elements: Sequence[str], *, pixel_nm: float
) -> Figure:
    """Draw up to three elements at once, each in its colour, on black.

    Each element is scaled to its own bright value in its row: colours tell where an
    element is, not how much more there is of one than of another.

    Parameters
    ----------
    rows
        Method -> its columns; every row has the same columns.
    elements
        Symbols, in the order of the images; the first three are shown.
    pixel_nm
        Edge of a pixel, nm.
    """
    first = next(iter(rows.values()))
    figure, axes = _panels(first, len(rows), pixel_nm)
    for (name, columns), panels in zip(rows.items(), axes, strict=True):
        tops = [limits([c.images[n] for c in columns])[1] for n in range(len(elements))]
        for panel, column in zip(panels, columns, strict=True):
            panel.imshow(blend(column.images[:3], tops[:3]))
            bare(panel)
        panels[0].set_ylabel(name, fontweight="bold")
    handles = [Patch(color=colour_of(n), label=name) for n, name in enumerate(elements[:3])]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=10)
    figure.suptitle("Elements together, each scaled to its own bright value")
    return figure


def blend(images: Pictures, tops: Sequence[float]) -> PictureRGB:
    """Return the sum of the elements' colours, each as strong as its image.

    Parameters
    ----------
    images
        ``(element, down, across)`` amounts; those below 0 count as 0.
    tops
        The value of each element at which its colour is full.
    """
    picture = np.zeros((*images.shape[1:], 3))
    for n, (image, top) in enumerate(zip(images, tops, strict=True)):
        rgb = [int(colour_of(n)[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        picture += np.clip(image / top, 0, 1)[..., None] * np.array(rgb)
    return np.clip(picture, 0, 1)


def limits(pictures: Sequence[np.ndarray]) -> tuple[float, float, str]:
    """Return the ends of a colour scale, and at which of them it is open.

    It begins at 0; of amounts below 0, as filtered back-projection makes, the
    colour bar shows by an arrow that they are there.
    """
    low = min(float(picture.min()) for picture in pictures)
    highest = max(float(picture.max()) for picture in pictures)
    bright = max(float(np.percentile(picture, BRIGHT_PERCENT)) for picture in pictures)
    high = bright if bright > 0 else max(highest, 0.0)
    ends = {(True, True): "both", (True, False): "min", (False, True): "max"}
    return 0.0, high or 1.0, ends.get((low < 0, highest > high), "neither")


def bare(axes: Axes) -> None:
    """Leave an image without ticks and grid: it has a scale bar."""
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)


def bar_length_nm(width_nm: float) -> float:
    """Return the largest of 1, 2, 5, 10, ... nm that is no longer than a bar may be."""
    longest = BAR_SHARE * width_nm
    decade = 10.0 ** np.floor(np.log10(longest))
    return float(max(step * decade for step in (1, 2, 5) if step * decade <= longest))


def add_scale_bar(axes: Axes, width_nm: float, length_nm: float, colour: str = "white") -> None:
    """Draw a bar in the lower left corner, and say how long it is.

    Parameters
    ----------
    axes
        Of an image that fills them.
    width_nm
        Of the image.
    length_nm
        Of the bar.
    colour
        White, with a black rim, or any other with a white one.
    """
    text = f"{length_nm:g} nm"
    around = "black" if colour == "white" else "white"
    style: dict[str, Any] = {"facecolor": colour, "edgecolor": around, "linewidth": 0.6}
    place: dict[str, Any] = {"transform": axes.transAxes}
    axes.add_patch(Rectangle((0.05, 0.05), length_nm / width_nm, 0.022, **place, **style))
    outline = [withStroke(linewidth=2, foreground=around)]
    axes.text(0.05, 0.09, text, color=colour, va="bottom", path_effects=outline, **place)
