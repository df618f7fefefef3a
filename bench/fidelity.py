"""Reconstructions of simulated dots against the truth, and against the baselines.

Prints PSNR (whole volume, after the best scale), Dice (best threshold, truth above half its
maximum) and the frequency where the FSC with the truth falls to 0.5, each a mean over seeds and
elements. The specimens are projected analytically, not by the solvers' projector.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from skimage.transform import iradon_sart

sys.path.insert(0, str(Path(__file__).parents[1]))

from chain import Measured, two_step
from metrics import best_dice, fsc_with_truth, psnr_db

from stemedx.params import PhantomParams, RunConfig
from stemedx.project.blocks import block_to_volumes, maps_to_block
from stemedx.project.geometry import Geometry
from stemedx.project.projector import projector
from stemedx.reconstruct import dip_tv, poisson_tv, tv
from stemedx.reconstruct import measured as counted
from stemedx.reconstruct.calibration import Calibration
from stemedx.reconstruct.expectation import mlem
from stemedx.reconstruct.filters import box_mean
from stemedx.reconstruct.simultaneous import sirt
from stemedx.simulate.phantoms import acquire, make_specimen, truth_volumes

FILTER_PX = 11
BASELINES = ("sirt 20", "sirt 100", "sart 2", "mlem 20")
OURS = ("tv", "poisson_tv", "dip_tv", "two_step")
USUAL = ("tv", "poisson_tv", "two_step")  # a network in the loop takes long without a GPU


def mlem_of(filtered, geometry, n_iterations):
    """Maximum likelihood by expectation maximisation, from a flat start, of filtered maps."""
    nothing, operator = np.zeros(filtered.shape[:2]), projector(geometry, len(filtered))
    weight = np.ones(filtered.shape[1:], np.float32)
    measured = counted.Measured(filtered, geometry, "counts", nothing + 1, nothing, weight)
    even = Calibration(nothing + 1, nothing)
    return mlem(operator, measured, even, start=None, n_iterations=n_iterations)


def sart(maps, tilt_deg, n_sweeps):
    """scikit-image's SART, slice by slice; its angles run from -90 and its rows are ours in x."""
    n = maps.shape[-1]
    volumes = np.zeros((len(maps), n, maps.shape[2], n), np.float32)
    for element, series in enumerate(maps):
        for y in range(maps.shape[2]):
            sinogram = series[:, y].T.astype(np.float64)
            image = None
            for _ in range(n_sweeps):
                image = iradon_sart(sinogram, theta=-tilt_deg, image=image)
            volumes[element, :, y] = np.clip(image, 0, None)
    return volumes


def baselines(maps, tilt_deg):
    """Return what makes volumes of the filtered maps, by the methods that every package has."""
    n_elements, _, n_y, n_x = maps.shape
    geometry = Geometry(tilt_deg, n_y, n_x)
    operator = projector(geometry, n_elements)
    filtered = box_mean(maps, FILTER_PX)
    data = maps_to_block(filtered)
    return {
        "sirt 20": lambda: block_to_volumes(sirt(operator, data, 20)),
        "sirt 100": lambda: block_to_volumes(sirt(operator, data, 100)),
        "sart 2": lambda: sart(filtered, tilt_deg, 2),
        "mlem 20": lambda: block_to_volumes(mlem_of(filtered, geometry, 20)),
    }


def photons(maps, tilt_deg):
    """Return counts of which gain and background are not told."""
    nothing, geometry = np.zeros(maps.shape[:2]), Geometry(tilt_deg, *maps.shape[2:])
    weight = np.ones(maps.shape[1:], np.float32)
    return counted.Measured(maps, geometry, "counts", nothing + 1, nothing, weight)


def chain_of(maps, specimen, folder, run):
    """Return the volumes of the paper's chain."""
    elements, pixel_nm = list(specimen.elements), specimen.phantom.pixel_nm
    return two_step(Measured(maps, specimen.tilt_deg, elements, pixel_nm), folder, run)


def measure(phantom, seed, run, asked):
    """Yield method, seconds and the three distances, each a mean over elements."""
    rng = np.random.default_rng(seed)
    specimen = make_specimen(phantom, rng)
    maps, truth = acquire(specimen, rng).counts, truth_volumes(specimen)
    with tempfile.TemporaryDirectory() as folder:
        methods = baselines(maps, specimen.tilt_deg)
        tilt_deg, ours = specimen.tilt_deg, run.reconstruct
        geometry, counts = Geometry(tilt_deg, *maps.shape[2:]), photons(maps, tilt_deg)
        methods["tv"] = lambda: tv.reconstruct(maps, geometry, ours.tv)
        methods["poisson_tv"] = lambda: poisson_tv.reconstruct(counts, ours.poisson_tv).volumes
        methods["dip_tv"] = lambda: dip_tv.reconstruct(counts, ours.dip_tv, "auto").volumes
        methods["two_step"] = lambda: chain_of(maps, specimen, folder, run)
        for method in [*BASELINES, *asked]:
            reconstruct = methods[method]
            started = time.perf_counter()
            volumes = reconstruct()
            seconds = time.perf_counter() - started
            pairs = list(zip(volumes, truth, strict=True))
            figures = [
                np.mean([distance(v, t) for v, t in pairs])
                for distance in (psnr_db, best_dice, fsc_with_truth)
            ]
            yield method, seconds, *figures


def main():
    """Print one table per peak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peaks", type=float, nargs="+", default=[0.3])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--methods", nargs="+", default=list(USUAL), choices=OURS)
    asked = parser.parse_args()
    run = RunConfig()
    for peak in asked.peaks:
        phantom = PhantomParams(shape="core_shell", size_px=asked.size, peak=peak)
        rows = {}
        for seed in range(asked.seeds):
            for method, *figures in measure(phantom, seed, run, asked.methods):
                rows.setdefault(method, []).append(figures)
                print(f"  seed {seed} {method:10s}", *(f"{f:8.3f}" for f in figures), flush=True)
        print(f"\npeak {peak} hits/pixel, {asked.size}^3, {asked.seeds} seeds x 3 elements")
        print(f"{'method':10s} {'s':>8s} {'PSNR/dB':>8s} {'Dice':>8s} {'FSC0.5':>8s}")
        for method, values in rows.items():
            print(f"{method:10s}", *(f"{f:8.3f}" for f in np.mean(values, axis=0)))
        base = np.max([np.mean(rows[method], axis=0) for method in BASELINES], axis=0)
        for method in asked.methods:
            found = np.mean(rows[method], axis=0)
            gain = found - base
            print(f"{method} against the best baseline: {gain[1]:+.2f} dB, {gain[2]:+.3f} Dice, "
                  f"FSC 0.5 {found[3] / base[3]:.2f} times")  # fmt: skip
        print()


if __name__ == "__main__":
    main()
