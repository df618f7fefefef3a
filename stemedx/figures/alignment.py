"""Figures of the alignment: what was moved by how much, and what it did."""

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import ndimage

from stemedx.arrays import Image, Series
from stemedx.figures.canvas import colour_of, degrees, legend_below, new_figure, rounded, styled
from stemedx.project.geometry import Geometry

AXIS_ENDS = ("top_x_nm", "top_y_nm", "bottom_x_nm", "bottom_y_nm")
COLUMNS = (
    *("tilt_deg", "rotation_deg", "shift_x_px", "shift_y_px", "residual"),
    *("error_x_px", "error_y_px", "tilt_off_deg", "tilt_off_error_deg"),
)


@styled
def shifts_figure(
    table: pd.DataFrame,
    *,
    pixel_nm: float,
    origin: str,
    warnings: Sequence[str],
    axis_error_deg: float | None,
) -> Figure:
    """Draw shift with its standard error, rotation and residual of each tilt.

    Parameters
    ----------
    table
        `COLUMNS`, a row for each tilt.
    pixel_nm
        Edge of a pixel, nm.
    origin
        Where the alignment comes from.
    warnings
        What the alignment warned of; written under the plots.
    axis_error_deg
        Standard error of the angle of the tilt axis; None where it was not estimated.
    """
    looked_for = table["tilt_off_error_deg"].notna().any()
    figure = new_figure(11.0 if looked_for else 8.0, 3.1 + 0.2 * len(warnings))
    shifts, residual, *rest = figure.subplots(1, 3 if looked_for else 2)
    for panel in rest:
        _draw_tilt_errors(panel, table)
    tilts = table["tilt_deg"]
    for n, axis in enumerate("xy"):
        shifts.errorbar(
            tilts, table[f"shift_{axis}_px"], yerr=table[f"error_{axis}_px"], fmt="o-",
            color=colour_of(n), capsize=2.5, label=f"moved along {axis}, standard error",
        )  # fmt: skip
    shifts.set(xlabel="tilt (°)", ylabel=f"shift (pixel of {pixel_nm:.3g} nm)")
    shifts.set_title(_rotation_text(table["rotation_deg"], axis_error_deg))
    legend_below(shifts, 1)
    residual.plot(tilts, table["residual"], "o-", color=colour_of(2))
    residual.set(xlabel="tilt (°)", ylabel="residual (1)")
    residual.set_ylim(bottom=min(0.0, float(np.nan_to_num(table["residual"]).min())))
    residual.set_title("Misfit of each tilt after alignment")
    figure.suptitle(f"Alignment, {origin}")
    if warnings:
        lines = [line for text in warnings for line in textwrap.wrap(f"Warning: {text}", 110)]
        figure.supxlabel("\n".join(lines), fontsize=8.5, color=colour_of(0))
    return figure


def _draw_tilt_errors(panel: Axes, table: pd.DataFrame) -> None:
    """Draw by how much each tilt was found to be off, with its standard error."""
    panel.errorbar(
        table["tilt_deg"], table["tilt_off_deg"], yerr=table["tilt_off_error_deg"], fmt="o",
        color=colour_of(4), capsize=2.5,
    )  # fmt: skip
    panel.axhline(0.0, color="0.6", linewidth=0.8)
    panel.set(xlabel="tilt (°)", ylabel="off (°)")
    panel.set_title("By how much tilts were off, standard error")


def _rotation_text(rotation_deg: pd.Series, error_deg: float | None) -> str:
    if np.ptp(rotation_deg) < 0.005:
        error = "" if error_deg is None else f" ± {error_deg:.2f}°"
        return f"Shifts; every map rotated by {rotation_deg.iloc[0]:.2f}°{error}"
    return f"Shifts; maps rotated by {rotation_deg.min():.2f}° to {rotation_deg.max():.2f}°"


def profile_table(
    before: Series, after: Series, tilt_deg: Sequence[float], pixel_nm: float
) -> pd.DataFrame:
    """Return the sums of each map over its columns and over its rows.

    Parameters
    ----------
    before, after
        ``(tilt, y, x)`` sum over elements as measured, and in the aligned frame.
    tilt_deg
        Stage tilts, degrees.
    pixel_nm
        Edge of a pixel, nm; positions count from the centre of the map.
    """
    parts = []
    for along, summed in (("y", 2), ("x", 1)):
        n = before.shape[3 - summed]
        position = rounded((np.arange(n) - (n - 1) / 2) * pixel_nm, 6)
        parts.append(
            pd.DataFrame(
                {
                    "along": along,
                    "tilt_deg": np.repeat(np.asarray(tilt_deg, float), n),
                    "position_nm": np.tile(position, len(tilt_deg)),
                    "before": rounded(before.sum(axis=summed, dtype=np.float64).ravel()),
                    "after": rounded(after.sum(axis=summed, dtype=np.float64).ravel()),
                }
            )
        )
    return pd.concat(parts)


@styled
def profiles_figure(table: pd.DataFrame, units: str) -> Figure:
    """Draw the sums of each map before and after alignment, tilt by tilt.

    Along the tilt axis (y) aligned sums are the same at every tilt. Across it (x)
    the sum over y is the sinogram of the specimen seen as one slice: smooth traces.

    Parameters
    ----------
    table
        As `profile_table` makes it.
    units
        Unit of the maps.
    """
    figure = new_figure(8.0, 5.2)
    axes = figure.subplots(2, 2)
    wording = {"y": "sum of each row, along the tilt axis", "x": "sum of each column, across it"}
    for row, (along, part) in zip(axes, table.groupby("along", sort=False), strict=True):
        top = part[["before", "after"]].to_numpy().max() or 1.0
        for panel, name in zip(row, ("before", "after"), strict=True):
            picture = part.pivot(index="tilt_deg", columns="position_nm", values=name)
            shown = panel.pcolormesh(
                picture.columns, range(len(picture)), picture, cmap="viridis", vmin=0, vmax=top,
                shading="nearest", rasterized=True,
            )  # fmt: skip
            step = -(-len(picture) // 7)
            panel.set_yticks(
                range(0, len(picture), step), list(map(degrees, picture.index[::step]))
            )
            panel.set(xlabel=f"{along} (nm)", ylabel="tilt")
            panel.set_title(f"{name}: {wording[str(along)]}")
            panel.grid(False)
        figure.colorbar(shown, ax=list(row), label=units, pad=0.01)
    return figure


def axis_table(geometry: Geometry, pixel_nm: float) -> pd.DataFrame:
    """Return where the tilt axis lies in each measured map, nm from its centre.

    Parameters
    ----------
    geometry
        Says how each map is aligned: aligned, the axis is the line x = 0.
    pixel_nm
        Edge of a pixel, nm.
    """
    half = (geometry.n_y - 1) / 2
    rows = []
    for n, tilt in enumerate(geometry.tilt_deg):
        rotation, shift = geometry.motion(n)
        ends = [rotation.T @ (np.array([y, 0.0]) - shift) * pixel_nm for y in (-half, half)]
        (top_y, top_x), (bottom_y, bottom_x) = ends
        rows.append((tilt, *map(float, (top_x, top_y, bottom_x, bottom_y))))
    return pd.DataFrame(rows, columns=["tilt_deg", *AXIS_ENDS])


@styled
def axis_figure(
    table: pd.DataFrame, measured: Series, aligned: Series, weight: Series, *, pixel_nm: float
) -> Figure:
    """Draw the tilt axis on the sum of aligned maps, and on maps as they were measured.

    Parameters
    ----------
    table
        As `axis_table` makes it.
    measured, aligned
        ``(tilt, y, x)`` sum over elements as measured, and in the aligned frame.
    weight
        ``(tilt, y, x)`` 0 to 1, measured frame; its outline at a half is drawn.
    pixel_nm
        Edge of a pixel, nm.
    """
    flattest = int(table["tilt_deg"].abs().argmin())
    least_seen = int(weight.mean(axis=(1, 2)).argmin())
    figure = new_figure(9.0, 3.4)
    panels = figure.subplots(1, 3)
    n_y, n_x = measured.shape[1:]
    sides = np.array([-n_x, n_x, n_y, -n_y]) / 2 * pixel_nm
    shown = {"cmap": "gray", "extent": sides.tolist(), "interpolation": "nearest"}
    panels[0].imshow(smoothed(aligned.sum(axis=0)), **shown)
    panels[0].axvline(0.0, color=colour_of(0), linestyle="--")
    panels[0].set_title("all tilts aligned, and the tilt axis")
    x, y = ((np.arange(n) - (n - 1) / 2) * pixel_nm for n in (n_x, n_y))
    for panel, tilt in zip(panels[1:], (flattest, least_seen), strict=True):
        panel.imshow(smoothed(measured[tilt]), **shown)
        ends = table.iloc[tilt]
        panel.plot(
            ends[["top_x_nm", "bottom_x_nm"]], ends[["top_y_nm", "bottom_y_nm"]], "--",
            color=colour_of(0),
        )  # fmt: skip
        if weight[tilt].min() < 0.5:
            panel.contour(x, y, weight[tilt], [0.5], colors=colour_of(1), linewidths=1.2)
        panel.set_title(f"measured at {degrees(table['tilt_deg'][tilt])}")
    for panel in panels:
        panel.set(xlabel="x (nm)", ylabel="y (nm)", xlim=sides[:2], ylim=sides[2:])
        panel.grid(False)
    return figure


def smoothed(image: Image) -> Image:
    """Return an image in which single photons do not hide the rest."""
    return ndimage.gaussian_filter(image.astype(np.float32), 1.5)
