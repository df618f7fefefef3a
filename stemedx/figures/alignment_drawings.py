"""What the report shows of an alignment."""

from typing import Any

import pandas as pd

from stemedx.arrays import Series
from stemedx.figures import alignment
from stemedx.figures.drawings import Drawing
from stemedx.project.geometry import Geometry


def draw_alignment(
    table: pd.DataFrame, total: Series, aligned: Series, attrs: dict[str, Any]
) -> list[Drawing]:
    """Draw what the alignment did to each map.

    Parameters
    ----------
    table
        `alignment.COLUMNS`, a row for each tilt.
    total, aligned
        ``(tilt, y, x)`` sum over elements as measured, and in the aligned frame.
    attrs
        ``tilt_deg``, ``pixel_nm``, ``origin``, ``warnings`` and ``axis_error_deg``.
    """
    tilts, pixel_nm, origin = attrs["tilt_deg"], attrs["pixel_nm"], attrs["origin"]
    told = {name: attrs[name] for name in ("origin", "warnings", "axis_error_deg")}
    profiles = alignment.profile_table(total, aligned, tilts, pixel_nm)
    return [
        Drawing(
            "align/shifts",
            alignment.shifts_figure(table, pixel_nm=pixel_nm, **told),
            table,
            f"Alignment, {origin}",
            "Rotation, then shift, that bring each map into the common frame; standard errors.",
        ),
        Drawing(
            "align/profiles",
            alignment.profiles_figure(profiles, "sum over elements"),
            profiles,
            "Sums of each map before and after alignment",
            "Along the tilt axis y a well aligned series looks the same at every tilt; across "
            "it (x) parts of the specimen move along smooth traces.",
        ),
    ]


def draw_axis(
    geometry: Geometry, images: tuple[Series, Series, Series], attrs: dict[str, Any]
) -> Drawing:
    """Draw where the tilt axis lies, and what not all tilts see.

    Parameters
    ----------
    geometry
        Says how each map is aligned.
    images
        ``(tilt, y, x)`` sum over elements as measured, the same aligned, and weights.
    attrs
        ``pixel_nm``.
    """
    total, aligned, weight = images
    table = alignment.axis_table(geometry, attrs["pixel_nm"])
    return Drawing(
        "align/axis",
        alignment.axis_figure(table, total, aligned, weight, pixel_nm=attrs["pixel_nm"]),
        table,
        "Tilt axis, and what not all tilts see",
        "Dashed: the tilt axis. Solvers leave out what the blue outline cuts off: neighbours that "
        "enter, rows that leave, the ends of a specimen larger than the field.",
    )
