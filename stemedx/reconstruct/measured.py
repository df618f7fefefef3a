"""Element maps together with what is known of how they were counted."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.ndimage import maximum_filter

from stemedx.arrays import Mask, MeasuredMaps, PerMap, Pixels, Series, Volumes
from stemedx.params import Phases
from stemedx.project.geometry import Geometry
from stemedx.project.place import HOST, Place

SIGNALS = ("counts", "hits", "intensity", "image")


@dataclass(frozen=True, eq=False)
class Measured:
    """What a statistical reconstruction reads.

    Attributes
    ----------
    maps
        ``(element, tilt, y, x)`` photons, hits, or intensities over `variance_to_mean`,
        in the measured frame.
    geometry
        Tilts, and how each map is aligned.
    signal
        ``counts``, ``hits``, ``intensity``, or ``image`` of Gaussian noise of 1.
    gain
        ``(element, tilt)`` factor on the photons of the specimen: dose and shadowing.
    background
        ``(element, tilt)`` photons per pixel that are not of the element; 0 where the
        data do not tell.
    weight
        ``(tilt, y, x)`` from 0, a pixel not to be used, to 1.
    place
        Where solvers work on them.
    """

    maps: MeasuredMaps
    geometry: Geometry
    signal: str
    gain: PerMap
    background: PerMap
    weight: Series
    place: Place = HOST

    def __post_init__(self) -> None:
        """Refuse maps and knowledge that do not belong together."""
        if self.signal not in SIGNALS:
            raise ValueError(
                f"expected a signal out of {', '.join(SIGNALS)}, found {self.signal!r}. "
                "Make the element maps again."
            )
        expected = {"gain": self.maps.shape[:2], "background": self.maps.shape[:2]}
        expected["weight"] = self.maps.shape[1:]
        for name, shape in expected.items():
            found = getattr(self, name).shape
            if found != shape:
                raise ValueError(
                    f"expected {name} of shape {shape} for maps of shape {self.maps.shape}, "
                    f"found {found}. Make the element maps and the alignment again."
                )

    def with_maps(self, maps: MeasuredMaps) -> "Measured":
        """Return the same acquisition with other photons."""
        return replace(self, maps=maps)


@dataclass(frozen=True, eq=False)
class Guide:
    """What is known besides the element maps.

    Attributes
    ----------
    images
        ``(tilt, y, x)`` HAADF in the frame of the maps, arbitrary units.
    elements
        Symbols of the maps.
    phases
        Phases that the specimen may hold; empty if that is not known.
    """

    images: Series
    elements: tuple[str, ...]
    phases: Phases


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """What a statistical reconstruction found.

    Attributes
    ----------
    volumes
        ``(element, z, y, x)`` photons per voxel at gain 1, in the aligned frame.
    facts
        What was fitted or chosen along, as plain data.
    """

    volumes: Volumes
    facts: dict[str, Any] = field(default_factory=dict)


def hot_pixels(measured: Measured) -> Mask:
    """Return ``(tilt, y, x)`` where a pixel stands far out of all its neighbours.

    One such pixel, a cosmic ray or a fault of the detector, can hold as many photons as
    the specimen. A pixel is hot if it exceeds twice the brightest of its eight
    neighbours by more than chance would do once in 10^8 pixels.
    """
    around = np.ones((1, 1, 3, 3), bool)
    around[0, 0, 1, 1] = False
    counts = measured.maps * np.asarray(measured.weight > 0)
    near = 2.0 * maximum_filter(counts, footprint=around, mode="constant")
    return (counts > near + 6 * np.sqrt(near) + 9).any(axis=0)


def without_hot_pixels(measured: Measured) -> Measured:
    """Return the same with weight 0 where a pixel is hot."""
    hot = hot_pixels(measured)
    if not hot.any():
        return measured
    return replace(measured, weight=np.where(hot, np.float32(0), measured.weight))


def hot_in(measured: Measured, what: str) -> list[str]:
    """Return one line on hot pixels and what is made of them; none if there is none."""
    hot = hot_pixels(measured)
    if not hot.any():
        return []
    tilt, y, x = (int(place) for place in np.argwhere(hot)[0])
    tilt_deg = measured.geometry.tilt_deg[tilt]
    return [f"{int(hot.sum())} hot pixels {what}, the first at {tilt_deg:g} deg, y {y}, x {x}"]


def gaps_in(measured: Measured, elements: Sequence[str]) -> list[str]:
    """Return what the maps do not tell, one line each; empty if nothing is missing.

    Elements without photons, tilts without a pixel to use, and maps of no gain.
    """
    said = []
    tilt_deg, maps = measured.geometry.tilt_deg, measured.maps
    is_used = (measured.weight > 0).any(axis=(1, 2))
    photons = (maps * measured.weight).any(axis=(1, 2, 3))
    if not is_used.all():
        named = ", ".join(f"{tilt:g}" for tilt in tilt_deg[~is_used])
        said.append(f"no pixel to use at tilts {named} deg")
    for element, has_any, gain in zip(elements, photons, measured.gain, strict=True):
        if not has_any:
            said.append(f"{element} has no photons: its volume is empty")
        elif (gain[is_used] <= 0).any():
            named = ", ".join(f"{tilt:g}" for tilt in tilt_deg[is_used & (gain <= 0)])
            said.append(f"{element} has no gain at tilts {named} deg: those maps are not used")
    return said


def binned(measured: Measured, n: int) -> Measured:
    """Return maps of ``n x n`` pixels summed into one; edges that are left over are cut.

    Sums of hits are counts nearly: what clipping took away stays away. Rows and columns
    are cut on both sides, so that the centre stays where it is (half a pixel off where
    an odd number is cut).
    """
    if n == 1:
        return measured
    geometry = measured.geometry
    weight = _summed(measured.weight, n) / n**2
    with np.errstate(invalid="ignore"):
        # photons of pixels in use, per share of the pixel in use
        used = _summed(measured.maps * measured.weight, n)
        maps = np.where(weight > 0, used / np.maximum(weight, 1e-6), 0)
    shift = None if geometry.shift_px is None else geometry.shift_px / n
    coarse = replace(geometry, n_y=maps.shape[2], n_x=maps.shape[3], shift_px=shift)
    signal = "counts" if measured.signal == "hits" else measured.signal
    return Measured(
        maps.astype(np.float32), coarse, signal, measured.gain,
        measured.background * n**2, weight.astype(np.float32), measured.place,
    )  # fmt: skip


def binned_images(images: Series, n: int) -> Pixels:
    """Return images of which ``n x n`` pixels were averaged into one, cut like the maps."""
    return images if n == 1 else (_summed(images, n) / n**2).astype(np.float32)


def _summed(images: np.ndarray, n: int) -> np.ndarray:
    """Return sums over squares of the last two axes."""
    *before, n_y, n_x = images.shape
    low_y, low_x = n_y % n // 2, n_x % n // 2
    cut = images[..., low_y : low_y + n_y // n * n, low_x : low_x + n_x // n * n]
    squares = cut.reshape(*before, n_y // n, n, n_x // n, n)
    return squares.sum(axis=(-3, -1), dtype=np.float64)
