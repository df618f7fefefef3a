"""Reconstructions of simulated specimens against the truth, and against the baselines.

Prints PSNR (whole volume, after the best scale), Dice (best threshold, truth above half its
maximum) and the frequency where the FSC with the truth falls to 0.5, each a mean over elements;
of dots, by how many pixels the mean thickness of an element is off (mean over elements) and by
how many points the uncovered share of the shell; processor seconds, compiling included; and how
much memory was taken: each method has a process of its own. The specimens are projected
analytically, not by the solvers' projector. Gain and background are not told; `fusion` is told the
HAADF, and the phases of dots.
"""

import argparse
import resource
import sys
import tempfile
import time
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from skimage.transform import iradon_sart

sys.path.insert(0, str(Path(__file__).parents[1]))

from chain import Measured, two_step
from metrics import best_dice, fsc_with_truth, psnr_db, shells

from stemedx.params import PhantomParams, RunConfig
from stemedx.project.blocks import block_to_volumes, maps_to_block
from stemedx.project.geometry import Geometry
from stemedx.project.projector import projector
from stemedx.reconstruct import dip_tv, fusion, poisson_tv, tv
from stemedx.reconstruct import measured as counted
from stemedx.reconstruct.calibration import Calibration
from stemedx.reconstruct.expectation import mlem
from stemedx.reconstruct.filters import box_mean
from stemedx.reconstruct.simultaneous import sirt
from stemedx.simulate.phantoms import acquire, make_specimen, truth_volumes

FILTER_PX = 11
BASELINES = ("sirt 20", "sirt 100", "sart 2", "mlem 20")
OURS = ("tv", "poisson_tv", "fusion", "dip_tv", "two_step")
USUAL = ("tv", "poisson_tv", "fusion", "two_step")  # a network in the loop: long without a GPU
PHANTOMS = ("core_shell", "rod")
COLUMNS = ("PSNR/dB", "Dice", "FSC0.5", "thick/px", "bare/pt", "CPU s", "MB")
SHELL = "S"
FORK = get_context("fork")  # what is measured need not be sent


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


def guide_of(recorded, specimen, names):
    """Return the HAADF and the phases of these names."""
    phases = RunConfig().reconstruct.phases
    told = {name: phases[name] for name in names}
    return counted.Guide(recorded.haadf, specimen.elements, told)


def chain_of(maps, specimen, folder, run):
    """Return the volumes of the paper's chain."""
    elements, pixel_nm = list(specimen.elements), specimen.phantom.pixel_nm
    return two_step(Measured(maps, specimen.tilt_deg, elements, pixel_nm), folder, run)


def ours_of(recorded, specimen, run):
    """Return what makes volumes of the counts, by our methods."""
    maps, tilt_deg, ours = recorded.counts, specimen.tilt_deg, run.reconstruct
    geometry, counts = Geometry(tilt_deg, *maps.shape[2:]), photons(maps, tilt_deg)
    names = tuple(ours.phases) if specimen.phantom.shape == "core_shell" else ()
    guide = guide_of(recorded, specimen, names)

    def chain():
        with tempfile.TemporaryDirectory() as folder:
            return chain_of(maps, specimen, folder, run)

    return {
        "tv": lambda: tv.reconstruct(maps, geometry, ours.tv),
        "poisson_tv": lambda: poisson_tv.reconstruct(counts, ours.poisson_tv).volumes,
        "fusion": lambda: fusion.reconstruct(counts, guide, ours.fusion).volumes,
        "dip_tv": lambda: dip_tv.reconstruct(counts, ours.dip_tv, "auto").volumes,
        "two_step": chain,
    }


def distances(volumes, truth):
    """Return PSNR, Dice and FSC 0.5, each a mean over elements."""
    pairs = list(zip(volumes, truth, strict=True))
    return np.array(
        [np.mean([of(v, t) for v, t in pairs]) for of in (psnr_db, best_dice, fsc_with_truth)]
    )


def of_shells(volumes, truth, elements):
    """Return how far off mean thickness (pixels) and bare share of the shell (points) are."""
    if SHELL not in elements:
        return np.nan, np.nan
    own, true = shells(volumes), shells(truth)
    off = np.abs(own - true)
    return off[:, 0].mean(), off[elements.index(SHELL), 1]


def measured(work):
    """Return what `work` returns, its processor seconds and the MB it took, in its own process."""
    receive, send = FORK.Pipe(duplex=False)
    child = FORK.Process(target=work_and_tell, args=(work, send))
    child.start()
    send.close()
    found = receive.recv()
    child.join()
    return found


def work_and_tell(work, send):
    """Send what `work` returns, its processor seconds, and its peak of memory above the start."""
    held = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    started = time.process_time()
    found = work()
    seconds, peak = time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF)
    send.send((found, seconds, (1024 * peak.ru_maxrss - held) / 1e6))


def measure(phantom, seed, run, asked):
    """Yield the method and its row of the table."""
    rng = np.random.default_rng(seed)
    specimen = make_specimen(phantom, rng)
    recorded, truth = acquire(specimen, rng), truth_volumes(specimen)
    methods = baselines(recorded.counts, specimen.tilt_deg) | ours_of(recorded, specimen, run)
    for method in [*BASELINES, *asked]:
        volumes, seconds, megabytes = measured(methods[method])
        shape = of_shells(volumes, truth, specimen.elements)
        yield method, [*distances(volumes, truth), *shape, seconds, megabytes]


def table(phantom, run, asked):
    """Print the table of one specimen: a mean over seeds for each method."""
    rows = {}
    for seed in range(asked.seeds):
        for method, figures in measure(phantom, seed, run, asked.methods):
            rows.setdefault(method, []).append(figures)
            tell(f"  seed {seed} {method}", figures)
    print(f"\n{phantom.shape}, peak {phantom.peak}, tilts {phantom.tilts}, {phantom.size_px}^3, "
          f"{asked.seeds} seeds")  # fmt: skip
    print(f"{'method':20s}", *(f"{column:>9s}" for column in COLUMNS))
    for method, values in rows.items():
        tell(method, np.mean(values, axis=0))
    best = np.max([np.mean(rows[method], axis=0) for method in BASELINES], axis=0)
    for method in asked.methods:
        gain = (found := np.mean(rows[method], axis=0)) - best
        print(f"{method} against the best baseline: {gain[0]:+.2f} dB, {gain[1]:+.3f} Dice, "
              f"FSC 0.5 {found[2] / best[2]:.2f} times")  # fmt: skip
    print(flush=True)


def tell(name, figures):
    """Print one row."""
    print(f"{name:20s}", *(f"{figure:9.3f}" for figure in figures), flush=True)


def main():
    """Print one table per specimen, tilt step and peak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phantoms", nargs="+", default=["core_shell"], choices=PHANTOMS)
    parser.add_argument("--peaks", type=float, nargs="+", default=[0.3])
    parser.add_argument("--steps", type=int, nargs="+", default=[10], help="of the tilt, degrees")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--methods", nargs="+", default=list(USUAL), choices=OURS)
    asked = parser.parse_args()
    phantom_of = partial(PhantomParams, size_px=asked.size)
    for shape in asked.phantoms:
        for step in asked.steps:
            for peak in asked.peaks:
                phantom = phantom_of(shape=shape, tilts=f"-60:60:{step}", peak=peak)
                table(phantom, RunConfig(), asked)


if __name__ == "__main__":
    main()
