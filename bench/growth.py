"""Print how time and memory grow with the width of the volume, each width in a process of its own.

Seconds are those of all cores together, which other work on the machine disturbs less, the least
of some repeats; the exponent is the slope of log seconds against log voxels. Memory is the peak of
the process above what it held with the maps, and the result is told beside it: what is more is at
most a few slabs for each thread where slices are independent, and one slab for `poisson_tv`, whose
slabs overlap. That has three balls around one centre, the largest of a third of the volume, and as
many iterations on each grid: how many it needs depends on the photons.
"""

import argparse
import json
import logging
import resource
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from stemedx.params import L1Params, PoissonTvParams
from stemedx.project.geometry import Geometry
from stemedx.project.projector import projector
from stemedx.reconstruct import poisson_tv
from stemedx.reconstruct.bregman import split_bregman
from stemedx.reconstruct.measured import Measured
from stemedx.reconstruct.simultaneous import sirt
from stemedx.reconstruct.slabs import solve_by_slabs

SIZES = (64, 96, 128, 192, 256, 384)
TILT_DEG = np.linspace(-60, 60, 13)
N_ELEMENTS = 3
N_TV_ITERATIONS = 20


def aligned(n):
    """Return a series that needs no alignment."""
    return Geometry(TILT_DEG, n, n)


def moved(n):
    """Return one that is rotated and shifted."""
    shift_px = np.random.default_rng(1).uniform(-5, 5, (len(TILT_DEG), 2))
    return Geometry(TILT_DEG, n, n, np.full(len(TILT_DEG), 8.0), shift_px)


def photons_of_balls(geometry):
    """Return the photons of three balls around one centre, from the lengths of their chords."""
    y, x = np.mgrid[: geometry.n_y, : geometry.n_x] - (geometry.n_x - 1) / 2
    maps = np.empty((N_ELEMENTS, geometry.n_tilts, *x.shape), np.uint8)
    rng = np.random.default_rng(0)
    for tilt in range(geometry.n_tilts):
        rotation, shift = geometry.motion(tilt)
        row, column = np.tensordot(rotation, np.stack([y, x]), 1) + shift[:, None, None]
        for element, radius in enumerate(geometry.n_x * np.array([0.43, 0.35, 0.25])):
            chord = 2 * np.sqrt(np.maximum(radius**2 - row**2 - column**2, 0))
            maps[element, tilt] = rng.poisson(0.5 * chord / geometry.n_x + 0.005)
    zeros, weight = np.zeros(maps.shape[:2]), np.ones(maps.shape[1:], np.float32)
    return Measured(maps, geometry, "counts", zeros + 1, zeros, weight)


def prepare(part, n):
    """Return what is timed, made of the name of a part and the width."""
    name, _, kind = part.partition(" ")
    geometry = {"aligned": aligned, "moved": moved}[kind](n)
    rng = np.random.default_rng(0)
    if name == "pair":
        operator = projector(geometry, N_ELEMENTS)
        volume = rng.random(operator.domain_shape, np.float32)
        maps = np.empty(operator.range_shape, np.float32)
        return lambda: operator.adjoint(operator.forward(volume, maps), volume)
    if name == "poisson_tv":
        params = PoissonTvParams(tv_weight=0.3, gap=1e-9, max_iterations=N_TV_ITERATIONS)
        return partial(poisson_tv.reconstruct, photons_of_balls(geometry), params)
    maps = rng.random((N_ELEMENTS, len(TILT_DEG), n, n), np.float32)
    if name == "sirt":
        return partial(solve_by_slabs, partial(sirt, n_iterations=10), maps, geometry)
    return partial(split_bregman, maps, geometry, L1Params(n_outer=3, n_inner=30))


PARTS = [
    f"{name} {kind}"
    for kind in ("aligned", "moved")
    for name in ("pair", "sirt", "l1", "poisson_tv")
]


def peak_mb():
    """Return the largest memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def measure(part, n, n_repeats):
    """Print seconds and MB as JSON."""
    logging.disable(logging.WARNING)  # that it has not converged is known
    work = prepare(part, n)
    before, seconds = peak_mb(), []
    for _ in range(n_repeats if n < 200 else 1):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    print(json.dumps([min(seconds), peak_mb() - before]))


def table(sizes, parts, n_repeats):
    """Print one row per part and width, and the exponent of each part."""
    print(
        f"{N_ELEMENTS} elements, {len(TILT_DEG)} tilts; sirt 10 iterations, l1 3 x 30,"
        f" poisson_tv {N_TV_ITERATIONS}"
    )
    for part in parts:
        rows = []
        for n in sizes:
            command = [sys.executable, __file__, "--measure", part, str(n), str(n_repeats)]
            seconds, megabytes = json.loads(subprocess.check_output(command, text=True))
            rows.append(seconds)
            result = 0 if part.startswith("pair") else N_ELEMENTS * n**3 * 4 / 1e6
            memory = f"{megabytes:8.0f} MB, of which result {result:6.0f}"
            print(f"  {part:<20}{n:5}{seconds:10.3f} core s  {memory}", flush=True)
        slope = np.polyfit(3 * np.log(sizes), np.log(rows), 1)[0]
        print(f"  {part:<20}time grows as voxels to the power {slope:.2f}", flush=True)


def main():
    """Print the table, or measure one width for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--measure", nargs=3, metavar=("PART", "N", "REPEATS"))
    args = parser.parse_args()
    if args.measure:
        part, n, n_repeats = args.measure
        measure(part, int(n), int(n_repeats))
    else:
        table(args.sizes, args.parts, args.repeats)


if __name__ == "__main__":
    main()
