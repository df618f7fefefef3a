"""Q^D: denoising of counted photons without clean images, by thinning."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import gaussian_filter
from torch import nn
from torch.nn import functional

from stemedx.arrays import Guides, MeasuredMaps, PatchArray, Profile, Rates
from stemedx.learn.checkpoints import Checkpoint
from stemedx.learn.likelihoods import Unseen
from stemedx.learn.patches import MIRRORS, draw_windows, to_patches
from stemedx.learn.samples import Copy, Sample, Split
from stemedx.learn.tiles import over_tiles
from stemedx.learn.training import fit, n_updates, seeded
from stemedx.learn.weights import read_architecture, read_weights
from stemedx.networks.denoiser import SMOOTH_PX, Denoiser
from stemedx.params import TrainDenoiserParams
from stemedx.tensors import Features, Patches, Scalar, Shares

TILE_PX = 16


def typical_rates(counts: MeasuredMaps) -> list[float]:
    """Return the photons per pixel inside the specimen, one number per element.

    The mean of the smoothed maps, each pixel weighted by its own value: vacuum does
    not change it. 0 for an element without photons.
    """
    typical = []
    for maps in counts:
        smoothed = gaussian_filter(maps.astype(np.float64), (0, SMOOTH_PX, SMOOTH_PX))
        total = smoothed.sum()
        typical.append(float((smoothed**2).sum() / total) if total > 0 else 0.0)
    return typical


def mean_loss(losses: Patches, told: Patches) -> Scalar:
    """Return the mean of the losses of pixels that are told of."""
    return (told * losses).sum() / told.sum().clamp(min=1)


def make_denoiser(
    counts: MeasuredMaps, params: TrainDenoiserParams, device: torch.device, *, n_guides: int = 0
) -> Denoiser:
    """Return an untrained network for `counts` ``(element, tilt, y, x)``."""
    sizes = params.base_channels, params.n_levels, n_guides
    with seeded(params.seed):
        network = Denoiser(typical_rates(counts), *sizes)
    return network.to(device)


def read_denoiser(path: Path, elements: list[str], device: torch.device) -> tuple[Denoiser, int]:
    """Return the network in `path`, and the extent it was trained on, pixels.

    Raises
    ------
    ValueError
        If the file holds no denoiser of these elements.
    """
    found = read_architecture(path, "denoiser", elements)
    sizes = (found[name] for name in ("base_channels", "n_levels", "n_guides"))
    network = Denoiser([0.0] * len(elements), *sizes)
    read_weights(path, network)
    return network.to(device), found["crop_px"]


def train(
    network: nn.Module,
    maps: MeasuredMaps,
    params: TrainDenoiserParams,
    *,
    split: Split,
    guides: Guides,
    rng: np.random.Generator,
    checkpoint: Checkpoint | None = None,
) -> pd.DataFrame:
    """Teach `network` in place to predict a part of the photons from the others.

    In each update every patch is split anew. Before training a few photons are set
    apart: their loss tells whether the network learns the specimen or the noise.

    Parameters
    ----------
    network
        ``(patch, element + guide, y, x)`` counts, guides, and the share -> rates.
    maps
        ``(element, tilt, y, x)`` detected photons, or intensities in units of one.
    params
        Shares, steps, patches.
    split
        How what is seen is parted from what is predicted, so that their noise is
        independent.
    guides
        ``(guide, tilt, y, x)`` images that are seen too, whole.
    rng
        Source of patches and parts.
    checkpoint
        See `stemedx.learn.training.fit`.

    Returns
    -------
    losses
        Columns ``step, loss, held_out_loss``; see `stemedx.learn.training.fit`.

    References
    ----------
    Neufeld et al. (2024), J. Mach. Learn. Res. 25(57), 1-35 (thinning).
    Krull et al. (2023), arXiv 2307.06607 (shares drawn at random, Poisson loss).
    """
    device = next(network.parameters()).device
    trained_on, held_out = split.hold_out(maps, params, rng)
    held_out = _guided(held_out, guides.swapaxes(0, 1))

    def draw_loss() -> Scalar:
        windows = draw_windows(maps.shape, params.batch, params.crop_px, rng)
        patches, guiding = (
            np.concatenate([window.of(part) for window in windows]) for part in (trained_on, guides)
        )
        sample = _turned(_guided(split.draw(patches, params, rng), guiding), rng)
        rates = network(to_patches(sample.seen, device), _per_patch(sample.shares, device))
        unseen = _unseen(sample, device)
        return mean_loss(split.losses(rates, unseen), unseen.told)

    @torch.no_grad()
    def held_out_losses() -> list[float]:
        rates = _predict(network, held_out.seen, held_out.shares, params.crop_px)
        unseen = _unseen(held_out, device)
        return _of_tiles(split.losses(rates, unseen), unseen.told)

    optimiser = torch.optim.Adam(network.parameters(), lr=params.learning_rate)
    return fit(
        network,
        draw_loss,
        optimiser,
        max(params.min_updates, n_updates(params, maps.shape)),
        held_out_losses=held_out_losses,
        checkpoint=checkpoint,
    )


def predict_rates(
    network: nn.Module, copies: Iterable[Copy], *, guides: Guides, tile_px: int
) -> Rates:
    """Return expected photons per pixel, averaged over copies of the maps.

    Parameters
    ----------
    network
        ``(patch, element + guide, y, x)`` counts, guides, and the share -> rates.
    copies
        Parts of the maps; each is mirrored another way.
    guides
        ``(guide, tilt, y, x)`` images that are seen too.
    tile_px
        Extent of the patches that the network was trained on.

    Returns
    -------
    rates
        ``(element, tilt, y, x)`` photons per pixel at full exposure.
    """
    total: Rates | float = 0.0
    weight: Rates | float = 0.0
    with torch.no_grad():
        for n, (seen, share, told) in enumerate(copies):
            mirrors = MIRRORS[n % len(MIRRORS)]
            patches = np.flip(np.concatenate([seen, guides]), mirrors).swapaxes(0, 1)
            rates = _predict(network, patches, np.full(len(patches), share), tile_px)
            total = total + told * np.flip(rates.cpu().numpy(), mirrors).swapaxes(0, 1)
            weight = weight + told
    return np.asarray(total / weight, np.float32)


def _guided(sample: Sample, guides: PatchArray) -> Sample:
    """Return a sample in which ``(patch, guide, y, x)`` are seen too."""
    return sample._replace(seen=np.concatenate([sample.seen, guides], axis=1))


def _turned(sample: Sample, rng: np.random.Generator) -> Sample:
    """Return a sample mirrored and turned at random."""
    mirrors = MIRRORS[rng.integers(len(MIRRORS))]
    turned = {name: np.flip(getattr(sample, name), mirrors) for name in ("seen", "target", "told")}
    if rng.integers(2):
        # A particle could as well lie the other way round.
        turned = {name: patches.swapaxes(-1, -2) for name, patches in turned.items()}
    return sample._replace(**turned)


def _of_tiles(losses: Patches, told: Patches) -> list[float]:
    """Return the loss of each tile: the photons of two tiles are independent."""
    side = min(TILE_PX, *losses.shape[-2:])
    means = functional.avg_pool2d(told * losses, side, ceil_mode=True, count_include_pad=False)
    return (means.mean(1) / told.mean()).flatten().tolist()


def _unseen(sample: Sample, device: torch.device) -> Unseen:
    target, told = to_patches(sample.target, device), to_patches(sample.told, device)
    exposures, shares = (_per_patch(part, device) for part in (sample.exposures, sample.shares))
    return Unseen(target, exposures, shares, told)


def _per_patch(values: Profile, device: torch.device) -> Shares:
    return to_patches(values[:, None, None, None], device)


def _predict(network: nn.Module, seen: PatchArray, shares: Profile, tile_px: int) -> Features:
    """Return rates ``(patch, element, y, x)``, one projection at a time."""
    device = next(network.parameters()).device

    def predict(patch: Features, share: Shares) -> Features:
        return over_tiles(lambda tiles: network(tiles, share), patch, tile_px)

    parts = to_patches(seen, device).split(1), _per_patch(shares, device).split(1)
    return torch.cat(list(map(predict, *parts)))
