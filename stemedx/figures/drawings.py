"""Every figure of a specimen: drawn, with its numbers, title and caption.

The place of a drawing is the folder of its stage and its name, without an ending.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import ndimage

from stemedx.arrays import ElementRates, MeasuredMaps, Rates
from stemedx.figures import lines, spheres
from stemedx.figures.bodies import Body
from stemedx.figures.canvas import degrees
from stemedx.figures.grids import Column, composite_grid, grid_table, image_grid
from stemedx.figures.rendering import bodies_figure
from stemedx.figures.surfaces import Surface, corner_table

SYMBOL = re.compile("[A-Z][a-z]?")
N_TILTS = 5  # of which the measured maps are shown
BOX_PX = 11  # the smoothing to which the paper compares its network
SIGNALS = {"counts": "counts", "hits": "hits (counts clipped to 0 or 1)", "intensity": "intensity"}
NETWORKS = {
    "kernel": "Training of the CNN-based kernel",
    "denoiser": "Training of Q^D",
    "enhancer": "Training of Q^S",
    "end_to_end": "Training of T, on the batch",
}


@dataclass(frozen=True)
class Drawing:
    """A figure and what belongs beside it; `units` are those of columns named after elements."""

    place: str
    figure: Figure
    numbers: pd.DataFrame
    title: str
    caption: str
    units: str = ""

    @property
    def table(self) -> pd.DataFrame:
        """The numbers, with units in the names of all columns: ``Se_count_per_nm``."""
        ending = self.units.replace("/", "_per_")
        return self.numbers.rename(
            columns=lambda name: f"{name}_{ending}" if SYMBOL.fullmatch(str(name)) else name
        )


def draw_maps(maps: MeasuredMaps, attrs: dict[str, Any]) -> list[Drawing]:
    """Draw some of the measured maps, and the sums of all.

    Parameters
    ----------
    maps
        ``(element, tilt, y, x)``.
    attrs
        Attributes of their store.
    """
    tilts, elements = attrs["tilt_deg"], attrs["elements"]
    chosen = sorted({round(n) for n in np.linspace(0, len(tilts) - 1, N_TILTS)})
    columns = [Column(f"{tilts[n]:g}", degrees(tilts[n]), maps[:, n]) for n in chosen]
    title = f"Measured maps: {SIGNALS[attrs['signal']]} per pixel"
    caption = f"{len(chosen)} of {len(tilts)} tilts, as measured (not aligned)."
    sums = dict(zip(elements, maps.sum(axis=(2, 3), dtype=np.float64), strict=True))
    table = pd.DataFrame({"tilt_deg": tilts, **sums})
    return [
        grid_drawing("element_maps/maps", columns, attrs, title=title, caption=caption),
        Drawing(
            "element_maps/sums",
            lines.counts_figure(table, elements, attrs["units"]),
            table,
            "Sum of each map",
            "What the sums do beyond the specimen's own change is shadowing, dose or drift.",
            attrs["units"],
        ),
    ]


def draw_denoised(
    maps: MeasuredMaps, rates: Rates, attrs: dict[str, Any], by_kernel: ElementRates | None = None
) -> list[Drawing]:
    """Draw the maps nearest to tilt 0 before and after Q^D.

    Parameters
    ----------
    maps, rates
        ``(element, tilt, y, x)`` measured, and expected according to the network.
    attrs
        Attributes of the maps' store.
    by_kernel
        ``(element, y, x)`` expected according to the CNN-based kernel, of a map that has one.
    """
    middle = int(np.abs(attrs["tilt_deg"]).argmin())
    measured = maps[:, middle].astype(np.float32)
    smooth = ndimage.uniform_filter(measured, (0, BOX_PX, BOX_PX))
    denoised = Column("denoised", "denoised by Q^D", rates[:, middle])
    columns = [
        Column("measured", "measured", measured),
        Column("mean", f"measured, mean of {BOX_PX} x {BOX_PX}", smooth),
        denoised,
    ]
    if by_kernel is not None:
        columns.insert(2, Column("kernel", "by the CNN-based kernel", by_kernel))
    elements, pixel_nm = attrs["elements"], attrs["pixel_nm"]
    title = "Denoising"
    if len(attrs["tilt_deg"]) > 1:
        title += f" at {degrees(attrs['tilt_deg'][middle])}"
    figure = image_grid(
        columns,
        elements,
        pixel_nm=pixel_nm,
        units=attrs["units"],
        title=title,
        scaled_to=denoised,
    )
    caption = "A row has one scale, that of the denoised map: most single photons are above it."
    numbers = grid_table(columns, elements, pixel_nm)
    return [Drawing("denoise/maps", figure, numbers, title, caption, attrs["units"])]


def draw_losses(network: str, table: pd.DataFrame) -> list[Drawing]:
    """Draw the losses of the training of one network."""
    title = NETWORKS.get(network, network)
    caption = "Nothing was held out: the loss is that on the data of the training."
    if "held_out_loss" in table:
        caption = (
            "A held-out loss that rises while the training loss falls means memorised noise; that "
            "the two differ does not: they are of other shares of the photons."
        )
    figure = lines.losses_figure(table, title)
    return [Drawing(f"train_{network}/losses", figure, table, title, caption)]


def draw_view(method: str, bodies: Sequence[Body], surfaces: Sequence[Surface]) -> Drawing:
    """Draw the elements in three dimensions, still; its numbers are those of the view to turn."""
    title = f"{method}: elements in three dimensions"
    caption = (
        "Each surface is where an element, smoothed by 0.8 voxels, is half of what is typical "
        "inside. The smallest body is solid, those around it are transparent."
    )
    place = f"reconstruct/{method}_3d"
    return Drawing(place, bodies_figure(bodies, title), corner_table(surfaces), title, caption)


def draw_planes(method: str, columns: Sequence[Column], attrs: dict[str, Any]) -> Drawing:
    """Draw three planes of one reconstruction."""
    return grid_drawing(
        f"reconstruct/{method}_planes",
        columns,
        attrs,
        title=f"{method}: three planes through the largest particle",
        caption="The planes meet in its centre of mass; around the particles the volume is cut "
        "off. Positions count from the centre of the volume. The middle plane is normal to the "
        "tilt axis: missing tilts lengthen things along z there.",
    )


def draw_comparison(shown: dict[str, Sequence[Column]], attrs: dict[str, Any]) -> list[Drawing]:
    """Draw the methods beside each other if there are more, and the elements together.

    Parameters
    ----------
    shown
        Method -> its planes, as `planes.planes` makes them.
    attrs
        Attributes of a volume's store.
    """
    elements, pixel_nm = attrs["elements"], attrs["pixel_nm"]
    across = [
        Column(method, method, columns[1].images, columns[1].corner_nm)
        for method, columns in shown.items()
    ]
    tables = [grid_table(c, elements, pixel_nm).assign(method=m) for m, c in shown.items()]
    together = Drawing(
        "reconstruct/composite",
        composite_grid(shown, elements, pixel_nm=pixel_nm),
        pd.concat(tables),
        "Elements on top of each other",
        "Three planes through the largest particle. Colours add where elements overlap; they "
        "tell where an element is, not how much more there is of one than of another.",
        attrs["units"],
    )
    if len(shown) == 1:
        return [together]
    return [
        together,
        grid_drawing(
            "reconstruct/comparison",
            across,
            attrs,
            title="Methods compared, normal to the tilt axis: z down, x across",
            caption="The same plane by every method; in a row all have the same scale.",
        ),
    ]


def draw_resolution(
    method: str, curves: pd.DataFrame, crossings: pd.DataFrame, elements: Sequence[str]
) -> list[Drawing]:
    """Draw the Fourier shell correlation of one method."""
    return [
        Drawing(
            f"resolution/{method}_fsc",
            lines.fsc_figure(curves, crossings, elements, method),
            curves,
            f"{method}: agreement of half data sets",
            "Fourier shell correlation of volumes made from two independent shares of the "
            "photons. A dot marks where a curve falls below a threshold: the first is the "
            "headline; 0.143 serves comparison with others and is optimistic for regularised "
            "volumes. Where a curve rises again beyond, both share an artefact, of the grid of "
            "voxels say; it is no finer detail.",
        )
    ]


def draw_thickness(
    method: str, rays: Sequence[pd.DataFrame], statistics: pd.DataFrame
) -> list[Drawing]:
    """Draw the shells of the particles that one method shows.

    Parameters
    ----------
    method
        Name of the reconstruction.
    rays
        For each particle `spheres.ANGLES` and ``{element}_nm``.
    statistics
        A row for each particle and element.
    """
    elements = list(dict.fromkeys(statistics["element"]))
    title = f"{method}: thickness around the core"
    shares = spheres.share_table(rays, elements)
    numbered = [part.assign(particle=n) for n, part in enumerate(rays, start=1)]
    return [
        Drawing(
            f"thickness/{method}_maps",
            spheres.thickness_figure(rays, statistics, elements, title),
            pd.concat(numbered),
            title,
            "Maps of the sphere of directions on which equal areas are equally large; θ counts "
            "towards the tilt axis y, which points down as in the maps, φ goes round it from x "
            "(0°) towards the beam z (90°). A line goes round what is uncovered.",
        ),
        Drawing(
            f"thickness/{method}_shares",
            spheres.shares_figure(shares, elements, title),
            shares,
            f"{method}: how much of the sphere is how thick",
            "Each direction counts by the area it stands for.",
            "percent",
        ),
    ]


def grid_drawing(
    place: str, columns: Sequence[Column], attrs: dict[str, Any], *, title: str, caption: str
) -> Drawing:
    """Return a grid of images with its numbers."""
    elements, pixel_nm = attrs["elements"], attrs["pixel_nm"]
    figure = image_grid(columns, elements, pixel_nm=pixel_nm, units=attrs["units"], title=title)
    numbers = grid_table(columns, elements, pixel_nm)
    return Drawing(place, figure, numbers, title, caption, attrs["units"])
