"""Q^D: from a share of the photons to the expected photons of every pixel."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from stemedx.networks.unet import UNet
from stemedx.tensors import Features, Patches, Shares

SMOOTH_PX = 2.0  # standard deviation of the smoothed copy that the network also sees
# Just enough that an empty map has a finite gain: 10 already moved the sum of faint maps by 7 %.
PRIOR_PHOTONS = 1.0


class Denoiser(nn.Module):
    """Predict rates > 0 of all elements of a map from a share of its photons.

    The U-Net tells where the photons are; how many there are in each map is taken
    from the photons themselves, since the gain of a detector differs from tilt to
    tilt and element to element: the posterior mean of the gain, with a Gamma prior
    about 1 worth `PRIOR_PHOTONS`. So the rates of a map add up to its photons.

    Parameters
    ----------
    typical_rates
        Photons per pixel inside the specimen at full exposure, one per element.
        Elements with 0 are predicted as 0 everywhere.
    base_channels, n_levels
        Of the U-Net.
    n_guides
        Images that it sees besides photons.
    """

    typical_rates: Tensor

    def __init__(
        self, typical_rates: list[float], base_channels: int, n_levels: int, n_guides: int = 0
    ) -> None:
        super().__init__()
        n_elements = len(typical_rates)
        rates = torch.tensor(typical_rates, dtype=torch.float32)[:, None, None]
        self.register_buffer("typical_rates", rates)
        self.n_guides = n_guides
        self.unet = UNet(2 * n_elements + n_guides, n_elements, base_channels, n_levels)

    def forward(self, seen: Features, shares: Shares) -> Features:
        """Return expected photons per pixel at full exposure.

        Parameters
        ----------
        seen
            ``(patch, element + guide, y, x)`` detected photons, then guides.
        shares
            ``(patch, 1, 1, 1)`` fraction of the full exposure at which they were
            detected.
        """
        # The network works in units of the typical rate; an absent element has none.
        photons, guides = seen.split([len(self.typical_rates), self.n_guides], 1)
        unit = torch.where(self.typical_rates > 0, self.typical_rates, 1.0)
        x = photons / (shares * unit)  # (patch, element, y, x)
        x = torch.cat([x, torch.log1p(smooth(x)), guides], 1)  # (patch, 2 element + guide, y, x)
        rates = self.typical_rates * functional.softplus(self.unet(x))  # (patch, element, y, x)
        expected = (shares * rates).sum((-2, -1), keepdim=True)  # (patch, element, 1, 1)
        found = photons.sum((-2, -1), keepdim=True)  # (patch, element, 1, 1)
        return rates * (found + PRIOR_PHOTONS) / (expected + PRIOR_PHOTONS)


def smooth(maps: Patches) -> Patches:
    """Return `maps` under a Gaussian of `SMOOTH_PX`, edges repeated."""
    n_channels = maps.shape[1]
    radius = round(3 * SMOOTH_PX)
    distance = torch.arange(-radius, radius + 1, device=maps.device)
    weights = torch.softmax(-0.5 * (distance / SMOOTH_PX) ** 2, 0)
    down = weights.view(1, 1, -1, 1).expand(n_channels, 1, -1, 1)
    across = weights.view(1, 1, 1, -1).expand(n_channels, 1, 1, -1)
    x = functional.pad(maps, (radius,) * 4, "replicate")
    x = functional.conv2d(x, down, groups=n_channels)
    return functional.conv2d(x, across, groups=n_channels)  # (patch, channel, y, x)
