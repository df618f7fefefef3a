"""Time `sirt` and `l1` against other packages' SIRT, on the same noisy maps, in one run.

Peers work slice by slice, so a few slices are timed and scaled to all. Each runs until its misfit
is that of our `sirt`, or no longer falls. ASTRA's misfit is measured with the kernel that we
share, ETSpy's with its own; scikit-image's, which cannot be had alone, with ours. ETSpy is timed
where it is installed (`pip install etspy`). Part `devices` times our `sirt` and `poisson_tv` by
compiled kernels, by torch on the CPU, and by torch on a CUDA device where there is one, after a
small problem that starts the libraries.
"""

import argparse
import logging
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path

import astra
import numpy as np
import torch
from skimage.transform import iradon_sart

sys.path.insert(0, str(Path(__file__).parents[1]))

from stemedx.params import L1Params, PoissonTvParams
from stemedx.project.blocks import maps_to_block
from stemedx.project.geometry import Geometry
from stemedx.project.on_device import OnDevice
from stemedx.project.parallel import n_threads
from stemedx.project.place import HOST
from stemedx.project.projector import projector
from stemedx.reconstruct import poisson_tv
from stemedx.reconstruct.bregman import split_bregman
from stemedx.reconstruct.dual import dual_solver
from stemedx.reconstruct.filters import box_mean
from stemedx.reconstruct.measured import Measured
from stemedx.reconstruct.simultaneous import sirt
from stemedx.reconstruct.slabs import solve_by_slabs

TILT_DEG = np.linspace(-60, 60, 13)
PAPER = L1Params(n_outer=30, n_inner=30)
PEER_THREADS = 2
N_TV_ITERATIONS = 40


def counts_of_balls(n, n_elements):
    """Return counts of balls off the centre, one smaller than the other."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:n, :n] - (n - 1) / 2
    maps = np.empty((n_elements, len(TILT_DEG), n, n), np.uint8)
    for element, tilt in np.ndindex(*maps.shape[:2]):
        radius, angle = (0.3 - 0.05 * element) * n, np.deg2rad(TILT_DEG[tilt])
        x0 = 0.05 * n * np.cos(angle) + 0.03 * n * np.sin(angle)
        chord = np.sqrt(np.clip(radius**2 - (x - x0) ** 2 - (y + 0.02 * n) ** 2, 0, None))
        maps[element, tilt] = rng.poisson(0.5 * chord / radius)
    return maps


def noisy_maps(n, n_elements):
    """Return the same, filtered."""
    return box_mean(counts_of_balls(n, n_elements), 11)


def moved(n):
    """Return an alignment like that of a hand-held series: 8 degrees, shifts of 5 pixels."""
    shift_px = np.random.default_rng(1).uniform(-5, 5, (len(TILT_DEG), 2))
    return Geometry(TILT_DEG, n, n, np.full(len(TILT_DEG), 8.0), shift_px)


def timed(work):
    """Return what `work` returns, and its seconds."""
    start = time.perf_counter()
    found = work()
    return found, time.perf_counter() - start


@contextmanager
def astra_projector(kernel, n):
    """Lend the number of an ASTRA projector, and its geometries."""
    geometry = astra.create_proj_geom("parallel", 1.0, n, -np.deg2rad(TILT_DEG))
    grid = astra.create_vol_geom(n, n)
    try:
        yield astra.create_projector(kernel, geometry, grid), geometry, grid
    finally:
        astra.clear()


def misfit(slices, sinograms, kernel):
    """Return |A x - y| / |y| of ``(y, z, x)`` slices, with a kernel of ASTRA."""
    with astra_projector(kernel, slices.shape[-1]) as (number, _, _):
        projected = [astra.create_sino(each, number)[1] for each in slices]
    return np.linalg.norm(projected - sinograms) / np.linalg.norm(sinograms)


def astra_sirt(sinograms, n_iterations):
    """ASTRA's 2-D SIRT on the CPU, linear kernel, x >= 0; its objects are made once."""
    n = sinograms.shape[-1]
    slices = np.empty((len(sinograms), n, n), np.float32)
    with astra_projector("linear", n) as (number, geometry, grid):
        config = {
            "type": "SIRT",
            "ProjectorId": number,
            "ReconstructionDataId": astra.data2d.create("-vol", grid),
            "ProjectionDataId": astra.data2d.create("-sino", geometry),
            "option": {"MinConstraint": 0},
        }
        algorithm = astra.algorithm.create(config)
        for sinogram, found in zip(sinograms, slices, strict=True):
            astra.data2d.store(config["ProjectionDataId"], sinogram)
            astra.data2d.store(config["ReconstructionDataId"], 0)
            astra.algorithm.run(algorithm, n_iterations)
            found[:] = astra.data2d.get_shared(config["ReconstructionDataId"])
    return slices


def etspy_sirt(sinograms, n_iterations):
    """ETSpy's SIRT on the CPU: ASTRA's with the strip kernel, slices shared by threads."""
    recon = import_module("etspy.recon")
    logging.getLogger("etspy").setLevel(logging.WARNING)
    stack = np.ascontiguousarray(sinograms.transpose(1, 2, 0))
    options = {"constrain": True, "cuda": False, "ncores": PEER_THREADS}
    return recon.run(stack, -TILT_DEG, "SIRT", n_iterations, show_progressbar=False, **options)


def skimage_sart(sinograms, n_iterations):
    """scikit-image's SART, x >= 0 after each sweep."""
    slices = np.zeros((len(sinograms), *sinograms.shape[-1:] * 2), np.float32)
    for sinogram, found in zip(sinograms, slices, strict=True):
        image = None
        for _ in range(n_iterations):
            image = iradon_sart(sinogram.T, -TILT_DEG, image, clip=(0, np.inf))
        found[:] = image
    return slices


PEERS = {
    "ASTRA SIRT, 1 core": (astra_sirt, "linear", (100,)),
    "ETSpy SIRT, 2 cores": (etspy_sirt, "strip", (100, 150)),
    "scikit-image SART, 1 core": (skimage_sart, "linear", (2, 6, 18)),
}


def at_our_misfit(peer, kernel, n_iterations, sinograms, ours):
    """Return number, seconds and misfit of the fewest iterations that fit as ours do, or best."""
    best = (0, 0.0, np.inf)
    for n in n_iterations:
        slices, seconds = timed(partial(peer, sinograms, n))
        found = misfit(slices, sinograms, kernel)
        if found > 0.99 * best[2]:
            break
        best = n, seconds, found
        if found <= 1.03 * ours:
            break
    return best


def compare_sirt(n, n_elements, n_slices):
    """Print seconds of SIRT of ours and of peers, for all slices of all elements."""
    maps = noisy_maps(n, n_elements)
    solve = partial(sirt, n_iterations=100)
    volumes, seconds = timed(lambda: solve_by_slabs(solve, maps, Geometry(TILT_DEG, n, n)))
    rows = np.linspace(0.2 * n, 0.8 * n, n_slices).astype(int)
    sinograms = np.ascontiguousarray(maps[0][:, rows].transpose(1, 0, 2))
    ours = misfit(volumes[0].transpose(1, 0, 2)[rows], sinograms, "linear")
    print(f"SIRT, {n_elements} x {n}^3, {len(TILT_DEG)} tilts (peers: {n_slices} slices, scaled)")
    print(f"  {f'sirt, {n_threads()} threads':<28}{100:5} x {seconds:9.1f} s  misfit {ours:.4f}")
    for name, peer in PEERS.items():
        try:
            found = at_our_misfit(*peer, sinograms, ours)
        except ImportError as error:
            print(f"  {name:<28}not measured: {error}")
            continue
        theirs = found[1] * n * n_elements / n_slices
        times = f"{theirs / seconds:6.1f} times ours"
        print(f"  {name:<28}{found[0]:5} x {theirs:9.1f} s  misfit {found[2]:.4f}  {times}")


def by_voxels(operator, data, penalty, n_iterations):
    """Solve the inner system as the paper does: conjugate gradients from 0, over voxels."""

    def apply(x):
        return operator.adjoint(operator.forward(x)) + np.float32(penalty) * x

    def dot(a, b):
        return np.einsum("ij,ij->", a.reshape(len(a), -1), b.reshape(len(b), -1), dtype=float)

    residual = operator.adjoint(data)
    volume, direction, length = np.zeros_like(residual), residual.copy(), dot(residual, residual)
    for _ in range(n_iterations):
        image = apply(direction)
        step = np.float32(length / dot(direction, image))
        volume += step * direction
        residual -= step * image
        before, length = length, dot(residual, residual)
        direction = residual + np.float32(length / before) * direction
    return volume


def inner_residuals(maps, geometry):
    """Return how well the first inner system is solved, by 30 steps over voxels and by ours."""
    operator, data = projector(geometry, 1), 400 * maps_to_block(maps / maps.max())
    right, penalty = operator.adjoint(data), np.float32(PAPER.penalty)
    seen = data.copy()
    operator.unwarp(seen)
    pixels = dual_solver(geometry, PAPER.penalty, PAPER.n_inner)(operator, seen)
    found = by_voxels(operator, data, penalty, 30), operator.aligned.adjoint(pixels)
    left = (operator.adjoint(operator.forward(x)) + penalty * x for x in found)
    return [np.linalg.norm((each - right).ravel()) / np.linalg.norm(right.ravel()) for each in left]


def time_l1(n, n_elements):
    """Print seconds of the paper's 30 x 30, for aligned maps and for moved ones."""
    maps = noisy_maps(n, n_elements)
    print(f"l1 as published (30 outer x 30 inner), {n_elements} x {n}^3, {n_threads()} threads")
    for name, geometry in (("aligned", Geometry(TILT_DEG, n, n)), ("moved", moved(n))):
        _, seconds = timed(partial(split_bregman, maps, geometry, PAPER))
        theirs, ours = inner_residuals(maps[:1], geometry)
        print(f"  {name:<28}{seconds:9.1f} s  inner residual {ours:.1e} (30 CG: {theirs:.1e})")


def places():
    """Return names and places to solve at; None where there is no such device."""
    has_cuda = torch.cuda.is_available()
    cuda = torch.cuda.get_device_name() if has_cuda else "CUDA"
    return {
        f"compiled, {n_threads()} threads": HOST,
        f"torch on the CPU, {torch.get_num_threads()} threads": OnDevice(torch.device("cpu")),
        f"torch on {cuda}": OnDevice(torch.device("cuda")) if has_cuda else None,
    }


def solvers_of(n, n_elements):
    """Return what makes volumes at a place, by name: `sirt`, and `poisson_tv` not converged."""
    counts, geometry = counts_of_balls(n, n_elements), Geometry(TILT_DEG, n, n)
    nothing, weight = np.zeros(counts.shape[:2]), np.ones(counts.shape[1:], np.float32)
    measured = Measured(counts, geometry, "counts", nothing + 1, nothing + 1e-3, weight)
    params = PoissonTvParams(tv_weight=0.3, gap=1e-9, max_iterations=N_TV_ITERATIONS)
    maps, solve = box_mean(counts, 11), partial(sirt, n_iterations=100)
    return {
        "sirt, 100 iterations": lambda place: solve_by_slabs(solve, maps, geometry, place),
        f"poisson_tv, {N_TV_ITERATIONS} iterations on each grid": lambda place: (
            poisson_tv.reconstruct(replace(measured, place=place), params).volumes
        ),
    }


def compare_devices(n, n_elements):
    """Print seconds of the same solvers by place, and how far volumes differ."""
    logging.disable(logging.WARNING)  # that it has not converged is known
    small = solvers_of(32, n_elements)
    for solver, solve in solvers_of(n, n_elements).items():
        print(f"{solver}, {n_elements} x {n}^3, {len(TILT_DEG)} tilts")
        first = None
        for name, place in places().items():
            if place is None:
                print(f"  {name:<36}not measured: no CUDA device")
                continue
            small[solver](place)
            started = time.process_time()
            volumes, seconds = timed(partial(solve, place))
            core_seconds = time.process_time() - started
            first = (volumes, seconds) if first is None else first
            off = np.abs(volumes - first[0]).max() / first[0].max()
            print(f"  {name:<36}{seconds:9.2f} s  {first[1] / seconds:7.2f} times as fast  "
                  f"{core_seconds:9.2f} core s  largest difference {off:.1e}")  # fmt: skip


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=256, help="width of a slice, and their number")
    parser.add_argument("--slices", type=int, default=4, help="slices on which peers are timed")
    parts = ["1", "3", "l1", "devices"]
    parser.add_argument("--parts", nargs="+", default=parts, choices=parts)
    args = parser.parse_args()
    for n_elements in (int(part) for part in args.parts if part.isdigit()):
        compare_sirt(args.n, n_elements, args.slices)
    if "l1" in args.parts:
        time_l1(args.n, 3)
    if "devices" in args.parts:
        compare_devices(args.n, 3)


if __name__ == "__main__":
    main()
