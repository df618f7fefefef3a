"""Stage `train_end_to_end`: the two-step volumes of a batch -> weights of T."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from stemedx import store, tables
from stemedx.alignment import read_geometry
from stemedx.learn.checkpoints import Checkpoint
from stemedx.learn.end_to_end import Pair, make_network, train
from stemedx.learn.weights import start_from, write_weights
from stemedx.networks.device import to_device
from stemedx.params import TrainEndToEndParams
from stemedx.provenance import made_by
from stemedx.reconstruct.filtered import limited_fbp

log = logging.getLogger(__name__)
ARCHITECTURE = {"base_channels", "patch_px"}


def run(  # noqa: PLR0913 - one keyword per file of the rule
    params: TrainEndToEndParams,
    *,
    device: str,
    checkpoint: Path,
    denoised: list[Path],
    alignments: list[Path],
    volumes: list[Path],
    start: Path | None = None,
    weights: Path,
    losses: Path,
) -> None:
    """Train T to turn the FBP of denoised maps into `volumes`; write weights and losses.

    The stores are those of `params.specimens`, then those of `params.held_out`, from
    which nothing is learned: the loss on them is that on specimens it does not know.

    Parameters
    ----------
    params
        Of the stage.
    device
        ``auto``, ``cpu`` or ``cuda``.
    checkpoint
        File that the training is kept in; it goes on from there if it was killed.
    denoised, alignments, volumes
        Stores to read, one each per specimen.
    start
        Weights of an earlier batch to start from; None for random ones.
    weights, losses
        Safetensors and CSV files to write.

    Raises
    ------
    ValueError
        If CUDA is asked for and there is none, or the specimens do not have the same
        elements.
    """
    chosen = to_device(device)
    read = [_read(*paths) for paths in zip(denoised, alignments, volumes, strict=True)]
    pairs, attrs = [pair for pair, _ in read], [about for _, about in read]
    for path, about in zip(denoised, attrs, strict=True):
        if about["elements"] != attrs[0]["elements"]:
            raise ValueError(
                f"{path}: expected the elements {attrs[0]['elements']} as in {denoised[0]}, found "
                f"{about['elements']}. Train T on specimens of the same elements, listed in the "
                "same order."
            )
    n_trained = len(params.specimens)
    if not params.held_out:
        log.warning(
            "no specimen is held out (train_end_to_end.held_out): how well T does on a "
            "specimen that it has not learned from stays unknown"
        )
    named = zip(params.specimens, attrs[:n_trained], strict=True)
    architecture = {
        "network": "end_to_end",
        "elements": attrs[0]["elements"],
        "trained_on": [
            {"specimen": name, "tilt_deg": about["tilt_deg"], "pixel_nm": about["pixel_nm"]}
            for name, about in named
        ],
        **params.model_dump(include=ARCHITECTURE),
    }
    network = make_network(len(attrs[0]["elements"]), params, chosen)
    start_from(start, network, architecture)
    rng = np.random.default_rng(params.seed)
    names = (*params.specimens, *params.held_out)
    inputs = dict(zip(names, volumes, strict=True))
    inputs |= {} if start is None else {"weights to start from": start}
    origin = made_by("train_end_to_end", params, inputs, device=chosen.type)
    kept = Checkpoint(checkpoint, origin, rng)
    table = train(network, pairs[:n_trained], pairs[n_trained:], params, rng=rng, checkpoint=kept)
    write_weights(weights, network, architecture, origin)
    tables.write(losses, table)
    kept.remove()


def _read(denoised: Path, alignment: Path, volume: Path) -> tuple[Pair, dict[str, Any]]:
    """Return what T sees of a specimen and what it should make of it, per nm of path."""
    rates, attrs = store.read(
        denoised, axes=("element", "tilt", "y", "x"), units=("count", "intensity")
    )
    target, _ = store.read_volumes(volume)
    seen = limited_fbp(rates, read_geometry(alignment, attrs["tilt_deg"], rates.shape[-2:]))
    log.info("%s: %s voxels", volume, " x ".join(map(str, target.shape[1:])))
    return Pair(seen / np.float32(attrs["pixel_nm"]), target), attrs
