"""Attention of Han et al.: one map from the predictions of many bootstraps."""

import torch
from torch import nn
from torch.nn import functional

from stemedx.tensors import Features, Patches

INIT_SD = 0.01  # of the first weights


class Aggregation(nn.Module):
    """Weigh predictions by their means, add them up, and smooth over 3 x 3 pixels.

    Three linear layers without anything between them, as published: the weights are
    a linear function of the means, may be negative and need not add up to 1.

    Parameters
    ----------
    n_bootstraps
        Predictions of one map.
    n_hidden
        Width of the layers in between.

    References
    ----------
    Han et al. (2021), Nat. Mach. Intell. 3, 267-274.
    """

    def __init__(self, n_bootstraps: int, n_hidden: int = 128) -> None:
        super().__init__()
        widths = (n_bootstraps, n_hidden, n_hidden, n_bootstraps)
        self.layers = nn.Sequential(*map(nn.Linear, widths[:-1], widths[1:]))
        for layer in self.layers:
            nn.init.normal_(layer.weight, std=INIT_SD)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, predictions: Features) -> Patches:
        """Return ``(patch, 1, y, x)`` of predictions ``(patch, bootstrap, y, x)``."""
        weights = self.layers(predictions.mean((2, 3)))  # (patch, bootstrap)
        x = torch.einsum("pbyx,pb->pyx", predictions, weights)[:, None]  # (patch, 1, y, x)
        # The mean of what is there: at an edge, of fewer than nine pixels.
        return functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
