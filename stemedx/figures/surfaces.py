"""Surfaces of the elements in three dimensions, to turn in a browser."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from skimage.measure import marching_cubes

from stemedx.arrays import Corners, Triangles
from stemedx.figures.bodies import Body
from stemedx.figures.canvas import rounded


@dataclass(frozen=True, eq=False)
class Surface:
    """Where a body ends."""

    body: Body
    corners: Corners  # (corner, zyx) nm from the centre of the volume
    triangles: Triangles  # (triangle, 3) numbers of corners


def to_surface(body: Body) -> Surface:
    """Return the surface of a body, closed where the body leaves the box."""
    corners, triangles, _, _ = marching_cubes(np.pad(body.volume, 1), body.level)
    where_nm = (corners - 1) * body.voxel_nm + body.corner_nm
    return Surface(body, rounded(where_nm, 5).astype(np.float32), triangles)


def view_json(surfaces: Sequence[Surface], title: str) -> str:
    """Return a plotly figure of surfaces, to be turned in a browser.

    Axes in nm; one mesh per element, switched on and off in the legend. At first the
    view is nearly that of the maps: along the beam, y down.

    Parameters
    ----------
    surfaces
        The innermost first.
    title
        Kept in the figure's ``meta``.
    """
    figure = go.Figure([_mesh(surface) for surface in surfaces], _layout(title))
    return json.dumps(json.loads(figure.to_json()), sort_keys=True, separators=(",", ":"))


def _mesh(surface: Surface) -> go.Mesh3d:
    element = surface.body.element
    z, y, x = surface.corners.T
    # As few bytes as the numbers of the corners need.
    i, j, k = surface.triangles.T.astype(np.uint16 if len(x) <= 2**16 else np.int32)
    return go.Mesh3d(
        x=x,
        y=y,
        z=z,
        i=i,
        j=j,
        k=k,
        color=surface.body.colour,
        opacity=surface.body.opacity,
        name=element,
        showlegend=True,
        hovertemplate=f"{element}<br>%{{x:.2f}}, %{{y:.2f}}, %{{z:.2f}} nm<extra></extra>",
        lighting={"ambient": 0.45, "diffuse": 0.7, "specular": 0.15},
    )


def _layout(title: str) -> go.Layout:
    axes = {"xaxis": "x (nm)", "yaxis": "y, tilt axis (nm)", "zaxis": "z, beam (nm)"}
    camera = {"up": {"x": 0, "y": -1, "z": 0}, "eye": {"x": 1.1, "y": -0.85, "z": -1.95}}
    return go.Layout(
        template=go.layout.Template(),
        scene={
            "aspectmode": "data",
            "camera": camera,
            **{axis: {"title": {"text": text}} for axis, text in axes.items()},
        },
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        legend={"orientation": "h", "font": {"size": 15}},
        meta={"title": title},
    )


def corner_table(surfaces: Sequence[Surface]) -> pd.DataFrame:
    """Return the corners of all surfaces, nm from the centre of the volume."""
    columns = ["element", "x_nm", "y_nm", "z_nm"]
    parts = [
        pd.DataFrame(dict(zip(columns, (s.body.element, *s.corners.T[::-1]), strict=True)))
        for s in surfaces
    ]
    return pd.concat(parts) if parts else pd.DataFrame(columns=columns)
