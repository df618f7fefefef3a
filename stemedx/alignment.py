"""The store `alignment.zarr`, as the geometry that solvers want."""

from pathlib import Path

import numpy as np

from stemedx import store
from stemedx.arrays import Series
from stemedx.project.geometry import Geometry


def read_geometry(alignment: Path, tilt_deg: list[float], map_shape: tuple[int, int]) -> Geometry:
    """Return how the maps of a tilt series were taken, and how each is aligned.

    Tilts are those of the maps, and by how much these were found to be off.

    Parameters
    ----------
    alignment
        Store written by the stage `align`.
    tilt_deg
        Tilts of the maps, degrees.
    map_shape
        Their rows and columns.

    Raises
    ------
    ValueError
        If the store was made for other tilts or another size of maps.
    """
    attrs = store.read_attrs(alignment)
    expected, found = (tilt_deg, list(map_shape)), (attrs["tilt_deg"], attrs["map_shape"])
    if found != expected:
        raise ValueError(
            f"{alignment}: expected the alignment of {len(tilt_deg)} maps of {expected[1]} pixels "
            f"at tilts {expected[0]}, found {len(found[0])} of {found[1]} at {found[0]}. "
            "Run the stage align again."
        )
    tilts = np.array(tilt_deg, np.float64)
    if store.has_layer(alignment, "tilt_off_deg"):
        tilts += store.read_layer(alignment, "tilt_off_deg", axes=("tilt",), units="deg")
    return Geometry(
        tilts,
        *map_shape,
        rotation_deg=store.read_layer(alignment, "rotation_deg", axes=("tilt",), units="deg"),
        shift_px=store.read_layer(alignment, "shift_px", axes=("tilt", "axis"), units="pixel"),
    )


def read_weights(alignment: Path) -> Series:
    """Return the weight of each measured pixel in the data term, ``(tilt, y, x)``, 0 to 1.

    Below 1 where something is seen that other tilts do not see: the residual is
    weighted there, the counts stay as they are. Ones where the store has no weights.
    """
    if store.has_layer(alignment, "weight"):
        return store.read_layer(alignment, "weight", axes=("tilt", "y", "x"), units="1")
    attrs = store.read_attrs(alignment)
    return np.ones((len(attrs["tilt_deg"]), *attrs["map_shape"]), np.float32)
