"""Stage `train_denoiser`: photons -> weights of the network Q^D."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stemedx import store, tables
from stemedx.arrays import Guides, MeasuredMaps
from stemedx.counts import in_photons, to_counts, unclip
from stemedx.guides import read_guides
from stemedx.learn.adversarial import make_networks, train_adversarial
from stemedx.learn.blind_spots import BLIND_SPOTS
from stemedx.learn.checkpoints import Checkpoint
from stemedx.learn.denoising import make_denoiser, train
from stemedx.learn.device import to_device
from stemedx.learn.distilling import Labelled, of_frames, of_series, to_pairs, units_of
from stemedx.learn.frame_parts import frame_parts, stacked
from stemedx.learn.thinning import THINNING
from stemedx.learn.weights import write_weights
from stemedx.maps.common_field import on_common_field
from stemedx.params import TrainDenoiserParams, TrainKernelParams
from stemedx.provenance import made_by

log = logging.getLogger(__name__)
Read = tuple[MeasuredMaps, dict[str, Any]]
ARCHITECTURE = {"method", "base_channels", "n_levels", "crop_px", "specimens"}


def run(  # noqa: PLR0913 - one keyword per file of the rule
    params: TrainDenoiserParams,
    *,
    device: str,
    checkpoint: Path,
    element_maps: Path | None = None,
    tilt_series: Path | None = None,
    drift: Path | None = None,
    kernels: Sequence[Path] = (),
    kernel_params: TrainKernelParams | None = None,
    weights: Path,
    losses: Path,
) -> None:
    """Train Q^D on `element_maps`, or on the output of `kernels`; write weights and losses.

    Reads ``(element, tilt, y, x)`` counts, which are thinned, or intensities, whose
    neighbours share their noise and which are predicted from further away.

    Parameters
    ----------
    params
        Of the stage.
    device
        ``auto``, ``cpu`` or ``cuda``.
    checkpoint
        File that the training is kept in; it goes on from there if it was killed.
    element_maps
        Store to read; None for a network that learns from `kernels`.
    tilt_series
        Store of the HAADF images that guide the network; None if nothing does.
    drift
        Store of the frames of a map, for method frames; None where there are none.
    kernels
        Stores of maps with frames, for the published network of a batch.
    kernel_params
        Of kernels that the published network learns from where there are no such maps.
    weights, losses
        Safetensors and CSV files to write.

    Raises
    ------
    ValueError
        If CUDA is asked for and there is none, or the stores have other elements.
    """
    chosen = to_device(device)
    rng = np.random.default_rng(params.seed)
    inputs = {f"kernel {path.parent.name}": path for path in kernels}
    single = {"element_maps": element_maps, "tilt_series": tilt_series, "drift": drift}
    inputs |= {name: path for name, path in single.items() if path is not None}
    origin = made_by("train_denoiser", params, inputs, device=chosen.type)
    kept = Checkpoint(checkpoint, origin, rng)
    read = None if element_maps is None else _read(element_maps)
    if params.method == "frames" and drift is not None:
        network, elements, table = _by_frames(drift, params, device=chosen, kept=kept)
        more: dict[str, Any] = {"n_guides": 0}
    elif params.method != "paper" and read is not None:
        guides = read_guides(tilt_series, read[0].shape[1:])
        network, elements, table = _by_thinning(read, guides, params, device=chosen, kept=kept)
        more = {"n_guides": len(guides)}
    else:
        labelled, elements = (
            _of_kernels(kernels, params)
            if read is None
            else _of_series(read, kernel_params, device=chosen, kept=kept)
        )
        networks = make_networks(len(elements), params, chosen)
        more = {"units": units_of(labelled)}
        pairs = to_pairs(labelled, **more)
        table = train_adversarial(networks, pairs, params, rng=rng, checkpoint=kept)
        network = networks["generator"]
    architecture = {"network": "denoiser", "elements": elements, **more}
    architecture |= params.model_dump(mode="json", include=ARCHITECTURE)
    write_weights(weights, network, architecture, origin)
    tables.write(losses, table)
    kept.remove()


def _read(element_maps: Path) -> Read:
    """Return the maps of a specimen and what is known of them."""
    axes, units = ("element", "tilt", "y", "x"), ("count", "intensity")
    maps, attrs = store.read(element_maps, axes=axes, units=units)
    log.info("%s: sum %.0f of %s", element_maps, maps.sum(dtype=np.float64), attrs["elements"])
    return maps, attrs


def _by_thinning(
    read: Read, guides: Guides, params: TrainDenoiserParams, *, device: Any, kept: Checkpoint
) -> tuple[Any, list[str], pd.DataFrame]:
    """Return the compact network, its elements and losses."""
    maps, attrs = read
    photons = in_photons(maps, attrs["variance_to_mean"])
    if attrs["signal"] == "hits":
        photons = unclip(photons, kept.rng)
    log.info("guided by %d images of each tilt", len(guides))
    network = make_denoiser(photons, params, device, n_guides=len(guides))
    split = BLIND_SPOTS if attrs["signal"] == "intensity" else THINNING
    table = train(
        network, photons, params, split=split, guides=guides, rng=kept.rng, checkpoint=kept
    )
    return network, attrs["elements"], table


def _by_frames(
    drift: Path, params: TrainDenoiserParams, *, device: Any, kept: Checkpoint
) -> tuple[Any, list[str], pd.DataFrame]:
    """Return the compact network, trained from frames to frames, its elements and losses."""
    axes = ("element", "frame", "y", "x")
    frames = on_common_field(
        store.read_layer(drift, "maps", axes=axes, units="count"),
        store.read_layer(drift, "scanned", axes=axes[1:], units="1"),
    )
    elements = [line.split("_")[0] for line in store.read_attrs(drift)["lines"]]
    log.info("%s: %d frames of %s", drift, frames.shape[1], elements)
    summed = frames.sum(axis=1, keepdims=True, dtype=np.uint32)
    network = make_denoiser(summed, params, device, n_guides=0)
    split, maps = frame_parts(len(elements)), stacked(frames)
    guides = read_guides(None, maps.shape[1:])
    table = train(network, maps, params, split=split, guides=guides, rng=kept.rng, checkpoint=kept)
    return network, elements, table


def _of_series(
    read: Read, params: TrainKernelParams | None, *, device: Any, kept: Checkpoint
) -> tuple[list[Labelled], list[str]]:
    """Return the maps of a specimen with rates that kernels made of their own photons."""
    log.warning(
        "no maps with frames to learn from (train_denoiser.specimens): Q^D learns from kernels of "
        "the specimen's own photons, shared out by lot to frames"
    )
    maps, attrs = read
    params = params or TrainKernelParams()
    counts = to_counts(maps, attrs["variance_to_mean"], kept.rng)
    labelled = of_series(counts, attrs["elements"], params, device=device, checkpoint=kept)
    return labelled, attrs["elements"]


def _of_kernels(
    kernels: Sequence[Path], params: TrainDenoiserParams
) -> tuple[list[Labelled], list[str]]:
    """Return sums of the frames of maps with the rates that their kernels made."""
    labelled: list[Labelled] = []
    elements = store.read_attrs(kernels[0])["elements"]
    for path in kernels:
        found = store.read_attrs(path)["elements"]
        if found != elements:
            raise ValueError(
                f"{path}: expected the elements {elements} as in {kernels[0]}, found {found}. "
                "List maps of the same elements, in the same order, in train_denoiser.specimens."
            )
        frames = store.read_layer(
            path, "counts", axes=("element", "frame", "y", "x"), units="count"
        )
        rates = store.read_layer(path, "rates", axes=("element", "y", "x"), units="count")
        labelled += of_frames(frames, rates, params.n_summed_frames)
        log.info("%s: %d sums of %d frames", path, frames.shape[1], params.n_summed_frames)
    return labelled, elements
