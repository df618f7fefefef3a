"""Q^S: from reprojections of a limited-angle volume to maps without its artefacts."""

import torch
from torch import nn

from stemedx.networks.unet import UNet
from stemedx.tensors import Patches, PerMap

TINY = 1e-20  # keeps an empty map from being divided by zero


class Enhancer(nn.Module):
    """Add what the reprojections of all elements lack; nothing before training.

    Maps are seen in units of their own level, so that maps of twice the rate give
    twice the result.

    Parameters
    ----------
    n_elements
        Channels in and out.
    base_channels, n_levels
        Of the U-Net.
    """

    def __init__(self, n_elements: int, base_channels: int, n_levels: int) -> None:
        super().__init__()
        self.unet = UNet(n_elements, n_elements, base_channels, n_levels)
        nn.init.zeros_(self.unet.last.weight)
        nn.init.zeros_(self.unet.last.bias)  # type: ignore[arg-type]

    def forward(self, projected: Patches) -> Patches:
        """Return enhanced maps ``(patch, element, y, x)``; they can be below 0."""
        unit = level(projected)  # (patch, element, 1, 1)
        x = self.unet(projected / (unit + TINY))  # (patch, element, y, x)
        return projected + unit * x  # (patch, element, y, x)


def level(maps: Patches) -> PerMap:
    """Return the typical value where a map is not empty, ``(patch, element, 1, 1)``.

    The mean of the values, each weighted by itself: vacuum around a particle does
    not change it.
    """
    total = maps.sum((-2, -1), keepdim=True)
    return maps.square().sum((-2, -1), keepdim=True) / torch.clamp(total, min=TINY)
