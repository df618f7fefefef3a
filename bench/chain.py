"""The paper's chain, `two_step`, made of its stages in a folder of its own."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stemedx import store
from stemedx.stages import denoise, enhance, mbir, synthesize, train_denoiser, train_enhancer

MAP_AXES = ("element", "tilt", "y", "x")


@dataclass(frozen=True)
class Measured:
    """Aligned maps ``(element, tilt, y, x)`` and what must be known of them."""

    maps: np.ndarray
    tilt_deg: np.ndarray
    elements: list
    pixel_nm: float = 1.0
    signal: str = "counts"
    variance_to_mean: tuple = ()


def write_inputs(measured, maps, alignment):
    """Write the stores that the chain starts from."""
    n_tilts = len(measured.tilt_deg)
    known = {
        "tilt_deg": list(map(float, measured.tilt_deg)),
        "pixel_nm": measured.pixel_nm,
        "made_by": {},
    }
    store.write(
        maps,
        measured.maps,
        axes=MAP_AXES,
        units="intensity" if measured.signal == "intensity" else "count",
        elements=measured.elements,
        lines=measured.elements,
        signal=measured.signal,
        variance_to_mean=list(measured.variance_to_mean) or [1.0] * len(measured.elements),
        **known,
    )
    none = {
        "rotation_deg": store.Layer(np.zeros(n_tilts), ("tilt",), "deg"),
        "shift_px": store.Layer(np.zeros((n_tilts, 2)), ("tilt", "axis"), "pixel"),
        "residual": store.Layer(np.zeros(n_tilts), ("tilt",), "1"),
    }
    shape = {"map_shape": list(measured.maps.shape[2:]), "origin": "by hand", "warnings": []}
    store.write_group(alignment, none, **shape, **known)


def two_step(measured, folder, run):
    """Return the volumes of the chain, per voxel; its stores stay in `folder`."""
    folder = Path(folder)
    path = {name: folder / name for name in ("maps", "alignment", "denoised", "mbir", "views")}
    write_inputs(measured, path["maps"], path["alignment"])
    d, e = folder / "d.safetensors", folder / "e.safetensors"
    train_denoiser.run(
        run.train_denoiser,
        device="cpu",
        checkpoint=folder / "checkpoint",
        element_maps=path["maps"],
        tilt_series=None,
        kernel_params=run.train_kernel,
        weights=d,
        losses=folder / "d",
    )
    denoise.run(
        run.denoise,
        device="cpu",
        element_maps=path["maps"],
        tilt_series=None,
        weights=d,
        denoised=path["denoised"],
    )
    volume = folder / "mbir.ome.zarr"
    mbir.run(run.mbir, denoised=path["denoised"], alignment=path["alignment"], volume=volume)
    train_enhancer.run(
        run.train_enhancer,
        device="cpu",
        checkpoint=folder / "checkpoint",
        denoised=path["denoised"],
        volume=volume,
        alignment=path["alignment"],
        weights=e,
        losses=folder / "e",
    )
    enhance.run(run.enhance, device="cpu", volume=volume, weights=e, projections=path["views"])
    result = folder / "two_step.ome.zarr"
    synthesize.run(run.synthesize, projections=path["views"], volume=result)
    return store.read_volumes(result)[0] * np.float32(measured.pixel_nm)
