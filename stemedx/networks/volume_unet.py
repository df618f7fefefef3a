"""T: from a limited-angle FBP straight to the volumes of the two-step method."""

import torch
from torch import nn
from torch.nn import functional

from stemedx.networks.tight_frame import insist_multiple
from stemedx.tensors import VolumePatches

N_GROUPS = 8
N_LEVELS = 3


class VolumeUNet(nn.Module):
    """Add to volumes what they lack: a 3-D U-Net of three levels.

    Parameters
    ----------
    n_elements
        Channels in and out.
    base_channels
        Channels of the first level, doubled on the two below; 32 as published.

    References
    ----------
    Cicek et al. (2016), MICCAI, 424-432.
    Han et al. (2021), Nat. Mach. Intell. 3, 267-274.
    """

    def __init__(self, n_elements: int, base_channels: int) -> None:
        super().__init__()
        widths = [base_channels * 2**level for level in range(N_LEVELS)]
        self.down = nn.ModuleList(
            _double(n_in, n_out // 2, n_out)
            for n_in, n_out in zip([n_elements, *widths[:-1]], widths, strict=True)
        )
        self.up = nn.ModuleList(
            _double(above + below, above, above)
            for above, below in zip(widths[:-1], widths[1:], strict=True)
        )
        self.last = nn.Conv3d(base_channels, n_elements, 1)

    def forward(self, volumes: VolumePatches) -> VolumePatches:
        """Return volumes ``(patch, element, z, y, x)`` of the same shape.

        Raises
        ------
        ValueError
            If a side is not a multiple of 4.
        """
        insist_multiple(volumes, 2 ** (N_LEVELS - 1))
        bridges = [self.down[0](volumes)]  # (patch, base_channels, z, y, x)
        for block in self.down[1:]:
            bridges.append(block(functional.max_pool3d(bridges[-1], 2)))
        x = bridges.pop()  # (patch, 4 base_channels, z / 4, y / 4, x / 4)
        for block, bridge in zip(reversed(self.up), reversed(bridges), strict=True):
            larger = functional.interpolate(x, scale_factor=2.0)  # (patch, channel, 2 z, 2 y, 2 x)
            x = block(torch.cat([bridge, larger], 1))  # (patch, channel / 2, 2 z, 2 y, 2 x)
        return volumes + self.last(x)  # (patch, element, z, y, x)


def _double(n_in: int, n_between: int, n_out: int) -> nn.Sequential:
    """Return two convolutions, each of normalised channels, and rectified."""
    layers: list[nn.Module] = []
    for before, after in ((n_in, n_between), (n_between, n_out)):
        n_groups = N_GROUPS if before % N_GROUPS == 0 else 1
        convolution = nn.Conv3d(before, after, 3, padding=1, bias=False)
        layers += [nn.GroupNorm(n_groups, before), convolution, nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
