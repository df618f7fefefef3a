"""Simulated specimens: truth volumes, expected maps, counts and HAADF.

The shapes are projected by another route than the solvers': the analytic shape is
asked on a grid that turns with the beam, twice as fine as the pixels, and summed along
it. Nothing of `stemedx.project` is used.
"""

from dataclasses import dataclass

import numpy as np

from stemedx.arrays import (
    Counts,
    Gains,
    MaterialShares,
    Rates,
    Series,
    Shifts,
    TiltAngles,
    Volumes,
)
from stemedx.params import PhantomParams, tilt_range
from stemedx.simulate.shapes import Body, make_core_shell, make_empty, make_rod

SUPERSAMPLING = 2
SLAB = 8  # fine rows that are asked at once
HAADF_EXPONENT = 1.7


@dataclass(frozen=True)
class Material:
    """Photons per element and pixel of path, relative; atomic numbers of its atoms."""

    yields: dict[str, float]
    atomic_numbers: tuple[int, ...]


INP = Material({}, (49, 15))
ZNSE = Material({"Se": 1.0, "Zn": 1.0}, (30, 34))
ZNS = Material({"S": 1.0, "Zn": 1.0}, (30, 16))
GOLD = Material({"Au": 1.0}, (79,))
DOT_ELEMENTS = ("Se", "S", "Zn")


@dataclass(frozen=True)
class Specimen:
    """A phantom whose random choices are made.

    Attributes
    ----------
    phantom
        The parameters it was made from.
    body
        Its shape.
    elements
        Symbols, in the order of the element axis.
    yields
        ``(element, material)`` expected photons per pixel of path at gain 1, such that
        the brightest pixel of the strongest element expects `phantom.peak` of them.
    haadf_weights
        ``(material)`` HAADF signal per pixel of path: the sum of ``Z^1.7``.
    """

    phantom: PhantomParams
    body: Body
    elements: tuple[str, ...]
    yields: np.ndarray
    haadf_weights: np.ndarray

    @property
    def tilt_deg(self) -> TiltAngles:
        """Rising tilts, degrees."""
        return np.array(tilt_range(self.phantom.tilts))


@dataclass(frozen=True)
class Acquisition:
    """What the microscope adds, and what it records.

    Attributes
    ----------
    shifts_px
        ``(tilt, (y, x))`` displacement of the specimen in the map, pixels.
    gains
        ``(element, tilt)`` factors on the expected photons of the specimen.
    expected
        ``(element, tilt, y, x)`` expected photons, background included.
    counts
        ``(element, tilt, y, x)`` detected photons; 0 or 1 where the phantom says hits.
    haadf
        ``(tilt, y, x)`` HAADF, arbitrary units.
    """

    shifts_px: Shifts
    gains: Gains
    expected: Rates
    counts: Counts
    haadf: Series


def make_specimen(phantom: PhantomParams, rng: np.random.Generator) -> Specimen:
    """Draw the shape of a phantom, and scale its yields to the phantom's peak."""
    body, materials, elements = _parts(phantom, rng)
    yields = np.array([[m.yields.get(e, 0.0) for m in materials] for e in elements])
    yields = yields.reshape(len(elements), len(materials))
    weights = [sum(z**HAADF_EXPONENT for z in m.atomic_numbers) for m in materials]
    specimen = Specimen(phantom, body, elements, yields, np.array(weights))
    if not materials:
        return specimen
    paths = path_lengths(specimen, specimen.tilt_deg, _no_shifts(specimen))
    brightest = float(np.tensordot(yields, paths, axes=1).max())
    scaled = yields * phantom.peak / brightest
    return Specimen(phantom, body, elements, scaled, np.array(weights))


def make_truth(phantom: PhantomParams, rng: np.random.Generator) -> tuple[list[str], Volumes]:
    """Return the elements of a phantom and their volumes.

    The first use of a fresh `rng` draws the shape: with equal seeds this is the
    specimen that `make_specimen` makes.

    Returns
    -------
    elements, volumes
        Symbols; ``(element, z, y, x)`` expected photons per pixel of path at gain 1,
        averaged over each voxel.
    """
    specimen = make_specimen(phantom, rng)
    return list(specimen.elements), truth_volumes(specimen)


def truth_volumes(specimen: Specimen) -> Volumes:
    """Return ``(element, z, y, x)`` expected photons per pixel of path, voxel by voxel."""
    n = specimen.phantom.size_px
    fine = _fine(n)
    shares = np.empty((specimen.yields.shape[1], n, n, n))
    for slab in range(0, n, SLAB):
        z = fine[SUPERSAMPLING * slab : SUPERSAMPLING * (slab + SLAB)]
        labels = _labels(specimen.body, z, fine, fine, angle=0.0)
        labels = labels.reshape(-1, SUPERSAMPLING, n, SUPERSAMPLING, n, SUPERSAMPLING)
        shares[:, slab : slab + SLAB] = _shares(specimen, labels, (1, 3, 5))
    return np.tensordot(specimen.yields, shares, axes=1).astype(np.float32)


def acquire(specimen: Specimen, rng: np.random.Generator) -> Acquisition:
    """Draw shifts and gains, and record counts and HAADF.

    Counts are Poisson about `expected`, clipped to 1 where the phantom says hits. The
    HAADF noise is Gaussian, its standard deviation the largest value over
    `haadf_snr`.
    """
    phantom, tilt_deg = specimen.phantom, specimen.tilt_deg
    shifts = _draw_shifts(len(tilt_deg), phantom.shift_px, rng)
    spread = phantom.gain_spread
    gains = rng.uniform(1 - spread, 1 + spread, (len(specimen.elements), len(tilt_deg)))
    paths = path_lengths(specimen, tilt_deg, shifts)
    expected = _expected(specimen, paths, gains)
    counts = rng.poisson(expected).astype(np.uint16)
    haadf = np.tensordot(specimen.haadf_weights, paths, axes=1)
    noise = haadf.max() / phantom.haadf_snr if haadf.any() else 1.0
    haadf += rng.normal(0, noise, haadf.shape)
    recorded = np.minimum(counts, 1) if phantom.hits else counts
    return Acquisition(shifts, gains, expected, recorded, haadf.astype(np.float32))


def expected_maps(
    specimen: Specimen, tilt_deg: TiltAngles, shifts_px: Shifts, gains: Gains
) -> Rates:
    """Return the photons that each pixel expects, background included.

    Parameters
    ----------
    specimen
        From `make_specimen`.
    tilt_deg
        ``(tilt)`` degrees.
    shifts_px
        ``(tilt, (y, x))`` displacement of the specimen in the map, pixels.
    gains
        ``(element, tilt)`` factors on the photons of the specimen.

    Returns
    -------
    expected
        ``(element, tilt, y, x)`` photons.
    """
    return _expected(specimen, path_lengths(specimen, tilt_deg, shifts_px), gains)


def path_lengths(specimen: Specimen, tilt_deg: TiltAngles, shifts_px: Shifts) -> MaterialShares:
    """Return ``(material, tilt, y, x)`` lengths of the beam in each material, pixels.

    A point at ``(z, x)`` from the centre is seen at ``x cos(tilt) + z sin(tilt)``, plus
    the shift of that tilt. The lengths are averages over the area of a pixel.
    """
    n = specimen.phantom.size_px
    paths = np.zeros((specimen.yields.shape[1], len(tilt_deg), n, n))
    for tilt, (angle, shift) in enumerate(zip(np.deg2rad(tilt_deg), shifts_px, strict=True)):
        paths[:, tilt] = _one_view(specimen, float(angle), shift)
    return paths


def _one_view(specimen: Specimen, angle: float, shift: np.ndarray) -> np.ndarray:
    n, reach = specimen.phantom.size_px, specimen.body.reach_px
    fine = _fine(n)
    step = 1 / SUPERSAMPLING
    depth = (np.arange(-np.ceil(reach / step), np.ceil(reach / step)) + 0.5) * step
    view = np.empty((specimen.yields.shape[1], n, n))
    for slab in range(0, n, SLAB):
        rows = fine[SUPERSAMPLING * slab : SUPERSAMPLING * (slab + SLAB)] - shift[0]
        labels = _labels(specimen.body, depth, rows, fine - shift[1], angle=angle)
        labels = labels.reshape(len(depth), -1, SUPERSAMPLING, n, SUPERSAMPLING)
        shares = _shares(specimen, labels, (0, 2, 4))
        view[:, slab : slab + SLAB] = shares * len(depth) * step
    return view


def _labels(
    body: Body, depth: np.ndarray, rows: np.ndarray, columns: np.ndarray, *, angle: float
) -> np.ndarray:
    """Return the ``(depth, row, column)`` materials that a turned grid meets.

    Only points within the body's reach are asked.
    """
    squares = (depth**2)[:, None, None] + (rows**2)[:, None] + columns**2
    inside = np.flatnonzero(squares <= body.reach_px**2)
    i, j, k = np.unravel_index(inside, squares.shape)
    # the specimen turns, the beam does not: back into the specimen's own frame
    z = columns[k] * np.sin(angle) + depth[i] * np.cos(angle)
    x = columns[k] * np.cos(angle) - depth[i] * np.sin(angle)
    labels = np.zeros(squares.size, np.uint8)
    labels[inside] = body.shape(np.stack([z, rows[j], x]).astype(np.float32))
    return labels.reshape(squares.shape)


def _expected(specimen: Specimen, paths: np.ndarray, gains: np.ndarray) -> np.ndarray:
    signal = np.tensordot(specimen.yields, paths, axes=1)
    background = specimen.phantom.background * specimen.phantom.peak
    return (signal * gains[:, :, None, None] + background).astype(np.float32)


def _parts(
    phantom: PhantomParams, rng: np.random.Generator
) -> tuple[Body, tuple[Material, ...], tuple[str, ...]]:
    if phantom.shape == "rod":
        return make_rod(phantom.size_px, rng), (GOLD,), ("Au",)
    if phantom.shape == "empty":
        return make_empty(), (), DOT_ELEMENTS
    body = make_core_shell(phantom.size_px, phantom.uncovered_percent, rng)
    return body, (INP, ZNSE, ZNS), DOT_ELEMENTS


def _draw_shifts(n_tilts: int, largest: float, rng: np.random.Generator) -> np.ndarray:
    """Return ``(tilt, (y, x))`` shifts within +- `largest` whose mean is zero."""
    shifts = rng.uniform(-largest, largest, (n_tilts, 2))
    shifts -= shifts.mean(axis=0)
    beyond = np.abs(shifts).max(axis=0)
    # taking the mean away may lead out of the range: shrink, which keeps the mean
    return shifts * np.divide(largest, beyond, out=np.ones(2), where=beyond > largest)


def _no_shifts(specimen: Specimen) -> np.ndarray:
    return np.zeros((len(specimen.tilt_deg), 2))


def _fine(n: int) -> np.ndarray:
    """Return the centres of the fine cells of `n` pixels, from the centre of the map."""
    return (np.arange(SUPERSAMPLING * n) + 0.5) / SUPERSAMPLING - n / 2


def _shares(specimen: Specimen, labels: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Return the share of each material among the fine cells along `axes`."""
    counted = [(labels == m).mean(axis=axes) for m in range(specimen.yields.shape[1] + 1)]
    return np.stack(counted)[1:]
