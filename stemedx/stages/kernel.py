"""Stage `kernel`: frames of a map and its trained kernel -> rates per frame."""

import logging
from pathlib import Path

from stemedx import store
from stemedx.learn.kernel import Kernel
from stemedx.learn.kernels import apply_kernels, as_module
from stemedx.learn.weights import read_architecture, read_weights
from stemedx.maps.common_field import on_common_field
from stemedx.networks.device import to_device
from stemedx.params import KernelParams
from stemedx.provenance import made_by

log = logging.getLogger(__name__)
MAP_AXES = ("element", "frame", "y", "x")


def run(params: KernelParams, *, device: str, drift: Path, weights: Path, kernel: Path) -> None:
    """Read the store `drift` and `weights`, write the store `kernel`.

    Writes the layers ``rates``, ``(element, y, x)`` counts per frame >= 0 on the field
    that all frames have scanned, and ``counts``, ``(element, frame, y, x)``, the same
    field as it was measured.

    Parameters
    ----------
    params
        Of the stage.
    device
        ``auto``, ``cpu`` or ``cuda``.
    drift, weights
        Store and safetensors file to read.
    kernel
        Store to write.

    Raises
    ------
    ValueError
        If CUDA is asked for and there is none, or the weights are of another
        network or other elements.
    """
    chosen = to_device(device)
    attrs = store.read_attrs(drift)
    elements = [line.split("_")[0] for line in attrs["lines"]]
    frames = on_common_field(
        store.read_layer(drift, "maps", axes=MAP_AXES, units="count"),
        store.read_layer(drift, "scanned", axes=MAP_AXES[1:], units="1"),
    )
    found = read_architecture(weights, "kernel", elements)
    drawn, base_channels = found["drawn"], found["base_channels"]
    kernels = {
        element: Kernel(n_channels, len(drawn), base_channels)
        for element, n_channels in zip(elements, found["n_channels"], strict=True)
    }
    read_weights(weights, as_module(kernels).to(chosen))
    rates, stacks = apply_kernels(list(kernels.values()), frames, drawn, found["label"])
    for element, stack in zip(elements, stacks, strict=True):
        log.info("%s: %.0f %% within the mask", element, 100 * stack.mask.mean())
    layers = {
        "rates": store.Layer(rates, ("element", "y", "x"), "count"),
        "counts": store.Layer(frames, MAP_AXES, "count"),
    }
    store.write_group(
        kernel,
        layers,
        elements=elements,
        pixel_nm=attrs["pixel_nm"],
        n_frames=frames.shape[1],
        label=found["label"],
        made_by=made_by("kernel", params, {"drift": drift, "weights": weights}, device=chosen.type),
    )
