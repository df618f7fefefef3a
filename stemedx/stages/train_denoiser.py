"""Stage `train_denoiser`: photons -> weights of the network Q^D."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stemedx import store, tables
from stemedx.arrays import MeasuredMaps
from stemedx.counts import in_photons, to_counts, unclip
from stemedx.guides import read_guides
from stemedx.learn.adversarial import make_networks, train_adversarial
from stemedx.learn.blind_spots import BLIND_SPOTS
from stemedx.learn.checkpoints import Checkpoint
from stemedx.learn.denoising import make_denoiser, train
from stemedx.learn.distilling import Labelled, of_frames, of_series, to_pairs, units_of
from stemedx.learn.frame_parts import frame_parts, stacked
from stemedx.learn.thinning import CLIPPED, THINNING
from stemedx.learn.weights import start_from, write_weights
from stemedx.maps.common_field import on_common_field
from stemedx.networks.device import to_device
from stemedx.params import TrainDenoiserParams, TrainKernelParams
from stemedx.provenance import made_by

log = logging.getLogger(__name__)
Read = tuple[MeasuredMaps, dict[str, Any]]
ARCHITECTURE = {"method", "base_channels", "n_levels", "crop_px", "specimens"}
SPLITS = {"counts": THINNING, "hits": CLIPPED, "intensity": BLIND_SPOTS}
Trained = tuple[Any, dict[str, Any], pd.DataFrame]  # network, architecture, losses


@dataclass(frozen=True)
class Job:
    """What every training here needs.

    Attributes
    ----------
    params
        Of the stage.
    device
        Where.
    kept
        Checkpoint, whose `rng` is the source of all that is drawn.
    start
        Weights to start from; None for random ones.
    """

    params: TrainDenoiserParams
    device: Any
    kept: Checkpoint
    start: Path | None

    def begin(self, network: Any, elements: list[str], **more: Any) -> dict[str, Any]:
        """Return the architecture of `network`, which then has its first weights."""
        architecture = {"network": "denoiser", "elements": elements, **more}
        architecture |= self.params.model_dump(mode="json", include=ARCHITECTURE)
        start_from(self.start, network, architecture)
        return architecture


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
    start: Path | None = None,
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
    start
        Weights of an earlier batch to start from; None for random ones.
    weights, losses
        Safetensors and CSV files to write.

    Raises
    ------
    ValueError
        If CUDA is asked for and there is none, or the stores or the weights to
        start from have other elements.
    """
    chosen = to_device(device)
    inputs = {f"kernel {path.parent.name}": path for path in kernels}
    single = {"element_maps": element_maps, "tilt_series": tilt_series, "drift": drift}
    single["start"] = start
    inputs |= {name: path for name, path in single.items() if path is not None}
    origin = made_by("train_denoiser", params, inputs, device=chosen.type)
    kept = Checkpoint(checkpoint, origin, np.random.default_rng(params.seed))
    job = Job(params, chosen, kept, start)
    if params.method == "frames" and drift is not None:
        network, architecture, table = _by_frames(drift, job)
    elif element_maps is None:
        network, architecture, table = _as_published(*_of_kernels(kernels, params), job)
    elif params.method == "paper":
        labelled = _of_series(_read(element_maps), kernel_params, job)
        network, architecture, table = _as_published(*labelled, job)
    else:
        network, architecture, table = _by_parts(_read(element_maps), tilt_series, job)
    write_weights(weights, network, architecture, origin)
    tables.write(losses, table)
    kept.remove()


def _read(element_maps: Path) -> Read:
    """Return the maps of a specimen and what is known of them."""
    axes, units = ("element", "tilt", "y", "x"), ("count", "intensity")
    maps, attrs = store.read(element_maps, axes=axes, units=units)
    log.info("%s: sum %.0f of %s", element_maps, maps.sum(dtype=np.float64), attrs["elements"])
    return maps, attrs


def _by_parts(read: Read, tilt_series: Path | None, job: Job) -> Trained:
    """Return the compact network, trained from a part of the photons to another."""
    maps, attrs = read
    params, signal = job.params, attrs["signal"]
    guides = read_guides(tilt_series, maps.shape[1:])
    log.info("guided by %d images of each tilt", len(guides))
    photons = in_photons(maps, attrs["variance_to_mean"])
    likelihood = params.likelihood if signal == "hits" else "poisson"
    if signal == "hits" and likelihood == "poisson":
        photons, signal = unclip(photons, job.kept.rng), "counts"
    network = make_denoiser(photons, params, job.device, n_guides=len(guides))
    more = {"n_guides": len(guides), "likelihood": likelihood}
    architecture = job.begin(network, attrs["elements"], **more)
    how: dict[str, Any] = {"split": SPLITS[signal], "guides": guides, "rng": job.kept.rng}
    table = train(network, photons, params, **how, checkpoint=job.kept)
    return network, architecture, table


def _by_frames(drift: Path, job: Job) -> Trained:
    """Return the compact network, trained from frames to frames."""
    axes = ("element", "frame", "y", "x")
    frames = on_common_field(
        store.read_layer(drift, "maps", axes=axes, units="count"),
        store.read_layer(drift, "scanned", axes=axes[1:], units="1"),
    )
    elements = [line.split("_")[0] for line in store.read_attrs(drift)["lines"]]
    log.info("%s: %d frames of %s", drift, frames.shape[1], elements)
    summed = frames.sum(axis=1, keepdims=True, dtype=np.uint32)
    network = make_denoiser(summed, job.params, job.device, n_guides=0)
    architecture = job.begin(network, elements, n_guides=0, likelihood="poisson")
    maps = stacked(frames)
    guides = read_guides(None, maps.shape[1:])
    how: dict[str, Any] = {
        "split": frame_parts(len(elements)),
        "guides": guides,
        "rng": job.kept.rng,
    }
    table = train(network, maps, job.params, **how, checkpoint=job.kept)
    return network, architecture, table


def _as_published(labelled: list[Labelled], elements: list[str], job: Job) -> Trained:
    """Return the generator, trained beside a discriminator from maps to rates."""
    networks = make_networks(len(elements), job.params, job.device)
    units = units_of(labelled)
    architecture = job.begin(networks["generator"], elements, units=units)
    pairs, kept = to_pairs(labelled, units), job.kept
    table = train_adversarial(networks, pairs, job.params, rng=kept.rng, checkpoint=kept)
    return networks["generator"], architecture, table


def _of_series(
    read: Read, params: TrainKernelParams | None, job: Job
) -> tuple[list[Labelled], list[str]]:
    """Return the maps of a specimen with rates that kernels made of their own photons."""
    log.warning(
        "no maps with frames to learn from (train_denoiser.specimens): Q^D learns from kernels of "
        "the specimen's own photons, shared out by lot to frames"
    )
    maps, attrs = read
    params = params or TrainKernelParams()
    counts = to_counts(maps, attrs["variance_to_mean"], job.kept.rng)
    where: dict[str, Any] = {"device": job.device, "checkpoint": job.kept}
    labelled = of_series(counts, attrs["elements"], params, **where)
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
