"""Stage `thickness`: volumes -> thickness of each element around each particle."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stemedx import store, tables
from stemedx.analyse.particles import Particle, find_particles
from stemedx.analyse.thickness import (
    PHI_DEG,
    THETA_DEG,
    Shells,
    measure_shells,
    shell_statistics,
)
from stemedx.arrays import Volumes
from stemedx.params import ThicknessParams

log = logging.getLogger(__name__)
COLUMNS = (
    "particle",
    "element",
    "mean_nm",
    "std_nm",
    "uncovered_percent",
    "volume_nm3",
    "diameter_nm",
    "center_z_nm",
    "center_y_nm",
    "center_x_nm",
    "touches_edge",
)


def run(params: ThicknessParams, *, volume: Path, thickness: Path) -> None:
    """Read the volumes, measure every particle, write the folder `thickness`.

    ``particle_{n}.csv`` holds the thickness in every direction, ``statistics.csv``
    one row per particle and element; the header alone where there is no particle.
    Centres are distances from the centre of the first voxel.

    Raises
    ------
    ValueError
        If the element of the core is not in the volumes.
    """
    volumes, attrs = store.read_volumes(volume)
    elements, pixel_nm = attrs["elements"], attrs["pixel_nm"]
    core = _core(params.core, elements, volume)
    particles = find_particles(
        volumes,
        min_diameter_px=params.min_particle_nm / pixel_nm,
        threshold=params.threshold,
        max_particles=params.max_particles,
    )
    if not particles:
        log.warning("%s: no particle of %g nm or more", volume, params.min_particle_nm)
    rows: list[dict[str, Any]] = []
    for shells in _measured(volumes, particles, core, params.threshold):
        number = len(rows) // len(elements) + 1
        tables.write(thickness / f"particle_{number}.csv", _directions(shells, elements, pixel_nm))
        measured = shell_statistics(shells, elements, pixel_nm, params.uncovered_px)
        rows += [{"particle": number, **row} for row in measured]
    tables.write(thickness / "statistics.csv", pd.DataFrame(rows, columns=list(COLUMNS)))


def _core(wanted: str | None, elements: list[str], where: Path) -> int:
    """Return the index of the element whose centre of mass is the origin."""
    if wanted is None:
        return 0
    if wanted not in elements:
        raise ValueError(
            f"{where}: expected the core's element {wanted!r}, found {', '.join(elements)}. "
            "Set thickness.core to one of them."
        )
    return elements.index(wanted)


def _measured(
    volumes: Volumes, particles: list[Particle], core: int, threshold: float
) -> list[Shells]:
    """Return the shells of every particle that has a core."""
    found = [measure_shells(volumes, p, core=core, threshold=threshold) for p in particles]
    if without := sum(shells is None for shells in found):
        log.warning("%d particles have nothing of the core's element: left out", without)
    return [shells for shells in found if shells is not None]


def _directions(shells: Shells, elements: list[str], pixel_nm: float) -> pd.DataFrame:
    """Return one row per direction, theta slowest."""
    theta, phi = np.meshgrid(THETA_DEG, PHI_DEG, indexing="ij")
    rays = (shells.thickness_px * pixel_nm).reshape(len(elements), -1).astype(np.float32)
    named = {f"{element}_nm": row for element, row in zip(elements, rays, strict=True)}
    return pd.DataFrame({"theta_deg": theta.ravel(), "phi_deg": phi.ravel(), **named})
