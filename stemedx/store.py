"""Zarr stores between stages: arrays with named axes, units and a provenance.

The only module that opens a store. A store is written beside its place and renamed
when it is whole, so that a killed stage leaves none.
"""

import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from ome_zarr_models.v05.image import ImageAttrs

log = logging.getLogger(__name__)
VOLUME_AXES = ("element", "z", "y", "x")
# Okabe & Ito's palette, readable with every kind of colour blindness.
CHANNEL_COLOURS = ("D55E00", "0072B2", "009E73", "F0E442", "CC79A7", "56B4E9", "E69F00")
CHUNK_BYTES = 8_000_000


@dataclass(frozen=True)
class Layer:
    """One array of a store: its values, the names of its axes, the unit of a value."""

    values: np.ndarray
    axes: tuple[str, ...]
    units: str


def write(
    path: Path, values: np.ndarray, *, axes: tuple[str, ...], units: str, **attrs: Any
) -> None:
    """Write one array as the store `path`, replacing one that exists.

    Parameters
    ----------
    path
        Directory of the store, ``*.zarr``.
    values
        One dimension per name in `axes`.
    axes, units
        Axis names in storage order, and the unit of a value.
    attrs
        Anything else a reader needs; JSON-serialisable.
    """
    with _publish(path) as partial:
        _create(zarr.storage.LocalStore(partial), None, Layer(values, axes, units), attrs)
    log.info("wrote %s: %s %s in %s", path, axes, values.shape, units)


def write_group(path: Path, layers: Mapping[str, Layer], **attrs: Any) -> None:
    """Write several arrays as the store `path`, replacing one that exists.

    Its attributes tell axes and units of each array by its name, as the array does itself.
    """
    own = {
        "axes": {name: list(layer.axes) for name, layer in layers.items()},
        "units": {name: layer.units for name, layer in layers.items()},
    }
    with _publish(path) as partial:
        group = zarr.create_group(partial, zarr_format=3, attributes={**own, **attrs})
        for name, layer in layers.items():
            _create(group.store, name, layer, {})
    log.info("wrote %s: %s", path, ", ".join(layers))


def write_volumes(
    path: Path,
    volumes: np.ndarray,
    *,
    elements: list[str],
    pixel_nm: float,
    units: str,
    **attrs: Any,
) -> None:
    """Write volumes as OME-Zarr 0.5, replacing a store that exists.

    Parameters
    ----------
    path
        Directory of the store, ``*.ome.zarr``.
    volumes
        ``(element, z, y, x)`` float32.
    elements
        Labels of the channels.
    pixel_nm
        Edge of a voxel, nm.
    units
        Unit of a value.
    attrs
        Anything else a reader needs; JSON-serialisable.
    """
    own = {"axes": list(VOLUME_AXES), "units": units, "elements": elements, "pixel_nm": pixel_nm}
    ome = _ome(volumes, elements, pixel_nm, path.name.removesuffix(".ome.zarr"))
    with _publish(path) as partial:
        group = zarr.create_group(partial, zarr_format=3, attributes={"ome": ome, **own, **attrs})
        _create(group.store, "0", Layer(volumes, ("c", "z", "y", "x"), units), {})
    log.info("wrote %s: %s in %s, %g nm voxels", path, volumes.shape, units, pixel_nm)


def read(
    path: Path, *, axes: tuple[str, ...], units: str | tuple[str, ...]
) -> tuple[np.ndarray, dict[str, Any]]:
    """Read a store of one array into memory, and insist on its axes and units.

    Raises
    ------
    ValueError
        If there is no such store, or it holds other axes or units.
    """
    stored = _open(path, zarr.open_array)
    _insist(path, stored, axes, units)
    return stored[:], dict(stored.attrs)


def read_layer(
    path: Path, name: str, *, axes: tuple[str, ...], units: str | tuple[str, ...]
) -> np.ndarray:
    """Read one array of a store of several; insist on its axes and units.

    Raises
    ------
    ValueError
        If there is no such store or array, or it has other axes or units.
    """
    group = _open(path, zarr.open_group)
    if name not in group:
        raise ValueError(
            f"{path}: expected an array {name!r}, found none. Delete the store and run "
            "the stage that writes it again."
        )
    stored = group[name]
    _insist(path / name, stored, axes, units)
    return stored[:]


def has_layer(path: Path, name: str) -> bool:
    """Tell whether a store of several arrays has one of this name."""
    return name in _open(path, zarr.open_group)


def read_volumes(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """Read an OME-Zarr of ``(element, z, y, x)`` volumes and its attributes.

    Raises
    ------
    ValueError
        If there is no such store.
    """
    group = _open(path, zarr.open_group)
    attrs = {key: value for key, value in group.attrs.items() if key != "ome"}
    return group["0"][:], attrs


def read_attrs(path: Path) -> dict[str, Any]:
    """Read the attributes of a store.

    Raises
    ------
    ValueError
        If there is no such store.
    """
    return dict(_open(path, zarr.open).attrs)


@contextmanager
def _publish(path: Path) -> Iterator[Path]:
    """Lend a place beside `path`; move it there when the block ends without error."""
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
        shutil.rmtree(path, ignore_errors=True)
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _create(where: Any, name: str | None, layer: Layer, attrs: dict[str, Any]) -> None:
    values = np.asarray(layer.values)
    if values.ndim != len(layer.axes):
        raise ValueError(f"expected one axis per name in {layer.axes}, found {values.shape}.")
    zarr.create_array(
        where,
        name=name,
        data=values,
        chunks=_chunks(values),
        dimension_names=layer.axes,
        attributes={"axes": list(layer.axes), "units": layer.units, **attrs},
        zarr_format=3,
    )


def _chunks(values: np.ndarray) -> tuple[int, ...]:
    """Halve the largest axis until a chunk has no more than `CHUNK_BYTES`."""
    chunks = [max(1, n) for n in values.shape]
    while np.prod(chunks) * values.itemsize > CHUNK_BYTES:
        largest = int(np.argmax(chunks))
        chunks[largest] = -(-chunks[largest] // 2)
    return tuple(chunks)


def _open(path: Path, opener: Any) -> Any:
    try:
        return opener(path, mode="r")
    except (FileNotFoundError, KeyError, zarr.errors.NodeTypeValidationError) as error:
        raise ValueError(
            f"{path}: expected a Zarr store, found none that can be read. Run the stage "
            "that writes it again."
        ) from error


def _insist(path: Path, stored: Any, axes: tuple[str, ...], units: str | tuple[str, ...]) -> None:
    allowed = (units,) if isinstance(units, str) else units
    found = (stored.metadata.dimension_names, stored.attrs.get("units"))
    if found[0] != axes or found[1] not in allowed:
        raise ValueError(
            f"{path}: expected axes {axes} in {' or '.join(map(repr, allowed))}, found "
            f"{found[0]} in {found[1]!r}. Delete the store and run the stage that writes "
            "it again, or fix the rule that passes it here."
        )


def _ome(volumes: np.ndarray, elements: list[str], pixel_nm: float, name: str) -> dict[str, Any]:
    """Return OME-NGFF 0.5 metadata, checked against its published model."""
    space = [{"name": n, "type": "space", "unit": "nanometer"} for n in "zyx"]
    scale = {"type": "scale", "scale": [1.0, pixel_nm, pixel_nm, pixel_nm]}
    multiscale = {
        "name": name,
        "axes": [{"name": "c", "type": "channel"}, *space],
        "datasets": [{"path": "0", "coordinateTransformations": [scale]}],
    }
    channels = [
        {
            "label": element,
            "color": CHANNEL_COLOURS[n % len(CHANNEL_COLOURS)],
            "active": True,
            "window": {"min": 0.0, "start": 0.0, "end": top, "max": top},
        }
        for n, element in enumerate(elements)
        for top in [float(volumes[n].max()) or 1.0]
    ]
    ome = {"version": "0.5", "multiscales": [multiscale], "omero": {"channels": channels}}
    ImageAttrs.model_validate(ome)
    return ome
