"""One image per tilt that shows where the specimen is."""

import numpy as np
from scipy import ndimage

from stemedx.arrays import Image, MeasuredMaps, Rate, Rates, Series, Spread

PHOTONS_WANTED = 20.0  # under the smoothing filter, inside the specimen
STRIP = 16  # the outermost 1/16 on each side
CROWDED = 0.5


def width_for(maps: MeasuredMaps, smooth_px: float) -> float:
    """Return the width of a Gaussian that gathers enough photons to see the specimen.

    Twenty photons under the filter where the specimen is, at most a sixteenth of the
    shorter side.

    Parameters
    ----------
    maps
        ``(element, tilt, y, x)`` counts or intensities.
    smooth_px
        Least standard deviation, pixels.
    """
    total = maps.sum(axis=0, dtype=np.float32)
    # Mean over the photons, not over the pixels: the rate where the specimen is.
    rough = ndimage.gaussian_filter(total, (0, smooth_px, smooth_px))
    rate = float((rough * total).sum()) / max(float(total.sum()), 1e-12)
    wanted = np.sqrt(PHOTONS_WANTED / (4 * np.pi * max(rate, 1e-12)))
    return float(max(smooth_px, min(wanted, min(total.shape[1:]) / STRIP)))


def above_vacuum(images: Series, smooth_px: float) -> Rate:
    """Return the smoothed images without their background, the darkest of the borders."""
    smooth = ndimage.gaussian_filter(images.astype(np.float32), (0, smooth_px, smooth_px))
    return smooth - _vacuum(smooth)


def without_vacuum(images: Series, smooth_px: float) -> Rate:
    """Return the images as they are, less the background that smoothed ones show.

    Of single photons the median is 0 wherever fewer than half the pixels have one.
    """
    smooth = ndimage.gaussian_filter(images.astype(np.float32), (0, smooth_px, smooth_px))
    return images.astype(np.float32) - _vacuum(smooth)


def _vacuum(smooth: Spread) -> Spread:
    """Return the median of the darkest border of each image, ``(tilt, 1, 1)``."""
    side = max(2, min(smooth.shape[1:]) // STRIP)
    borders = (smooth[:, :side], smooth[:, -side:], smooth[:, :, :side], smooth[:, :, -side:])
    level = np.min([np.median(border, axis=(1, 2)) for border in borders], axis=0)
    return level[:, None, None].astype(np.float32)


def is_contained(images: Series) -> bool:
    """Tell whether nothing bright touches the left or right border at any tilt."""
    side = max(2, images.shape[2] // STRIP)
    bright = np.percentile(images, 99, axis=(1, 2))
    edges = [images[:, :, :side], images[:, :, -side:]]
    highest = np.max([np.percentile(edge, 95, axis=(1, 2)) for edge in edges], axis=0)
    return bool(np.all(highest < CROWDED * bright))


def fills_the_field(image: Image) -> bool:
    """Tell whether something bright touches both the left and the right border."""
    side = max(2, image.shape[1] // STRIP)
    bright = np.percentile(image, 99)
    edges = (image[:, :side], image[:, -side:])
    return bool(min(np.percentile(edge, 95) for edge in edges) >= CROWDED * bright)


def of_equal_totals(channels: Rates) -> Rates:
    """Return maps scaled to the same sum at each tilt: that of a specimen inside the field."""
    totals = np.maximum(channels, 0).sum(axis=(2, 3), keepdims=True, dtype=np.float64)
    mean = totals.mean(axis=1, keepdims=True)
    scale = np.divide(mean, totals, out=np.ones_like(totals), where=totals > 0)
    return channels * scale.astype(np.float32)
