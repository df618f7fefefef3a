"""Q^D: denoising of counted photons without clean images, by thinning."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

from stemedx.arrays import ElementMaps, PatchArray, Profile, Rates
from stemedx.counts import split_counts
from stemedx.learn.patches import MIRRORS, draw_windows, to_patches
from stemedx.learn.tiles import over_tiles
from stemedx.learn.training import fit, n_updates, seeded
from stemedx.learn.weights import read_architecture, read_weights
from stemedx.networks.denoiser import SMOOTH_PX, Denoiser
from stemedx.params import DenoiseParams, TrainDenoiserParams
from stemedx.tensors import Patches, Scalar, Shares

SMALLEST_RATE = 1e-12  # keeps the logarithm of a rate of 0 finite


class Copy(NamedTuple):
    """A part of the photons, and the pixels whose rate may be read from it.

    Attributes
    ----------
    seen
        ``(element, tilt, y, x)`` photons.
    share
        Their share of all.
    told
        ``(element, tilt, y, x)`` 1 where the predicted rate counts, else 0.
    """

    seen: ElementMaps
    share: float
    told: Rates


def typical_rates(counts: ElementMaps) -> list[float]:
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


def poisson_loss(rates: Patches, counts: Patches, exposures: Shares) -> Scalar:
    """Return the negative log-likelihood of `counts`, up to a constant.

    Per pixel and full exposure, so that losses at different exposures compare.

    Parameters
    ----------
    rates
        Predicted photons per pixel at full exposure, >= 0.
    counts
        Detected photons per pixel at `exposures`.
    exposures
        ``(patch, 1, 1, 1)`` fraction of the full exposure at which they were
        detected.
    """
    return (rates - counts / exposures * torch.log(rates + SMALLEST_RATE)).mean()


def make_denoiser(
    counts: ElementMaps, params: TrainDenoiserParams, device: torch.device
) -> Denoiser:
    """Return an untrained network for `counts` ``(element, tilt, y, x)``."""
    with seeded(params.seed):
        network = Denoiser(typical_rates(counts), params.base_channels, params.n_levels)
    return network.to(device)


def read_denoiser(path: Path, elements: list[str], device: torch.device) -> tuple[Denoiser, int]:
    """Return the network in `path`, and the extent it was trained on, pixels.

    Raises
    ------
    ValueError
        If the file holds no denoiser of these elements.
    """
    found = read_architecture(path, "denoiser", elements)
    network = Denoiser([0.0] * len(elements), found["base_channels"], found["n_levels"])
    read_weights(path, network)
    return network.to(device), found["crop_px"]


def train(
    network: nn.Module, counts: ElementMaps, params: TrainDenoiserParams, rng: np.random.Generator
) -> pd.DataFrame:
    """Teach `network` in place to predict one share of the photons from the other.

    In each update every patch is split anew at a share drawn for it. Before training
    a few photons are set apart: their loss tells whether the network learns the
    specimen or the noise.

    Parameters
    ----------
    network
        ``(patch, element, y, x)`` counts and their share -> rates.
    counts
        ``(element, tilt, y, x)`` detected photons.
    params
        Shares, steps, patches.
    rng
        Source of patches and shares.

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
    held_out, trained_on = split_counts(counts, params.held_out, rng)
    kept = 1 - params.held_out

    def draw_loss() -> Scalar:
        seen, target, drawn = _draw(trained_on, params, rng)
        shares = drawn[:, None, None, None]
        rates = network(to_patches(seen, device), to_patches(kept * shares, device))
        exposures = to_patches(kept * (1 - shares), device)
        return poisson_loss(rates, to_patches(target, device), exposures)

    @torch.no_grad()
    def held_out_loss() -> float:
        rates = _predict(network, trained_on, kept, params.crop_px)
        target = to_patches(held_out.swapaxes(0, 1), device)
        exposure = torch.full((1, 1, 1, 1), params.held_out, device=device)
        return poisson_loss(rates, target, exposure).item()

    optimiser = torch.optim.Adam(network.parameters(), lr=params.learning_rate)
    return fit(network, draw_loss, optimiser, n_updates(params, counts.shape), held_out_loss)


def predict_rates(network: nn.Module, copies: Iterable[Copy], *, tile_px: int) -> Rates:
    """Return expected photons per pixel, averaged over copies of the maps.

    Parameters
    ----------
    network
        ``(patch, element, y, x)`` counts and their share -> rates.
    copies
        From `thinned_copies` or `left_out_copies`; each is mirrored another way.
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
            rates = _predict(network, np.flip(seen, mirrors), share, tile_px)
            total = total + told * np.flip(rates.cpu().numpy(), mirrors).swapaxes(0, 1)
            weight = weight + told
    return np.asarray(total / weight, np.float32)


def thinned_copies(
    counts: ElementMaps, params: DenoiseParams, rng: np.random.Generator
) -> Iterator[Copy]:
    """Yield thinned copies of the maps: the network has learned from such."""
    for _ in range(params.n_thinnings):
        seen, _ = split_counts(counts, params.share, rng)
        yield Copy(seen, params.share, np.ones(counts.shape, np.float32))


def left_out_copies(
    counts: ElementMaps, params: DenoiseParams, rng: np.random.Generator
) -> Iterator[Copy]:
    """Yield copies in which each pixel with photons is emptied once, and told of then.

    For maps that were clipped to 0 or 1: the photons of a hit were partly drawn
    (`unclip`), so the rate of its pixel is predicted from the others.
    """
    n_copies = max(2, params.n_thinnings)
    emptied_in = rng.integers(n_copies, size=counts.shape)
    for n in range(n_copies):
        told = ((emptied_in == n) | (counts == 0)).astype(np.float32)
        seen = np.where(emptied_in == n, 0, counts).astype(counts.dtype)
        yield Copy(seen, 1 - 1 / n_copies, told)


def _draw(
    counts: ElementMaps, params: TrainDenoiserParams, rng: np.random.Generator
) -> tuple[PatchArray, PatchArray, Profile]:
    """Return a batch: what is seen, its target, and the shares that are seen."""
    windows = draw_windows(counts.shape, params.batch, params.crop_px, rng)
    shares = rng.uniform(params.share_min, params.share_max, len(windows))
    pairs = [
        split_counts(window.of(counts), share, rng)
        for window, share in zip(windows, shares, strict=True)
    ]
    mirrors = MIRRORS[rng.integers(len(MIRRORS))]
    seen, target = (np.flip(np.concatenate(part), mirrors) for part in zip(*pairs, strict=True))
    if rng.integers(2):
        # A particle could as well lie the other way round.
        seen, target = seen.swapaxes(-1, -2), target.swapaxes(-1, -2)
    return seen, target, shares


def _predict(network: nn.Module, counts: ElementMaps, share: float, tile_px: int) -> Patches:
    """Return rates ``(tilt, element, y, x)``, one projection at a time."""
    device = next(network.parameters()).device
    shares = torch.full((1, 1, 1, 1), share, device=device)
    seen = to_patches(counts.swapaxes(0, 1), device)

    def predict(tiles: Patches) -> Patches:
        return network(tiles, shares)

    return torch.cat([over_tiles(predict, projection, tile_px) for projection in seen.split(1)])
