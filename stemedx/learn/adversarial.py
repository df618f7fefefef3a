"""Training of a generator beside a discriminator: Q^D and Q^S as published."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from stemedx.arrays import Layers
from stemedx.learn.checkpoints import Checkpoint
from stemedx.learn.patches import MIRRORS, to_patches
from stemedx.learn.tiles import over_tiles
from stemedx.learn.training import fit, seeded
from stemedx.learn.weights import read_weights
from stemedx.networks.adversarial import Discriminator, Generator
from stemedx.params import AdversarialParams
from stemedx.tensors import Scalar

BETAS = (0.9, 0.999)  # of Adam
MARGIN = 15 / 256  # of a side, added on each before a square is cut out


class Pair(NamedTuple):
    """What the generator sees and what it should make of it, from 0 to 1.

    Attributes
    ----------
    seen, target
        ``(element, y, x)`` of one map.
    """

    seen: Layers
    target: Layers


def make_networks(
    n_elements: int, params: AdversarialParams, device: torch.device
) -> nn.ModuleDict:
    """Return an untrained ``generator`` and ``discriminator``."""
    with seeded(params.seed):
        networks = nn.ModuleDict(
            {
                "generator": Generator(n_elements, params.base_channels, params.n_levels),
                "discriminator": Discriminator(n_elements, params.base_channels),
            }
        )
    return networks.to(device)


def read_generator(path: Path, found: dict[str, Any], device: torch.device) -> Generator:
    """Return the generator in `path`, of which `read_architecture` has told."""
    generator = Generator(len(found["elements"]), found["base_channels"], found["n_levels"])
    read_weights(path, generator)
    return generator.to(device)


def train_adversarial(
    networks: nn.ModuleDict,
    pairs: Sequence[Pair],
    params: AdversarialParams,
    *,
    rng: np.random.Generator,
    checkpoint: Checkpoint | None = None,
) -> pd.DataFrame:
    """Teach both networks in place, in one step each per batch.

    Han et al. (2021) updated the discriminator first and the generator after it; here
    both follow from the same prediction, so that one optimiser holds all there is to
    go on from. The step size stays as it is, as published.

    Parameters
    ----------
    networks
        From `make_networks`.
    pairs
        Maps of any extent; an epoch shows as many as there are, each drawn by lot.
    params
        Epochs, batch, side of the squares, steps, and weights of the losses.
    rng
        Source of the squares.
    checkpoint
        See `stemedx.learn.training.fit`.

    Returns
    -------
    losses
        Columns ``step, loss``: the sum of both networks' losses.

    References
    ----------
    Isola et al. (2017), CVPR, 1125-1134.
    """
    generator, discriminator = networks["generator"], networks["discriminator"]
    device = next(generator.parameters()).device

    def draw_loss() -> Scalar:
        drawn = [
            cut(pairs[int(rng.integers(len(pairs)))], params.crop_px, rng)
            for _ in range(params.batch)
        ]
        seen, target = (to_patches(np.stack(part), device) for part in zip(*drawn, strict=True))
        made = generator(seen)
        # Seen by the generator as a judge that does not change.
        judge = {name: value.detach() for name, value in discriminator.named_parameters()}
        judged = functional_call(discriminator, judge, (seen, made))
        penalty = sum(kernel.square().mean() for kernel in _kernels(generator))
        return (
            functional.mse_loss(made, target) / 2
            + params.adversarial_weight * functional.softplus(-judged).mean()
            + params.kernel_penalty * penalty
            + functional.softplus(-discriminator(seen, target)).mean()
            + functional.softplus(discriminator(seen, made.detach())).mean()
        )

    groups = [
        {"params": list(generator.parameters()), "lr": params.learning_rate},
        {"params": list(discriminator.parameters()), "lr": params.discriminator_learning_rate},
    ]
    optimiser = torch.optim.Adam(groups, betas=BETAS)
    schedule = torch.optim.lr_scheduler.ConstantLR(optimiser, 1.0)
    n_steps = int(np.ceil(params.n_epochs * len(pairs) / params.batch))
    # What is dropped depends on the seed too.
    with seeded(params.seed):
        return fit(
            networks, draw_loss, optimiser, n_steps, schedule=schedule, checkpoint=checkpoint
        )


def cut(pair: Pair, side: int, rng: np.random.Generator) -> Pair:
    """Cut the same square out of both parts of a pair, mirrored by lot.

    Edges are mirrored outwards first, by a margin or as far as the square needs. The
    published zoom by interpolation would correlate the noise of counts.
    """
    stacked = np.concatenate(pair)
    wider = wider_by(stacked, side, round(MARGIN * side))
    first_y, first_x = (int(rng.integers(n - side + 1)) for n in wider.shape[1:])
    square = wider[:, first_y : first_y + side, first_x : first_x + side]
    square = np.flip(square, MIRRORS[rng.integers(len(MIRRORS))])
    return Pair(square[: len(pair.seen)], square[len(pair.seen) :])


def wider_by(layers: Layers, side: int, margin: int) -> Layers:
    """Return maps with mirrored edges of `margin`, or as many as make `side` pixels."""
    needed = [max(2 * margin, side - n) for n in layers.shape[1:]]
    return np.pad(layers, ((0, 0), *((n // 2, n - n // 2) for n in needed)), "symmetric")


@torch.no_grad()
def apply(generator: nn.Module, seen: Layers, side: int) -> Layers:
    """Return what `generator` makes of one map, ``(element, y, x)`` from 0 to 1.

    Parameters
    ----------
    generator
        ``(patch, element, y, x)`` to the same shape.
    seen
        ``(element, y, x)`` from 0 to 1.
    side
        Of the squares it has learned from, pixels.
    """
    device = next(generator.parameters()).device
    wider = wider_by(seen, side, 0)
    made = over_tiles(generator, to_patches(wider[None], device), side)[0].cpu().numpy()
    first_y, first_x = ((n - m) // 2 for n, m in zip(wider.shape[1:], seen.shape[1:], strict=True))
    return made[:, first_y : first_y + seen.shape[1], first_x : first_x + seen.shape[2]]


def _kernels(network: nn.Module) -> list[torch.Tensor]:
    return [value for value in network.parameters() if value.ndim == 4]
