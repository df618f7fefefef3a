"""Gain and background of each map, given what the volume projects to."""

from dataclasses import dataclass

import numpy as np

from stemedx.arrays import Block, ByElement, PerMap, Series
from stemedx.reconstruct.measured import Measured

FAINTEST = 1e-3  # a background is at least this share of a map's mean: no zero forbids a photon
N_TILES = 8  # a side, for the first background: small ones would be empty by chance
N_EM = 20  # updates of a gain: they converge like (background / signal)^n
FEWEST = 0.02  # share of the field that tells a background


@dataclass(frozen=True, eq=False)
class Calibration:
    """``(element, tilt)`` gains, and background in photons per pixel."""

    gain: PerMap
    background: PerMap


def floor_of(measured: Measured) -> PerMap:
    """Return the least background of each map, photons per pixel, above 0."""
    weight = measured.weight
    used = np.maximum(weight.sum(axis=(1, 2), dtype=np.float64), 1e-6)
    mean = (measured.maps * weight).sum(axis=(2, 3), dtype=np.float64) / used
    of_element = mean.mean(axis=1, keepdims=True)
    # a tilt without photons gets the least of its element; an element without any, 1e-6
    return np.maximum(FAINTEST * np.maximum(mean, 0.1 * of_element), 1e-6)


def calibrate(measured: Measured, projected: Block, path: Block, start: Calibration) -> Calibration:
    """Return gains and backgrounds that fit the maps, given the specimen.

    The background of a map is the mean of its pixels whose rays miss the specimen, all
    elements of it; where too few do, it stays. The gain is the one that makes the
    photons most likely, by expectation maximisation: each photon is shared between
    specimen and background in proportion to what they are expected to give; of a hit
    that was clipped to one, the photons behind it are expected. Gains are scaled to a
    mean of 1 for each element: a factor common to all tilts is the volume's.

    Parameters
    ----------
    measured
        The maps.
    projected
        ``(tilt, x, y, element)`` photons per pixel at gain 1, without background.
    path
        ``(tilt, x, y)`` length of the ray within the specimen, any unit.
    start
        What stays where the data do not tell.

    References
    ----------
    Shepp & Vardi (1982), IEEE Trans. Med. Imaging 1, 113-122.
    """
    background = _around(measured, path.transpose(0, 2, 1), start.background)
    return normalised(_fit_gains(measured, projected, Calibration(start.gain, background)))


def dose(measured: Measured, projected: Block, calibration: Calibration) -> ByElement:
    """Return the factor on the projection that makes the photons of each element likely."""
    fitted = _fit_gains(measured, projected, calibration).gain.mean(axis=1)
    before = calibration.gain.mean(axis=1)
    return np.divide(fitted, before, out=np.ones(len(before)), where=(before > 0) & (fitted > 0))


def _fit_gains(measured: Measured, projected: Block, start: Calibration) -> Calibration:
    """Return the likeliest gains, not normalised."""
    signal, background = projected.transpose(3, 0, 2, 1), start.background
    gain = start.gain.copy()
    for element, tilt in np.ndindex(*gain.shape):
        weight = measured.weight[tilt].astype(np.float64)
        of_map, counts = signal[element, tilt] * weight, measured.maps[element, tilt]
        seen = of_map.sum()
        for _ in range(N_EM if seen > 0 else 0):
            expected = gain[element, tilt] * signal[element, tilt] + background[element, tilt]
            behind = -np.expm1(-expected) if measured.signal == "hits" else expected
            gain[element, tilt] *= (of_map * counts / behind).sum() / seen
    return Calibration(gain, background)


def _around(measured: Measured, path: Series, before: PerMap) -> PerMap:
    """Return the mean of the pixels around the specimen, photons per pixel."""
    weight = measured.weight * (path <= 0)
    area = weight.sum(axis=(1, 2), dtype=np.float64)
    total = (measured.maps * weight).sum(axis=(2, 3), dtype=np.float64)
    mean = total / np.maximum(area, 1e-6)
    if measured.signal == "hits":
        mean = -np.log1p(-np.minimum(mean, 0.99))
    enough = area > FEWEST * weight[0].size
    return np.maximum(np.where(enough, mean, before), floor_of(measured))


def normalised(calibration: Calibration) -> Calibration:
    """Return gains of mean 1 for each element.

    A factor common to all tilts cannot be told from the yield: it is the volume's.
    """
    mean = calibration.gain.mean(axis=1, keepdims=True)
    return Calibration(calibration.gain / np.where(mean > 0, mean, 1), calibration.background)


def first_calibration(measured: Measured) -> Calibration:
    """Return the calibration that the data tell, before there is a volume.

    Where they do not tell the background of a map, it is the mean of the quarter of the
    field in which all maps together have the fewest photons.
    """
    photons, used = _tiles(measured.maps * measured.weight), _tiles(measured.weight)
    per_pixel = photons.sum(axis=(0, 1)) / np.maximum(used.sum(axis=0), 1e-6)
    per_pixel[used.sum(axis=0) <= 0] = np.inf
    lowest = np.argsort(per_pixel, kind="stable")[: max(per_pixel.size // 4, 1)]
    low = photons[..., lowest].sum(axis=-1) / np.maximum(used[..., lowest].sum(axis=-1), 1e-6)
    told = np.where(measured.background > 0, measured.background, low)
    gain = normalised(Calibration(measured.gain.astype(np.float64), told)).gain
    return Calibration(gain, np.maximum(told, floor_of(measured)))


def _tiles(images: np.ndarray) -> np.ndarray:
    """Return sums over the tiles of the last two axes, as one axis of tiles."""
    totals = images.astype(np.float64)
    for axis in (-2, -1):
        edges = np.linspace(0, totals.shape[axis], N_TILES, endpoint=False).astype(int)
        totals = np.add.reduceat(totals, np.unique(edges), axis=axis)
    return totals.reshape(*totals.shape[:-2], -1)
