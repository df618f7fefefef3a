"""Q^S: views of a limited-angle volume made like denoised measurements."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from stemedx.arrays import Rates, Series
from stemedx.learn.checkpoints import Checkpoint
from stemedx.learn.patches import MIRRORS, draw_windows, to_patches
from stemedx.learn.tiles import over_tiles
from stemedx.learn.training import fit, n_updates, seeded
from stemedx.learn.weights import read_architecture, read_weights
from stemedx.networks.enhancer import Enhancer, level
from stemedx.params import TrainEnhancerParams
from stemedx.tensors import Patches, PerPixel, Scalar

TINY = 1e-30  # keeps an empty map from being divided by zero


def make_enhancer(n_elements: int, params: TrainEnhancerParams, device: torch.device) -> Enhancer:
    """Return an untrained network, which changes nothing."""
    with seeded(params.seed):
        network = Enhancer(n_elements, params.base_channels, params.n_levels)
    return network.to(device)


def read_enhancer(path: Path, elements: list[str], device: torch.device) -> tuple[Enhancer, int]:
    """Return the network in `path`, and the extent it was trained on, pixels.

    Raises
    ------
    ValueError
        If the file holds no enhancer of these elements.
    """
    found = read_architecture(path, "enhancer", elements)
    network = Enhancer(len(elements), found["base_channels"], found["n_levels"])
    read_weights(path, network)
    return network.to(device), found["crop_px"]


def level_gains(denoised: Rates, projected: Rates, coverage: Series) -> Rates:
    """Return `denoised` without the gains that differ from tilt to tilt.

    The detector sees more of some tilts than of others; a volume has one value in
    all views. Each map is scaled to hold what its reprojection holds where both are
    known, times the factor that the whole series of the element has.

    Parameters
    ----------
    denoised
        ``(element, tilt, y, x)`` rates in the aligned frame.
    projected
        The reprojections at the same tilts.
    coverage
        ``(tilt, y, x)`` from 0 (never measured) to 1.
    """
    measured, modelled = (
        (maps * coverage).sum((2, 3), dtype=np.float64) for maps in (denoised, projected)
    )
    overall = measured.sum(1, keepdims=True) / np.maximum(modelled.sum(1, keepdims=True), TINY)
    gains = measured / np.maximum(modelled * overall, TINY)
    gains = np.where(gains > 0, gains, 1.0)
    return (denoised / gains[:, :, None, None]).astype(np.float32)


def weighted_l2_loss(enhanced: Patches, target: Patches, weights: PerPixel) -> Scalar:
    """Return the mean squared difference in units of each target map's own level.

    Parameters
    ----------
    enhanced, target
        ``(patch, element, y, x)`` rates.
    weights
        ``(patch, 1, y, x)`` from 0 to 1: how far the target is known.
    """
    unit = level(target)
    return (weights * ((enhanced - target) / torch.where(unit > 0, unit, 1.0)).square()).mean()


def train(
    network: nn.Module,
    projected: Rates,
    denoised: Rates,
    coverage: Series,
    params: TrainEnhancerParams,
    *,
    rng: np.random.Generator,
    checkpoint: Checkpoint | None = None,
) -> pd.DataFrame:
    """Teach `network` in place to make reprojections look like denoised maps.

    Parameters
    ----------
    network
        ``(patch, element, y, x)`` to the same shape.
    projected
        ``(element, tilt, y, x)`` reprojections at the measured tilts.
    denoised
        The denoised maps in the same frame.
    coverage
        ``(tilt, y, x)`` from 0 (the denoised maps know nothing there) to 1.
    params
        Steps, patches, decay of the weights.
    rng
        Source of the patches.
    checkpoint
        See `stemedx.learn.training.fit`.

    Returns
    -------
    losses
        Columns ``step, loss``; see `stemedx.learn.training.fit`.
    """
    device = next(network.parameters()).device
    target = level_gains(denoised, projected, coverage)
    sources = (projected, target, coverage[None])

    def draw_loss() -> Scalar:
        windows = draw_windows(projected.shape, params.batch, params.crop_px, rng)
        # Rows and columns mirrored are views of a mirrored specimen; turned ones are not.
        mirrors = MIRRORS[rng.integers(len(MIRRORS))]
        seen, wanted, weights = (
            to_patches(np.flip(np.concatenate([w.of(maps) for w in windows]), mirrors), device)
            for maps in sources
        )
        return weighted_l2_loss(network(seen), wanted, weights)

    optimiser = torch.optim.AdamW(
        network.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay
    )
    n_steps = n_updates(params, projected.shape)
    return fit(network, draw_loss, optimiser, n_steps, checkpoint=checkpoint)


def enhance_maps(network: nn.Module, projected: Rates, tile_px: int) -> Rates:
    """Return enhanced maps >= 0, one view at a time.

    Parameters
    ----------
    network
        ``(patch, element, y, x)`` to the same shape.
    projected
        ``(element, tilt, y, x)`` reprojections.
    tile_px
        Extent of the patches that the network was trained on.
    """
    device = next(network.parameters()).device
    enhanced = np.empty(projected.shape, np.float32)
    with torch.no_grad():
        for tilt in range(projected.shape[1]):
            view = to_patches(projected[None, :, tilt], device)
            enhanced[:, tilt] = over_tiles(network, view, tile_px)[0].clamp(min=0).cpu().numpy()
    return enhanced
