"""Stage `enhance`: views of a volume over the full circle, enhanced by Q^S."""

import logging
from pathlib import Path

import numpy as np

from stemedx import store
from stemedx.arrays import Rate, Rates
from stemedx.learn.adversarial import read_generator
from stemedx.learn.enhancing import enhance_maps, read_enhancer
from stemedx.learn.published_enhancing import enhance_published
from stemedx.learn.weights import read_architecture
from stemedx.networks.device import to_device
from stemedx.params import EnhanceParams
from stemedx.project.projector import project
from stemedx.provenance import made_by

log = logging.getLogger(__name__)
AXES = ("element", "tilt", "y", "x")


def run(
    params: EnhanceParams, *, device: str, volume: Path, weights: Path, projections: Path
) -> None:
    """Read `volume` and `weights`, write the views before and after enhancement.

    Writes the layers ``projected`` and ``enhanced``, ``(element, tilt, y, x)`` in
    the aligned frame. Half of the circle is computed: the view from behind is the
    mirror image of the view from the front.

    Parameters
    ----------
    params
        Of the stage.
    device
        ``auto``, ``cpu`` or ``cuda``.
    volume, weights
        Store and safetensors file to read.
    projections
        Store to write.

    Raises
    ------
    ValueError
        If CUDA is asked for and there is none, or the weights are of another
        network or other elements.
    """
    chosen = to_device(device)
    volumes, attrs = store.read_volumes(volume)
    found = read_architecture(weights, "enhancer", attrs["elements"])
    tilt_deg = params.step_deg * np.arange(round(360 / params.step_deg))
    front = project(volumes * np.float32(attrs["pixel_nm"]), tilt_deg[: len(tilt_deg) // 2])
    log.info("%s: projected to %d views", volume, front.shape[1])
    if found["method"] == "paper":
        generator = read_generator(weights, found, chosen)
        enhanced = enhance_published(generator, front, found["units"], found["crop_px"])
    else:
        network, tile_px = read_enhancer(weights, attrs["elements"], chosen)
        enhanced = enhance_maps(network, front, tile_px)
    units = attrs["units"].removesuffix("/nm")
    layers = {
        name: store.Layer(full_circle(half), AXES, units)
        for name, half in (("projected", front), ("enhanced", enhanced))
    }
    store.write_group(
        projections,
        layers,
        elements=attrs["elements"],
        tilt_deg=tilt_deg.tolist(),
        pixel_nm=attrs["pixel_nm"],
        made_by=made_by(
            "enhance", params, {"volume": volume, "weights": weights}, device=chosen.type
        ),
    )


def full_circle(half: Rates) -> Rate:
    """Return views of half a circle, followed by the same from behind.

    A point seen at ``x cos(tilt) + z sin(tilt)`` from the centre is seen from
    behind at the same distance on the other side.
    """
    return np.concatenate([half, half[..., ::-1]], axis=1)
