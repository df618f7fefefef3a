"""A training that was killed goes on where it was."""

import json
import logging
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

log = logging.getLogger(__name__)
SECONDS_BETWEEN = 60.0
KEY = "stemedx"


@dataclass
class Training:
    """All that changes from update to update.

    Attributes
    ----------
    network, optimiser, schedule
        Their states change; they stay the same objects.
    step
        Updates done.
    losses
        Of the updates since the last row.
    rows
        Of the table of losses.
    best, best_losses
        Weights when the held-out losses were least, and these; empty if none are known.
    rise
        By how many standard errors they are above that now.
    """

    network: nn.Module
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    step: int = 0
    losses: list[float] = field(default_factory=list)
    rows: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_losses: list[float] = field(default_factory=list)
    rise: float = 0.0


@dataclass
class Checkpoint:
    """A file that a training is kept in, and read from if it was killed.

    Attributes
    ----------
    path
        Safetensors file; its folder is made.
    made_by
        Settings, digests of code and inputs: those of another training are not read.
    rng
        Source of the batches; goes on where it was.
    """

    path: Path
    made_by: dict[str, Any]
    rng: np.random.Generator
    kept: float = field(default_factory=time.monotonic)

    def keep(self, training: Training) -> None:
        """Write the training if the last time was long ago."""
        if time.monotonic() - self.kept >= SECONDS_BETWEEN:
            self.write(training)

    def write(self, training: Training) -> None:
        """Write the training, whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_name(f".{self.path.name}.partial")
        safetensors.torch.save_file(_tensors(training), partial, {KEY: self._told(training)})
        partial.replace(self.path)
        self.kept = time.monotonic()

    def restore(self, training: Training) -> None:
        """Bring `training` to where the file says it was; leave it if there is none."""
        try:
            with safetensors.safe_open(self.path, "pt") as stored:
                told = json.loads((stored.metadata() or {})[KEY])
            tensors = safetensors.torch.load_file(self.path)
        except (FileNotFoundError, KeyError, safetensors.SafetensorError):
            return
        if told["made_by"] != _plain(self.made_by):
            log.info("%s is of other settings, code or inputs: not read", self.path)
            return
        self.rng.bit_generator.state = told["rng"]
        _restore(training, told, tensors)
        log.info("%s: going on after update %d", self.path, training.step)

    def part(self, name: str) -> "Checkpoint":
        """Return the checkpoint of one of several trainings that follow each other."""
        return replace(self, path=self.path.with_stem(f"{self.path.stem}.{name}"))

    def remove(self) -> None:
        """Delete the file and those of its parts; the folder if nothing else is in it."""
        for path in self.path.parent.glob(f"{self.path.stem}.*"):
            path.unlink()
        if self.path.parent.is_dir() and not any(self.path.parent.iterdir()):
            self.path.parent.rmdir()

    def _told(self, training: Training) -> str:
        told = {
            "made_by": self.made_by,
            "rng": self.rng.bit_generator.state,
            "step": training.step,
            "losses": training.losses,
            "rows": training.rows,
            "best_losses": training.best_losses,
            "rise": training.rise,
            "groups": training.optimiser.state_dict()["param_groups"],
            "schedule": training.schedule.state_dict(),
        }
        return json.dumps(told)


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return what comes back when `values` are written as JSON and read."""
    return json.loads(json.dumps(values))


def _tensors(training: Training) -> dict[str, Tensor]:
    """Return all tensors of a training under names that tell where they belong."""
    parts = {
        "network": training.network.state_dict(),
        "best": training.best,
        "torch": {"rng": torch.get_rng_state()},
    } | {f"optimiser.{n}": s for n, s in training.optimiser.state_dict()["state"].items()}
    # copies: safetensors refuses tensors that share memory
    return {
        f"{part}/{name}": value.detach().cpu().clone().contiguous()
        for part, values in parts.items()
        for name, value in values.items()
    }


def _restore(training: Training, told: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    parts: dict[str, dict[str, Tensor]] = {"best": {}}
    for place, value in tensors.items():
        part, _, name = place.partition("/")
        parts.setdefault(part, {})[name] = value
    training.network.load_state_dict(parts["network"])
    state = {int(part[10:]): s for part, s in parts.items() if part.startswith("optimiser.")}
    training.optimiser.load_state_dict({"state": state, "param_groups": told["groups"]})
    training.schedule.load_state_dict(told["schedule"])
    torch.set_rng_state(parts["torch"]["rng"])
    training.best = parts["best"]
    training.best_losses, training.rise = told["best_losses"], told["rise"]
    training.step, training.losses, training.rows = told["step"], told["losses"], told["rows"]
