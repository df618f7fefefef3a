"""Images beside the element maps that networks may see too."""

from pathlib import Path

import numpy as np

from stemedx import store
from stemedx.arrays import Guides, MapShape, Series

VACUUM = 0.05  # this share of the pixels of an image is darker than its vacuum


def read_guides(tilt_series: Path | None, shape: MapShape) -> Guides:
    """Return what guides a network, ``(image, tilt, y, x)``: HAADF, or no image at all.

    Each image has vacuum at 0 and its specimen at about 1.

    Parameters
    ----------
    tilt_series
        Store to read; None if no guide is wanted.
    shape
        Of the maps, ``(tilt, y, x)``.

    Raises
    ------
    ValueError
        If the images are of another shape than the maps.
    """
    if tilt_series is None or not store.has_layer(tilt_series, "haadf"):
        return np.zeros((0, *shape), np.float32)
    images = store.read_layer(tilt_series, "haadf", axes=("tilt", "y", "x"), units="arb. unit")
    if images.shape != shape:
        raise ValueError(
            f"{tilt_series}: expected HAADF of the shape of the maps, {shape}, found "
            f"{images.shape}. Set train_denoiser.guide to none."
        )
    return levelled(images)[None]


def levelled(images: Series) -> Series:
    """Return ``(tilt, y, x)`` images with vacuum at 0 and their specimen at about 1."""
    vacuum = np.quantile(images, VACUUM, axis=(1, 2), keepdims=True)
    above = np.maximum(images - vacuum, 0)
    total = above.sum(axis=(1, 2), keepdims=True)
    # the mean of the values, each weighted by itself: vacuum does not change it
    typical = (above**2).sum(axis=(1, 2), keepdims=True) / np.where(total > 0, total, 1)
    return ((images - vacuum) / np.where(typical > 0, typical, 1)).astype(np.float32)
