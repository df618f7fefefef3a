"""The conditional adversarial networks of Han et al.: Q^D and Q^S as published."""

import torch
from torch import nn
from torch.nn import functional

from stemedx.networks.tight_frame import insist_multiple
from stemedx.tensors import Logits, Patches

SLOPE = 0.2  # of the leaky rectifier, below zero
EPSILON = 1e-6  # of the normalisation
DROPOUT = 0.5
N_DROPPING = 2  # layers of the decoder that drop, from the deepest
WIDEST = 8  # channels are doubled on each level up to this many times the first


class Generator(nn.Module):
    """Turn maps between 0 and 1 into others: a U-Net down to a few pixels.

    Parameters
    ----------
    n_elements
        Channels in and out.
    base_channels
        Channels of the first level.
    n_levels
        Number of halvings; 7 as published.

    References
    ----------
    Isola et al. (2017), CVPR, 1125-1134.
    Han et al. (2021), Nat. Mach. Intell. 3, 267-274.
    """

    def __init__(self, n_elements: int, base_channels: int, n_levels: int) -> None:
        super().__init__()
        widths = [base_channels * min(2**level, WIDEST) for level in range(n_levels)]
        self.down = nn.ModuleList(
            _down(n_in, n_out, normalised=n_in != n_elements)
            for n_in, n_out in zip([n_elements, *widths[:-1]], widths, strict=True)
        )
        above = widths[-2::-1]
        below = [widths[-1], *(2 * n for n in above)]
        self.up = nn.ModuleList(map(_up, below[:-1], above))
        self.dropout = nn.Dropout(DROPOUT)
        self.last = nn.ConvTranspose2d(below[-1], n_elements, 4, 2, padding=1)
        self.apply(_initialise)

    def forward(self, maps: Patches) -> Patches:
        """Return maps of the same shape, between 0 and 1.

        Raises
        ------
        ValueError
            If the extent is not a multiple of 2 for each level, or only one pixel is
            left on the deepest.
        """
        multiple = 2 ** len(self.down)
        insist_multiple(maps, multiple)
        if maps.shape[2] == maps.shape[3] == multiple:
            raise ValueError(
                f"network: expected maps larger than {multiple} x {multiple} pixels, of which "
                f"{len(self.down)} halvings leave one pixel that cannot be normalised. Pad what "
                "goes in, or use fewer levels."
            )
        x = 2 * maps - 1  # (patch, element, y, x)
        bridges = []
        for block in self.down[:-1]:
            x = functional.leaky_relu(block(x), SLOPE)  # (patch, channel, y / 2, x / 2)
            bridges.append(x)
        x = self.down[-1](x)  # (patch, channel, y / 2**n_levels, x / 2**n_levels)
        for number, block in enumerate(self.up):
            x = block(functional.relu(x))  # (patch, channel, 2 y, 2 x)
            x = self.dropout(x) if number < N_DROPPING else x
            x = torch.cat([x, bridges.pop()], 1)  # (patch, 2 channel, y, x)
        x = torch.tanh(self.last(functional.relu(x)))  # (patch, element, y, x)
        return (x + 1) / 2


class Discriminator(nn.Module):
    """Tell, place by place, maps made by a generator from those it should make.

    Parameters
    ----------
    n_elements
        Channels of a map.
    base_channels
        Channels of the first of five layers; 64 as published.
    """

    def __init__(self, n_elements: int, base_channels: int) -> None:
        super().__init__()
        widths = [2 * n_elements, *(base_channels * n for n in (1, 2, 4, 8))]
        self.layers = nn.Sequential(
            _patch(widths[0], widths[1], 2),
            nn.LeakyReLU(SLOPE),
            *(
                layer
                for n_in, n_out, stride in zip(widths[1:-1], widths[2:], (2, 2, 1), strict=True)
                for layer in (_patch(n_in, n_out, stride), _normalise(n_out), nn.LeakyReLU(SLOPE))
            ),
            _patch(widths[-1], 1, 1),
        )
        self.apply(_initialise)

    def forward(self, seen: Patches, maps: Patches) -> Logits:
        """Return the logit of being real, ``(patch, 1, y / 8, x / 8)``.

        Parameters
        ----------
        seen
            What the generator saw, ``(patch, element, y, x)``.
        maps
            What it made of it, or should have made.
        """
        x = 2 * torch.cat([seen, maps], 1) - 1  # (patch, 2 element, y, x)
        return self.layers(x)  # (patch, 1, y / 8, x / 8)


def _down(n_in: int, n_out: int, *, normalised: bool) -> nn.Sequential:
    convolution = nn.Conv2d(n_in, n_out, 4, 2, padding=1)
    return nn.Sequential(convolution, *([_normalise(n_out)] if normalised else []))


def _up(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(n_in, n_out, 4, 2, padding=1), _normalise(n_out))


def _patch(n_in: int, n_out: int, stride: int) -> nn.Sequential:
    """Return a convolution of 4 x 4 that leaves 1 / `stride` of each side."""
    # An even kernel at stride 1 needs one pixel more behind than in front.
    padding = nn.ZeroPad2d((1, 1, 1, 1) if stride == 2 else (1, 2, 1, 2))
    return nn.Sequential(padding, nn.Conv2d(n_in, n_out, 4, stride))


def _normalise(n_channels: int) -> nn.InstanceNorm2d:
    return nn.InstanceNorm2d(n_channels, eps=EPSILON, affine=True)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.xavier_normal_(module.weight)
        nn.init.zeros_(module.bias)  # type: ignore[arg-type]
