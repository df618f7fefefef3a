"""The regression network of Han et al.: a U-Net whose pooling loses nothing."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from stemedx.tensors import Features

INIT_SD = 0.02  # of the first weights, drawn evenly
N_LEVELS = 4  # decompositions, one after the other
_HALF, _ROOT = 0.5, 0.5**0.5
# An orthonormal basis of 2 x 2 pixels: the mean, rows against each other, then the two
# pixels of the upper and of the lower row against each other.
BASIS = (
    ((_HALF, _HALF), (_HALF, _HALF)),
    ((_HALF, _HALF), (-_HALF, -_HALF)),
    ((_ROOT, -_ROOT), (0.0, 0.0)),
    ((0.0, 0.0), (_ROOT, -_ROOT)),
)


class Bands(NamedTuple):
    """What `decompose` makes of a map: each of half its extent."""

    low: Tensor
    high: tuple[Tensor, Tensor, Tensor]


class TightFrameUNet(nn.Module):
    """Add to a map what it lacks; nothing can be taken away from it.

    ``output = input + relu(U-Net(input and side channels))``, as published. Batch
    normalisation uses the statistics of what it sees, in training and after: on one
    map it is instance normalisation.

    Parameters
    ----------
    n_in
        Channels of the input: the map, and further maps that help.
    base_channels
        Channels of the first level, doubled on each of the four below.

    References
    ----------
    Ye, Han & Cha (2018), SIAM J. Imaging Sci. 11, 991-1048 (tight frames).
    Han et al. (2021), Nat. Mach. Intell. 3, 267-274.
    """

    basis: Tensor

    def __init__(self, n_in: int, base_channels: int) -> None:
        super().__init__()
        self.register_buffer("basis", torch.tensor(BASIS)[:, None], persistent=False)
        widths = [base_channels * 2**level for level in range(N_LEVELS)]
        self.first = _double(n_in, base_channels, base_channels)
        self.down = nn.ModuleList(_double(d, 2 * d, 2 * d) for d in widths[:-1])
        self.bottom = _double(widths[-1], 2 * widths[-1], widths[-1])
        self.up = nn.ModuleList(
            _double(5 * d, d, max(d // 2, base_channels)) for d in reversed(widths)
        )
        self.last = nn.Conv2d(base_channels, 1, 1)
        self.apply(_initialise)

    def forward(self, maps: Features) -> Features:
        """Return ``(patch, 1, y, x)``, nowhere below the first channel of `maps`.

        Raises
        ------
        ValueError
            If the extent is not a multiple of 16.
        """
        insist_multiple(maps, 2**N_LEVELS)
        bridges = [self.first(maps)]  # (patch, base_channels, y, x)
        high = []
        for block in (*self.down, self.bottom):
            bands = decompose(bridges[-1], self.basis)  # each (patch, d, y / 2, x / 2)
            high.append(bands.high)
            bridges.append(block(bands.low))  # (patch, 2 d, y / 2, x / 2), the last d
        x = bridges.pop()  # (patch, 8 base_channels, y / 16, x / 16)
        for block in self.up:
            parts = recompose(Bands(x, high.pop()), self.basis)  # 4 of (patch, d, y, x)
            x = block(torch.cat([bridges.pop(), *parts[1:], parts[0]], 1))  # (patch, d / 2, y, x)
        return maps[:, :1] + functional.relu(self.last(x))  # (patch, 1, y, x)


def decompose(maps: Features, basis: Tensor) -> Bands:
    """Return means and differences of blocks of 2 x 2 pixels, channel by channel."""
    n_channels = maps.shape[1]
    low, *high = (
        functional.conv2d(maps, band.expand(n_channels, 1, 2, 2), stride=2, groups=n_channels)
        for band in basis[:, None]
    )
    return Bands(low, (high[0], high[1], high[2]))


def recompose(bands: Bands, basis: Tensor) -> list[Tensor]:
    """Return the part of a map that each band makes; they add up to the map."""
    n_channels = bands.low.shape[1]
    return [
        functional.conv_transpose2d(
            part, band.expand(n_channels, 1, 2, 2), stride=2, groups=n_channels
        )
        for part, band in zip((bands.low, *bands.high), basis[:, None], strict=True)
    ]


def insist_multiple(maps: Tensor, multiple: int) -> None:
    """Refuse maps or volumes that cannot be halved as often as a network does.

    Raises
    ------
    ValueError
        If a side is not a multiple of `multiple`.
    """
    sides = tuple(maps.shape[2:])
    if any(side % multiple for side in sides):
        raise ValueError(
            f"network: expected sides that are multiples of {multiple}, found "
            f"{' x '.join(map(str, sides))}. Pad or crop what goes in."
        )


def _double(n_in: int, n_between: int, n_out: int) -> nn.Sequential:
    """Return two convolutions, each normalised and rectified."""
    layers: list[nn.Module] = []
    for before, after in ((n_in, n_between), (n_between, n_out)):
        normalisation = nn.BatchNorm2d(after, track_running_stats=False)
        layers += [nn.Conv2d(before, after, 3, padding=1), normalisation, nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        bound = 3**0.5 * INIT_SD
        nn.init.uniform_(module.weight, -bound, bound)
        nn.init.zeros_(module.bias)  # type: ignore[arg-type]
