"""Weights of networks as safetensors files that say what they are."""

import json
import logging
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import nn

# One key: safetensors writes several in an order that differs from run to run.
KEY = "stemedx"
# What must be alike for the weights of one network to fit another.
SHAPING = ("network", "elements", "method", "base_channels", "n_levels", "n_guides")
log = logging.getLogger(__name__)


def write_weights(
    path: Path, network: nn.Module, architecture: dict[str, Any], made_by: dict[str, Any]
) -> None:
    """Write the weights of `network`, whole or not at all.

    Parameters
    ----------
    path
        File to write, ``*.safetensors``.
    network
        On any device.
    architecture
        What is needed to make the network again; plain data.
    made_by
        Its provenance.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    metadata = {KEY: json.dumps({"architecture": architecture, "made_by": made_by})}
    tensors = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
    safetensors.torch.save_file(tensors, partial, metadata)
    partial.replace(path)


def read_architecture(path: Path, network: str, elements: list[str]) -> dict[str, Any]:
    """Return what the weights in `path` belong to; insist on network and elements.

    Raises
    ------
    ValueError
        If it is no file of weights of ours, or of another network or elements.
    """
    try:
        with safetensors.safe_open(path, "pt") as stored:
            found = json.loads((stored.metadata() or {})[KEY])["architecture"]
    except (FileNotFoundError, KeyError, safetensors.SafetensorError) as error:
        raise ValueError(
            f"{path}: expected weights with their architecture, found none that can be "
            f"read. {_remedy(network)}"
        ) from error
    wanted = {"network": network, "elements": elements}
    if {key: found.get(key) for key in wanted} != wanted:
        raise ValueError(
            f"{path}: expected weights of the {network} of {', '.join(elements)}, found "
            f"the {found.get('network')} of {', '.join(found.get('elements', []))}. "
            f"{_remedy(network)}"
        )
    return found


def read_weights(path: Path, network: nn.Module) -> None:
    """Read weights into `network`, which was made as `read_architecture` tells.

    Raises
    ------
    ValueError
        If the file holds weights of other names or shapes.
    """
    try:
        network.load_state_dict(safetensors.torch.load_file(path))
    except RuntimeError as error:
        name = type(network).__name__.lower()
        raise ValueError(
            f"{path}: expected weights that fit the architecture named in the file, found "
            f"others. {_remedy(name)}"
        ) from error
    network.eval()


def start_from(path: Path | None, network: nn.Module, architecture: dict[str, Any]) -> None:
    """Give `network` the weights that an earlier batch ended with; none leave it as it is.

    What belongs to a specimen and is not learned stays.

    Parameters
    ----------
    path
        Safetensors file with its architecture.
    network
        To be trained further.
    architecture
        Of `network`, as `write_weights` takes it.

    Raises
    ------
    ValueError
        If it is no file of weights of ours, or of another network or elements.
    """
    if path is None:
        return
    wanted = {key: architecture[key] for key in SHAPING if key in architecture}
    try:
        with safetensors.safe_open(path, "pt") as stored:
            told = json.loads((stored.metadata() or {})[KEY])["architecture"]
        tensors = safetensors.torch.load_file(path)
    except (FileNotFoundError, KeyError, safetensors.SafetensorError):
        told, tensors = {}, {}
    found = {key: told.get(key) for key in wanted}
    if found != wanted:
        raise ValueError(
            f"{path}: expected weights to start from, of {_plainly(wanted)}; found "
            f"{_plainly(found)}. Name others in train_{wanted['network']}.start, or leave it empty."
        )
    with torch.no_grad():
        for name, weights in network.named_parameters():
            weights.copy_(tensors[name])
    log.info("starting from %s", path)


def _plainly(architecture: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in architecture.items())


def _remedy(network: str) -> str:
    return f"Delete the file and run the stage train_{network} again."
