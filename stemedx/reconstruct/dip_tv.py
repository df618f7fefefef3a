"""The method `dip_tv`: a network that was never trained before, and total variation."""

import logging
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from stemedx.arrays import Block, MeasuredMaps
from stemedx.counts import split_counts, to_counts
from stemedx.logs import progress
from stemedx.networks.device import to_device
from stemedx.networks.volume_unet import N_LEVELS, VolumeUNet
from stemedx.params import DipTvParams
from stemedx.project.blocks import block_to_volumes, volumes_to_block
from stemedx.project.cropped import cropped_projector, pad
from stemedx.project.differentiable import project_tensor
from stemedx.project.operators import LinearOperator
from stemedx.reconstruct.calibration import calibrate, dose
from stemedx.reconstruct.measured import Measured, Reconstruction, binned, without_hot_pixels
from stemedx.reconstruct.penalised import (
    Fit,
    coarse_factor,
    dose_scaled_weight,
    fine_box,
    first_fit,
    to_fine,
)

log = logging.getLogger(__name__)
SHARE = 0.9  # of the photons that the network is fitted to
EVERY = 10  # updates from one look at the others to the next
KEPT = 0.9  # of the mean of recent volumes, from one update to the next
TINY = 1e-6


def reconstruct(measured: Measured, params: DipTvParams, device: str) -> Reconstruction:
    """Return volumes that a network makes of a first guess, fitted to these photons alone.

    All elements are channels of one network, so that they share what it finds. A tenth
    of the photons is set aside: when they have not become more likely for a while, the
    volumes under which they were most likely are taken, a mean over recent updates.

    Parameters
    ----------
    measured
        The maps in the measured frame, with what is known of them.
    params
        Size of the network, weight of the penalty, when to stop.
    device
        ``auto``, ``cpu`` or ``cuda``, where the network is; projected is on the CPU.

    Returns
    -------
    reconstruction
        ``(element, z, y, x)`` photons per voxel at gain 1, in the aligned frame; and what
        was found along.

    References
    ----------
    Ulyanov et al. (2018), Proc. IEEE CVPR, 9446-9454 (the prior); Baguer et al. (2020),
    Inverse Problems 36, 094004 (tomography from a first guess, with total variation).
    """
    measured, chosen = without_hot_pixels(measured), to_device(device)
    n = coarse_factor(measured)
    coarse = binned(measured, n)
    rough = first_fit(coarse)
    crop = fine_box(rough, measured, n)
    fit = to_fine(rough, measured, n, crop)
    operator = cropped_projector(measured.geometry, len(measured.maps), crop)
    tv_weight = params.tv_weight or dose_scaled_weight(coarse, rough, n)
    rng = np.random.default_rng(params.seed)
    counts = to_counts(measured.maps, [1.0] * len(measured.maps), rng)
    seen, unseen = split_counts(counts, SHARE, rng)
    scene = Scene(measured, fit, operator, chosen)
    volume, looks = _fitted(scene, seen, unseen, tv_weight, params)
    photons = volume * fit.scale.astype(np.float32)
    projected = operator.forward(photons)
    inside = np.ones(operator.domain_shape, np.float32) * scene.inside_block
    calibration = calibrate(measured, projected, operator.forward(inside)[..., 0], fit.calibration)
    photons *= dose(measured, projected, calibration).astype(np.float32)
    facts = {
        "tv_weight": tv_weight,
        "gain": calibration.gain.tolist(),
        "background": calibration.background.tolist(),
        "device": chosen.type,
        "looks": {"columns": ["update", "nat_per_photon"], "rows": looks},
    }
    return Reconstruction(block_to_volumes(pad(photons, crop, measured.geometry)), facts)


class Scene:
    """What does not change while a network is fitted, on its device.

    Parameters
    ----------
    measured
        The maps.
    fit
        A first guess, with gain and background.
    operator
        From its box to the maps.
    device
        Of the network.
    """

    def __init__(
        self, measured: Measured, fit: Fit, operator: LinearOperator, device: torch.device
    ) -> None:
        self.operator, self.device = operator, device
        self.is_clipped = measured.signal == "hits"
        whole = np.ones(fit.state.volume.shape[:3], bool) if fit.inside is None else fit.inside
        self.inside_block = whole[..., None]
        self.inside = self.tensor(block_to_volumes(self.inside_block.astype(np.float32)))
        self.guess = self.tensor(block_to_volumes(fit.state.volume))
        factor = fit.calibration.gain * fit.scale[:, None]
        self.factor = self.tensor(factor[..., None, None])
        self.background = self.tensor(fit.calibration.background[..., None, None])
        self.weight = self.tensor(measured.weight)

    def tensor(self, values: np.ndarray) -> Tensor:
        """Return an array on the device, float32."""
        return torch.from_numpy(np.array(values, np.float32)).to(self.device)

    def volumes_of(self, network: VolumeUNet) -> Tensor:
        """Return ``(element, z, y, x)`` >= 0 that a network makes of the guess, empty outside."""
        cell, shape = 2 ** (N_LEVELS - 1), self.guess.shape[1:]
        more = [amount for size in reversed(shape) for amount in (0, -size % cell)]
        made = network(functional.pad(self.guess, more)[None])[0]
        return torch.relu(made[:, : shape[0], : shape[1], : shape[2]]) * self.inside

    def expected(self, volumes: Tensor, share: float) -> Tensor:
        """Return ``(element, tilt, y, x)`` expected photons, or chance of a hit, of a share."""
        projected = project_tensor(volumes, self.operator)
        rate = (self.factor * projected + self.background).clamp(min=TINY)
        return -share * torch.expm1(-rate) if self.is_clipped else share * rate

    def unlikely(self, volumes: Tensor, counts: Tensor, share: float) -> Tensor:
        """Return the negative log-likelihood of a share of the photons, nat."""
        expected = self.expected(volumes, share)
        nothing = (1 - counts) * torch.log1p(-expected) if self.is_clipped else -expected
        return -(self.weight * (counts * torch.log(expected) + nothing)).sum()

    def as_bright(self, volumes: Tensor, counts: Tensor, share: float) -> Tensor:
        """Return volumes that project to as many photons as a share of them holds.

        The penalty makes edges lower, and with them the whole, which is no reason to stop.
        """
        axes = (1, 2, 3)
        behind = self.expected(torch.zeros_like(volumes), share)
        expected = (self.weight * (self.expected(volumes, share) - behind)).sum(axes)
        found = (self.weight * (counts - behind)).sum(axes)
        return volumes * (found.clamp(min=0) / expected.clamp(min=TINY))[:, None, None, None]


def total_variation(volumes: Tensor) -> Tensor:
    """Return the joint total variation of ``(element, z, y, x)``, edges shared; 0 at the end."""
    squares = torch.full_like(volumes[0], TINY**2)
    for axis in (1, 2, 3):
        steps = torch.diff(volumes, dim=axis).square().sum(0)
        after = [0, 0] * (3 - axis) + [0, 1]
        squares = squares + functional.pad(steps, after)
    return squares.sqrt().sum()


@dataclass
class _Best:
    """The volumes under which photons set aside were most likely."""

    volume: Tensor
    unlikely: float
    update: int


def _fitted(
    scene: Scene, seen: MeasuredMaps, unseen: MeasuredMaps, tv_weight: float, params: DipTvParams
) -> tuple[Block, list[list[float]]]:
    """Return the best volume ``(z, x, y, element)``, and all looks at the photons set aside."""
    given, aside = scene.tensor(seen), scene.tensor(unseen)
    n_aside = max(float((aside * scene.weight).sum()), 1.0)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(params.seed)
        network = VolumeUNet(len(seen), params.base_channels).to(scene.device)
    for value in network.last.parameters():
        torch.nn.init.zeros_(value)  # what it adds to the guess, at first
    optimiser = torch.optim.Adam(network.parameters(), lr=params.learning_rate)
    mean, best = scene.guess, _Best(scene.guess, np.inf, 0)
    looks, started = [], time.monotonic()
    for update in progress(range(params.max_updates + 1), "updates", params.max_updates):
        if update % EVERY == 0:
            with torch.no_grad():
                bright = scene.as_bright(mean, given, SHARE)
                unlikely = float(scene.unlikely(bright, aside, 1 - SHARE)) / n_aside
            looks.append([float(update), -unlikely])
            if unlikely < best.unlikely:
                best = _Best(mean, unlikely, update)
            elif update - best.update >= params.patience:
                break
        optimiser.zero_grad()
        volumes = scene.volumes_of(network)
        loss = scene.unlikely(volumes, given, SHARE) + SHARE * tv_weight * total_variation(volumes)
        (loss / n_aside).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        mean = KEPT * mean + (1 - KEPT) * volumes.detach()
        if update == EVERY:
            seconds = (time.monotonic() - started) / EVERY
            log.info("%.2g s for each update on %s: %d take %.3g min at most", seconds,
                     scene.device.type, params.max_updates,
                     seconds * params.max_updates / 60)  # fmt: skip
    else:
        log.warning("photons set aside may still become more likely after %d updates. Raise "
                    "max_updates.", params.max_updates)  # fmt: skip
    log.info("%d updates, %.4f nat per photon set aside", best.update, -best.unlikely)
    return volumes_to_block(best.volume.cpu().numpy()), looks
