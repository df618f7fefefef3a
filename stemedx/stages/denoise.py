"""Stage `denoise`: photons and the trained Q^D -> expected photons of every pixel."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from stemedx import store
from stemedx.arrays import Guides, MeasuredMaps, Rates
from stemedx.counts import in_photons, unclip, unclipped_rates
from stemedx.guides import read_guides
from stemedx.learn.adversarial import read_generator
from stemedx.learn.blind_spots import blind_copies
from stemedx.learn.denoising import predict_rates, read_denoiser
from stemedx.learn.distilling import predict
from stemedx.learn.thinning import left_out_copies, thinned_copies
from stemedx.learn.weights import read_architecture
from stemedx.networks.device import to_device
from stemedx.params import DenoiseParams
from stemedx.provenance import made_by

log = logging.getLogger(__name__)
AXES = ("element", "tilt", "y", "x")
COPIES = {"counts": thinned_copies, "hits": left_out_copies, "intensity": blind_copies}


def run(  # noqa: PLR0913 - one keyword per file of the rule
    params: DenoiseParams,
    *,
    device: str,
    element_maps: Path,
    tilt_series: Path | None,
    weights: Path,
    denoised: Path,
) -> None:
    """Read the store `element_maps` and `weights`, write the store `denoised`.

    Writes ``(element, tilt, y, x)`` rates >= 0 in the measured frame, in the unit of
    the maps.

    Parameters
    ----------
    params
        Of the stage.
    device
        ``auto``, ``cpu`` or ``cuda``.
    element_maps, weights
        Store and safetensors file to read.
    tilt_series
        Store of the HAADF images that guide the network; None if nothing does.
    denoised
        Store to write.

    Raises
    ------
    ValueError
        If CUDA is asked for and there is none, or the weights are of another
        network or other elements, or of one that saw other guides.
    """
    chosen = to_device(device)
    maps, attrs = store.read(element_maps, axes=AXES, units=("count", "intensity"))
    found = read_architecture(weights, "denoiser", attrs["elements"])
    photons = in_photons(maps, attrs["variance_to_mean"])
    if found["method"] == "paper":
        generator = read_generator(weights, found, chosen)
        rates = predict(generator, photons, found["units"], found["crop_px"])
    else:
        guides = read_guides(tilt_series, photons.shape[1:])
        rates = _of_parts(photons, guides, attrs, params, weights=weights, device=chosen)
    # Back from photons, or their stand-ins, to the unit of the maps.
    rates *= np.array(attrs["variance_to_mean"], np.float32)[:, None, None, None]
    _tell(maps, rates, attrs["elements"])
    inputs = {"element_maps": element_maps, "tilt_series": tilt_series, "weights": weights}
    read = {name: path for name, path in inputs.items() if path is not None}
    store.write(
        denoised,
        rates,
        axes=AXES,
        units=attrs["units"],
        elements=attrs["elements"],
        tilt_deg=attrs["tilt_deg"],
        pixel_nm=attrs["pixel_nm"],
        signal=attrs["signal"],
        made_by=made_by(
            "denoise",
            params,
            read,
            device=chosen.type,
            method=found["method"],
            learned_from=found["specimens"],
        ),
    )


def _of_parts(
    photons: MeasuredMaps,
    guides: Guides,
    attrs: dict[str, Any],
    params: DenoiseParams,
    *,
    weights: Path,
    device: Any,
) -> Rates:
    """Return what the compact network makes of parts of the photons, on average."""
    network, tile_px = read_denoiser(weights, attrs["elements"], device)
    if len(guides) != network.n_guides:
        raise ValueError(
            f"{weights}: expected a network guided by {len(guides)} images of each tilt, found one "
            f"guided by {network.n_guides}. Delete the file and run the stage train_denoiser again."
        )
    rng = np.random.default_rng(params.seed)
    is_of_hits = (
        read_architecture(weights, "denoiser", attrs["elements"])["likelihood"] == "bernoulli"
    )
    if attrs["signal"] == "hits" and not is_of_hits:
        photons = unclip(photons, rng)
    copies = COPIES[attrs["signal"]](photons, params, rng)
    rates = predict_rates(network, copies, guides=guides, tile_px=tile_px)
    return unclipped_rates(rates) if is_of_hits else rates


def _tell(maps: MeasuredMaps, rates: Rates, elements: list[str]) -> None:
    for element, measured, predicted in zip(elements, maps, rates, strict=True):
        sums = measured.sum(dtype=np.float64), predicted.sum(dtype=np.float64)
        log.info("%s: the maps hold %g, the rates %g", element, *sums)
