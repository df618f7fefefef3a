"""Stage `reconstruct`: measured maps -> volumes, by one method."""

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from stemedx import store
from stemedx.alignment import read_geometry, read_weights
from stemedx.arrays import MeasuredMaps, Series, Volumes
from stemedx.params import (
    ON_DEVICE,
    RECONSTRUCT_METHODS,
    CountingParams,
    Model,
    ReconstructParams,
)
from stemedx.project.geometry import Geometry
from stemedx.project.place import HOST, Place
from stemedx.provenance import made_by
from stemedx.reconstruct.measured import Guide, Measured, Reconstruction, gaps_in, hot_in
from stemedx.reconstruct.places import place_of, solved_at

log = logging.getLogger(__name__)
MAP_AXES = ("element", "tilt", "y", "x")


def run(
    params: ReconstructParams,
    *,
    method: str,
    device: str = "auto",
    element_maps: Path,
    tilt_series: Path | None,
    alignment: Path,
    volume: Path,
) -> None:
    """Read the maps, reconstruct them by `method`, write the store `volume`.

    Reads ``(element, tilt, y, x)`` counts or intensities in the measured frame;
    writes ``(element, z, y, x)`` per nm of path in the aligned one. The method
    ``haadf`` reads the HAADF of `tilt_series` instead, as an element of that name;
    ``fusion`` reads it too, and the phases of `params` are those of the specimen, if any. All
    but ``fbp`` and ``l1`` ask for the `device`: ``auto``, ``cpu`` or ``cuda``.

    Raises
    ------
    ValueError
        If there is no such method, no tilt series to read HAADF from, or no such device.
    MemoryError
        If the memory of a device that was asked for by name is full.
    """
    if method not in RECONSTRUCT_METHODS:
        known = ", ".join(RECONSTRUCT_METHODS)
        raise ValueError(f"expected one of the methods {known}, found {method!r}.")
    own = getattr(params, method)
    if method == "haadf":
        maps, attrs = _read_haadf(tilt_series, method)
    else:
        maps, attrs = store.read(element_maps, axes=MAP_AXES, units=("count", "intensity"))
    geometry = read_geometry(alignment, attrs["tilt_deg"], maps.shape[-2:])
    log.info("%s of %s: %s, sum %g", method, attrs["elements"], maps.shape, maps.sum(dtype=float))
    place = HOST
    if method in ON_DEVICE and method != "dip_tv":  # which asks for it itself
        place = place_of(device, maps[:, 0].size * maps.shape[-1])
    # By name, so that the code digest of one method does not depend on the others.
    module = f"stemedx.reconstruct.{method}"
    solver = import_module(module)
    said = list[str]()
    if method != "haadf":
        measured, per_photon = _measured(maps, geometry, attrs, read_weights(alignment))
        said = _said(measured, attrs["elements"], own)
    if isinstance(own, CountingParams):
        before = _guide(tilt_series, attrs["elements"], params) if method == "fusion" else ()
        after = (device,) if method == "dip_tv" else ()
        more = (*before, own, *after)
        solve = partial(_of_photons, solver.reconstruct, measured, per_photon, more)
    else:
        solve = partial(_of_maps, solver.reconstruct, (maps, geometry, own))
    found = solved_at(place, solve, device)
    said += found.facts.pop("warnings", [])
    volumes = found.volumes
    volumes /= attrs["pixel_nm"]
    inputs = {"element_maps": element_maps, "tilt_series": tilt_series, "alignment": alignment}
    read = {name: path for name, path in inputs.items() if path is not None}
    store.write_volumes(
        volume,
        volumes,
        elements=attrs["elements"],
        pixel_nm=attrs["pixel_nm"],
        units=f"{attrs['units']}/nm",
        tilt_deg=attrs["tilt_deg"],
        method=method,
        **found.facts,
        made_by=made_by("reconstruct", own, read, module, warnings=said),
    )


def _of_photons(
    reconstruct: Callable[..., Reconstruction], measured: Measured, per_photon: np.ndarray,
    more: tuple[Any, ...], place: Place,
) -> Reconstruction:  # fmt: skip
    """Return what a statistical method finds at a place."""
    found = reconstruct(replace(measured, place=place), *more)
    facts = {"device": place.name, **found.facts}
    return Reconstruction(found.volumes * per_photon, facts)


def _of_maps(
    reconstruct: Callable[..., Volumes], given: tuple[Any, ...], place: Place
) -> Reconstruction:
    """Return what another method finds at a place; not all know of others than this."""
    volumes = reconstruct(*given) if place is HOST else reconstruct(*given, place)
    return Reconstruction(volumes, {"device": place.name})


def _said(measured: Measured, elements: list[str], own: Model) -> list[str]:
    """Return what the maps lack and what spoils them, as far as the method is concerned."""
    if isinstance(own, CountingParams):
        said = gaps_in(measured, elements) + hot_in(measured, "are left out")
    else:
        said = hot_in(measured, "are taken for signal by this method")
    for text in said:
        log.warning("%s", text)
    return said


def _guide(
    tilt_series: Path | None, elements: list[str], params: ReconstructParams
) -> tuple[Guide]:
    """Return what `fusion` reads besides the maps."""
    images, _ = _read_haadf(tilt_series, "fusion")
    return (Guide(images[0], tuple(elements), params.phases),)


def _measured(
    maps: MeasuredMaps, geometry: Geometry, attrs: dict[str, Any], weight: Series
) -> tuple[Measured, np.ndarray]:
    """Return the photons with what is known of them, and the value of one of each element.

    Intensities are divided by that of one photon; the background comes as a total.
    """
    per_photon = np.array(attrs["variance_to_mean"], np.float32)[:, None, None, None]
    photons = maps if attrs["units"] == "count" else maps / per_photon
    background = np.array(attrs["background"]) / per_photon[..., 0, 0] / maps[0, 0].size
    gain = np.array(attrs["gain"], np.float64)
    measured = Measured(photons, geometry, attrs["signal"], gain, background, weight)
    return measured, per_photon


def _read_haadf(tilt_series: Path | None, method: str) -> tuple[MeasuredMaps, dict[str, Any]]:
    """Return the HAADF series as the map of one element."""
    if tilt_series is None:
        raise ValueError(f"method {method!r}: expected a tilt series to read from, found none.")
    units = "arb. unit"
    images = store.read_layer(tilt_series, "haadf", axes=("tilt", "y", "x"), units=units)
    attrs = store.read_attrs(tilt_series)
    return images[None], {**attrs, "elements": ["HAADF"], "units": units}
