"""A compact U-Net for maps of any size."""

import torch
from torch import nn
from torch.nn import functional

from stemedx.tensors import Features

MAX_GROUPS = 8
SLOPE = 0.1  # of the leaky rectifier, below zero


class UNet(nn.Module):
    """Encoder and decoder of convolutions with a bridge on every level.

    Group normalisation gives every pixel a sense of the whole map; it also means
    that a network must be applied to maps of the extent that it was trained on, see
    `stemedx.learn.tiles`.

    Parameters
    ----------
    n_in, n_out
        Channels of what goes in and what comes out.
    base_channels
        Channels of the first level, doubled on each level below.
    n_levels
        Number of resolutions, each half of the one above.

    References
    ----------
    Ronneberger, Fischer & Brox (2015), MICCAI, 234-241.
    Wu & He (2018), ECCV, 3-19 (group normalisation).
    """

    def __init__(self, n_in: int, n_out: int, base_channels: int, n_levels: int) -> None:
        super().__init__()
        widths = [base_channels * 2**level for level in range(n_levels)]
        self.down = nn.ModuleList(map(_block, [n_in, *widths[:-1]], widths))
        self.up = nn.ModuleList(
            _block(above + below, above)
            for above, below in zip(widths[:-1], widths[1:], strict=True)
        )
        self.last = nn.Conv2d(base_channels, n_out, 1)
        # A quarter faster on CPUs.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, maps: Features) -> Features:
        """Return `n_out` channels of the same extent."""
        n_y, n_x = maps.shape[-2:]
        multiple = 2 ** (len(self.down) - 1)
        x = functional.pad(maps, (0, -n_x % multiple, 0, -n_y % multiple), "replicate")
        bridges = [self.down[0](x)]  # (patch, base_channels, y, x)
        for block in self.down[1:]:
            bridges.append(block(functional.avg_pool2d(bridges[-1], 2)))
        x = bridges.pop()  # (patch, base_channels * 2**level, y / 2**level, x / 2**level)
        for block, bridge in zip(reversed(self.up), reversed(bridges), strict=True):
            x = block(torch.cat([functional.interpolate(x, scale_factor=2.0), bridge], 1))
        return self.last(x)[..., :n_y, :n_x]  # (patch, n_out, y, x)


def _block(n_in: int, n_out: int) -> nn.Sequential:
    """Return two convolutions, each normalised and rectified."""
    layers: list[nn.Module] = []
    n_groups = max(n for n in range(1, MAX_GROUPS + 1) if n_out % n == 0)
    for n_channels in (n_in, n_out):
        convolution = nn.Conv2d(n_channels, n_out, 3, padding=1, bias=False)
        # Starting at the right variance was worth 0.7 dB after 300 updates.
        nn.init.kaiming_normal_(convolution.weight, SLOPE)
        layers += [convolution, nn.GroupNorm(n_groups, n_out), nn.LeakyReLU(SLOPE, inplace=True)]
    return nn.Sequential(*layers)
