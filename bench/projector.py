"""Time the projector pair (A and its adjoint) against ASTRA's 2-D CPU loop.

Both project the same volumes with the same kernel in the same run, into arrays made
once; so are ASTRA's objects, and each slice is copied in and out. Repeats alternate,
minima count.
"""

import argparse
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import astra
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from stemedx.project.geometry import Geometry
from stemedx.project.parallel import n_threads
from stemedx.project.projector import projector
from stemedx.project.system import system_matrix


@contextmanager
def astra_pair(tilt_deg, n):
    """Lend two functions, slice -> sinogram and back, by ASTRA's CPU algorithms."""
    geometry = astra.create_proj_geom("parallel", 1.0, n, -np.deg2rad(tilt_deg))
    grid = astra.create_vol_geom(n, n)
    projector_id = astra.create_projector("linear", geometry, grid)
    slice_id = astra.data2d.create("-vol", grid)
    sinogram_id = astra.data2d.create("-sino", geometry)
    common = {"ProjectorId": projector_id, "ProjectionDataId": sinogram_id}
    forward, adjoint = (
        astra.algorithm.create({"type": kind, "options": {}, **common, name: slice_id})
        for kind, name in (("FP", "VolumeDataId"), ("BP", "ReconstructionDataId"))
    )
    slice_zx, sinogram = (astra.data2d.get_shared(i) for i in (slice_id, sinogram_id))

    def run(algorithm_id, given, source, found, target):
        given[:] = source
        astra.algorithm.run(algorithm_id)
        target[:] = found

    try:
        yield (
            lambda source, target: run(forward, slice_zx, source, sinogram, target),
            lambda source, target: run(adjoint, sinogram, source, slice_zx, target),
        )
    finally:
        astra.algorithm.delete([forward, adjoint])
        astra.data2d.delete([slice_id, sinogram_id])
        astra.projector.delete(projector_id)


def seconds(work):
    """Time one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(n, n_slices, n_elements, n_tilts, n_repeats):
    """Return the least seconds of each part, and the largest difference of results."""
    tilt_deg = np.linspace(-60, 60, n_tilts)
    operator = projector(Geometry(tilt_deg, n_slices, n), n_elements)
    block = np.random.default_rng(0).random(operator.domain_shape, np.float32)
    # ASTRA gets its slices contiguous, as it likes them best.
    slices = np.ascontiguousarray(block.reshape(n, n, -1).transpose(2, 0, 1))
    sinograms = np.empty((len(slices), n_tilts, n), np.float32)
    backprojected = np.empty_like(slices)
    maps, copied = operator.forward(block), np.empty_like(block)

    with astra_pair(tilt_deg, n) as (forward, adjoint):

        def astra_forward():
            for source, target in zip(slices, sinograms, strict=True):
                forward(source, target)

        def astra_adjoint():
            for source, target in zip(sinograms, backprojected, strict=True):
                adjoint(source, target)

        parts = {
            "ours A": lambda: operator.forward(block, maps),
            "ours adjoint": lambda: operator.adjoint(maps, copied),
            "astra FP": astra_forward,
            "astra BP": astra_adjoint,
            "copy": lambda: np.copyto(copied, block),
        }
        times = [{name: seconds(work) for name, work in parts.items()} for _ in range(n_repeats)]
    least = {name: min(each[name] for each in times) for name in parts}
    ours = maps.reshape(n_tilts, n, -1).transpose(2, 0, 1)
    nnz = system_matrix(tilt_deg, n, n).nnz
    return least, np.abs(ours - sinograms).max() / sinograms.max(), 2 * nnz * len(slices) / 1e9


def main():
    """Print the times and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("n", 256), ("slices", 256), ("elements", 3), ("tilts", 13)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    sizes = args.n, args.slices, args.elements, args.tilts
    least, difference, gflop = measure(*sizes, args.repeats)
    print("{1} slices x {2} elements of {0} x {0}, {3} tilts".format(*sizes))
    for name, took in least.items():
        rate = "" if name == "copy" else f"  {gflop / took:6.1f} GFLOP/s"
        print(f"  {name:<13}{took:8.3f} s{rate}")
    ours = least["ours A"] + least["ours adjoint"]
    theirs = least["astra FP"] + least["astra BP"]
    print(f"pair, {n_threads()} threads: {ours:.3f} s; ASTRA's 2-D CPU loop: {theirs:.3f} s")
    print(f"  times faster than ASTRA        {theirs / ours:6.1f}")
    print(f"  times a copy of the volume     {ours / least['copy']:6.1f}")
    print(f"  largest difference of A and FP {difference:.1e} of the largest value")


if __name__ == "__main__":
    main()
