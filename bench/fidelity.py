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
from stemedx.reconstruct.filters import box_mean
from stemedx.reconstruct.simultaneous import sirt
from stemedx.simulate.phantoms import acquire, make_specimen, truth_volumes

FILTER_PX = 11


def mlem(operator, data, n_iterations):
    """Maximum likelihood by expectation maximisation, from a flat start."""
    sensitivity = operator.adjoint(np.ones(operator.range_shape, np.float32))
    estimate = (sensitivity > 0).astype(np.float32)
    for _ in range(n_iterations):
        expected = operator.forward(estimate)
        ratio = np.divide(data, expected, np.zeros_like(data), where=expected > 1e-9)
        update = operator.adjoint(ratio)
        estimate *= np.divide(update, sensitivity, np.zeros_like(update), where=sensitivity > 0)
    return estimate


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
    operator = projector(Geometry(tilt_deg, n_y, n_x), n_elements)
    filtered = box_mean(maps, FILTER_PX)
    data = maps_to_block(filtered)
    return {
        "sirt 20": lambda: block_to_volumes(sirt(operator, data, 20)),
        "sirt 100": lambda: block_to_volumes(sirt(operator, data, 100)),
        "sart 2": lambda: sart(filtered, tilt_deg, 2),
        "mlem 20": lambda: block_to_volumes(mlem(operator, data, 20)),
    }


def chain_of(maps, specimen, folder, run):
    """Return the volumes of the paper's chain."""
    elements, pixel_nm = list(specimen.elements), specimen.phantom.pixel_nm
    return two_step(Measured(maps, specimen.tilt_deg, elements, pixel_nm), folder, run)


def measure(phantom, seed, run):
    """Yield method, seconds and the three distances, each a mean over elements."""
    rng = np.random.default_rng(seed)
    specimen = make_specimen(phantom, rng)
    maps, truth = acquire(specimen, rng).counts, truth_volumes(specimen)
    with tempfile.TemporaryDirectory() as folder:
        methods = baselines(maps, specimen.tilt_deg)
        methods["two_step"] = lambda: chain_of(maps, specimen, folder, run)
        for method, reconstruct in methods.items():
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
    asked = parser.parse_args()
    run = RunConfig()
    for peak in asked.peaks:
        phantom = PhantomParams(shape="core_shell", size_px=asked.size, peak=peak)
        rows = {}
        for seed in range(asked.seeds):
            for method, *figures in measure(phantom, seed, run):
                rows.setdefault(method, []).append(figures)
                print(f"  seed {seed} {method:10s}", *(f"{f:8.3f}" for f in figures), flush=True)
        print(f"\npeak {peak} hits/pixel, {asked.size}^3, {asked.seeds} seeds x 3 elements")
        print(f"{'method':10s} {'s':>8s} {'PSNR/dB':>8s} {'Dice':>8s} {'FSC0.5':>8s}")
        for method, values in rows.items():
            print(f"{method:10s}", *(f"{f:8.3f}" for f in np.mean(values, axis=0)))
        base = np.max([np.mean(v, axis=0) for m, v in rows.items() if m != "two_step"], axis=0)
        gain = np.mean(rows["two_step"], axis=0) - base
        fsc = np.mean(rows["two_step"], axis=0)[3] / base[3]
        print(
            f"two_step against the best baseline: {gain[1]:+.2f} dB, {gain[2]:+.3f} Dice, ", end=""
        )
        print(f"FSC 0.5 {fsc:.2f} times\n")


if __name__ == "__main__":
    main()
