"""Figures of the thickness in every direction around a particle.

Directions as in `stemedx.analyse.thickness`: theta counts towards the tilt axis
+y, phi goes round it, from +x towards +z.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from stemedx.arrays import Mask, Profile, SphereMap
from stemedx.figures.canvas import colour_of, degrees, new_figure, rounded, styled

ANGLES = ("theta_deg", "phi_deg")
PARALLELS = (-60, -30, 0, 30, 60)
MERIDIANS = (0, 90, 180, 270, 360)
N_BINS = 40


def sphere_map(rays: pd.DataFrame, element: str) -> SphereMap:
    """Return the thickness of one element as ``(theta, phi)``, nm."""
    return rays.pivot(index="theta_deg", columns="phi_deg", values=f"{element}_nm").to_numpy(float)


def cell_weights(theta_deg: Profile) -> Profile:
    """Return the area that a direction at each elevation stands for, up to a factor."""
    return np.clip(np.cos(np.deg2rad(theta_deg)), 0, None)


def equal_area(values: SphereMap) -> SphereMap:
    """Return a map of the sphere on which equal areas are equally large.

    Sinusoidal: each parallel is as wide as it is long, centred; the rest is nan.

    Parameters
    ----------
    values
        ``(theta, phi)``, theta from -90 to 90 degrees, phi once round from 0.
    """
    n_theta, n_phi = values.shape
    theta = np.deg2rad(np.linspace(-90, 90, n_theta))[:, None]
    width = np.maximum(1.0, np.ceil(n_phi * np.cos(theta) - 1e-9))
    across = np.arange(n_phi) - (n_phi - 1) / 2
    phi = np.floor((across / width + 0.5) * n_phi).astype(int)
    inside = np.abs(across) <= width / 2
    found = np.take_along_axis(values, np.clip(phi, 0, n_phi - 1), axis=1)
    return np.where(inside, found, np.nan)


def uncovered(values: SphereMap, theta_deg: Profile, percent: float) -> Mask:
    """Return the thinnest directions that make up this share of the sphere.

    Parameters
    ----------
    values
        ``(theta, phi)`` thickness.
    theta_deg
        ``(theta,)`` elevations, degrees.
    percent
        Share of the area, as the statistics tell it.

    Returns
    -------
    mask
        ``(theta, phi)`` true where the direction is uncovered.
    """
    weights = np.repeat(cell_weights(theta_deg)[:, None], values.shape[1], axis=1)
    thickness, place = np.unique(values, return_inverse=True)
    area = np.cumsum(np.bincount(place.ravel(), weights.ravel())) / weights.sum()
    # The share came as a rounded number.
    n_thin = np.searchsorted(area, percent / 100 + 1e-6, side="right")
    return np.isin(values, thickness[:n_thin])


@styled
def thickness_figure(
    particles: Sequence[pd.DataFrame], statistics: pd.DataFrame, elements: Sequence[str], title: str
) -> Figure:
    """Draw the thickness of every element around every particle, as maps of a sphere.

    A line goes round what is uncovered.

    Parameters
    ----------
    particles
        For each one `ANGLES` and ``{element}_nm``, a row for each direction.
    statistics
        ``particle, element, mean_nm, std_nm, uncovered_percent``.
    elements
        Names of the columns of the figure.
    title
        Says what was measured.
    """
    n_rows, n_columns = len(particles), len(elements)
    figure = new_figure(max(5.0, 3.3 * n_columns), 2.0 * n_rows + 0.8)
    axes = figure.subplots(n_rows, n_columns, squeeze=False)
    for row, (rays, panels) in enumerate(zip(particles, axes, strict=True), start=1):
        top = max(float(rays[f"{name}_nm"].max()) for name in elements) or 1.0
        for element, panel in zip(elements, panels, strict=True):
            own = statistics[(statistics["particle"] == row) & (statistics["element"] == element)]
            mean, spread, bare = own[["mean_nm", "std_nm", "uncovered_percent"]].iloc[0]
            shown = _draw_sphere(panel, rays, element, (top, bare))
            panel.set_title(
                f"{element}: {mean:.2f} ± {spread:.2f} nm\nuncovered {bare:.1f} % of the sphere"
            )
        panels[0].set_ylabel(f"particle {row}", fontweight="bold")
        figure.colorbar(shown, ax=list(panels), label="thickness (nm)", shrink=0.85, pad=0.01)
    figure.suptitle(title)
    return figure


def _draw_sphere(
    axes: Axes, rays: pd.DataFrame, element: str, top_and_bare: tuple[float, float]
) -> AxesImage:
    """Draw one map with its lines of equal theta and phi; return the image."""
    top, bare = top_and_bare
    values = sphere_map(rays, element)
    theta = np.unique(rays["theta_deg"])
    shown = axes.imshow(
        equal_area(values), cmap="cividis", vmin=0, vmax=top, extent=(-180, 180, 90, -90)
    )
    thin = uncovered(values, theta, bare)
    if thin.any() and not thin.all():
        edge = np.nan_to_num(equal_area(thin.astype(float)))
        across = np.linspace(-179.5, 179.5, edge.shape[1])
        axes.contour(across, theta, edge, levels=[0.5], colors="#D55E00", linewidths=1.2)
    _draw_graticule(axes)
    return shown


def _draw_graticule(axes: Axes) -> None:
    curve = np.linspace(-90, 90, 91)
    for phi in MERIDIANS:
        width = (phi - 180) * np.cos(np.deg2rad(curve))
        axes.plot(width, curve, color="#8a94a0", linewidth=0.6)
    for theta in PARALLELS:
        half = 180 * np.cos(np.deg2rad(theta))
        axes.plot([-half, half], [theta, theta], color="#8a94a0", linewidth=0.6)
        axes.text(half + 14, theta, degrees(theta), va="center", fontsize=6.5)
    for phi in MERIDIANS[1:-1]:
        axes.text(phi - 180, 97, degrees(phi), ha="center", va="top", fontsize=6.5)
    axes.text(-130, 97, "φ", ha="center", va="top", fontsize=7.5)
    axes.text(168, 86, "θ", ha="center", va="center", fontsize=7.5)
    axes.set(xticks=[], yticks=[], xlim=(-182, 225), ylim=(112, -92))
    axes.grid(False)
    axes.spines[:].set_visible(False)


def share_table(particles: Sequence[pd.DataFrame], elements: Sequence[str]) -> pd.DataFrame:
    """Return how much of the sphere has which thickness, percent of it for each bin.

    Parameters
    ----------
    particles
        For each one `ANGLES` and ``{element}_nm``, a row for each direction.
    elements
        Symbols.
    """
    top = max(float(rays[f"{name}_nm"].max()) for rays in particles for name in elements) or 1.0
    edges = np.linspace(0, top * (1 + 1e-6), N_BINS + 1)
    parts = []
    for number, rays in enumerate(particles, start=1):
        weights = cell_weights(rays["theta_deg"].to_numpy(float))
        shares = {
            name: np.histogram(rays[f"{name}_nm"], edges, weights=100 * weights / weights.sum())[0]
            for name in elements
        }
        bins = {"from_nm": rounded(edges[:-1]), "to_nm": rounded(edges[1:])}
        told = {name: rounded(share) for name, share in shares.items()}
        parts.append(pd.DataFrame({"particle": number, **bins, **told}))
    return pd.concat(parts)


@styled
def shares_figure(table: pd.DataFrame, elements: Sequence[str], title: str) -> Figure:
    """Draw how much of the sphere has which thickness.

    Parameters
    ----------
    table
        As `share_table` makes it.
    elements
        In the order of their colours.
    title
        Says what was measured.
    """
    particles = list(table.groupby("particle"))
    figure = new_figure(6.5, 1.9 * len(particles) + 0.8)
    axes = figure.subplots(len(particles), 1, squeeze=False, sharex=True)[:, 0]
    for panel, (number, part) in zip(axes, particles, strict=True):
        edges = [*part["from_nm"], part["to_nm"].iloc[-1]]
        for n, element in enumerate(elements):
            panel.stairs(part[element], edges, color=colour_of(n), linewidth=1.6, label=element)
        panel.set(ylabel="share of the sphere (%)", title=f"particle {number}")
        panel.legend()
    axes[-1].set_xlabel("thickness (nm)")
    figure.suptitle(title)
    return figure
