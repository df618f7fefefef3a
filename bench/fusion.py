"""Fusion of simulated dots against the truth, at three doses and under stress.

Prints PSNR (whole volume, after the best scale), Dice (best threshold, truth above half its
maximum) and the frequency where the FSC with the truth falls to 0.5, each a mean over elements;
the best baseline (sirt, SART, MLEM of 11 x 11 means) of each figure in the same run; processor
seconds and the largest memory of the process so far. The specimens are projected analytically,
not by the solvers' projector.

Stress rows are compared with the same seed and peak without stress. `weights`: HAADF per voxel
of ZnSe 20 % above and of ZnS and InP 20 % below what the atomic numbers tell (`weights_back`: the
other way round); `misaligned`: each tilt displaced along x and y, 1 px rms each, and not told;
`diffused`: Se and S exchanged over 2 px (standard deviation); `missing`: InP is in the specimen,
not in the list. `edges`: no phase is told, so that only edges of HAADF guide; against `poisson_tv`
of the same photons. `coreless`: a dot without InP, listed or not: nothing is missing, so nothing
may be told. `large`: time and memory of `fusion` and `poisson_tv` for a dot of ellipsoids in 256^3.
"""

import argparse
import resource
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from ellipsoids import DOT, TILTS, project
from fidelity import BASELINES, baselines, chain_of, distances, guide_of, photons

from stemedx.params import PhantomParams, RunConfig
from stemedx.project.geometry import Geometry
from stemedx.reconstruct import fusion, poisson_tv
from stemedx.reconstruct.measured import Guide, Measured
from stemedx.reconstruct.mixture import haadf_of
from stemedx.simulate.phantoms import acquire, make_specimen, truth_volumes

RUN = RunConfig()
ALL = RUN.reconstruct.phases
INP, CORE = 1, 2  # labels of a dot
DIFFUSED_PX = 2.0
N_DRAWS = 8  # of diffused atoms in each voxel of the truth
FEW_TILTS = "-60:60:30"


@dataclass(frozen=True)
class Row:
    """One case: the phantom, what is wrong with the specimen or with what is told of it."""

    phantom: dict = field(default_factory=dict)
    weights: tuple = (1.0, 1.0, 1.0)  # on the HAADF of InP, ZnSe, ZnS
    phases: tuple = tuple(ALL)
    is_diffused: bool = False


STRESS = {
    "noisy": Row({"haadf_snr": 8.0}),
    "weights": Row(weights=(0.8, 1.2, 0.8)),
    "weights_back": Row(weights=(1.2, 0.8, 1.2)),
    # uniform within +- this has a standard deviation of 1
    "misaligned": Row({"shift_px": 3**0.5}),
    "diffused": Row(is_diffused=True),
    "missing": Row(phases=("ZnSe", "ZnS")),
}
NO_PHASES = Row(phases=())
ROWS = ("peaks", "edges", *STRESS, "few_tilts", "coreless", "large")
ELEMENTS = ("Se", "S", "Zn")
LARGER = 4  # than the ellipsoids of 64 pixels
GIVEN_WEIGHT = 0.18  # by the dose at 0.2 photons in the brightest pixel


def diffused(shape, rng):
    """Return the shape in which atoms of core and shell have changed places; its outside stays."""

    def mixed(points):
        labels = shape(points)
        where = np.flatnonzero(labels >= CORE)
        moved = points[:, where] + rng.normal(0, DIFFUSED_PX, (3, len(where)))
        found = shape(moved.astype(points.dtype))
        labels[where] = np.where(found >= CORE, found, labels[where])
        return labels

    return mixed


def simulated(row, peak, seed):
    """Return specimen, acquisition and truth."""
    phantom = PhantomParams(shape="core_shell", size_px=64, peak=peak, **row.phantom)
    rng = np.random.default_rng(seed)
    specimen = make_specimen(phantom, rng)
    specimen = replace(specimen, haadf_weights=specimen.haadf_weights * row.weights)
    if not row.is_diffused:
        return specimen, acquire(specimen, rng), truth_volumes(specimen)
    body = replace(specimen.body, shape=diffused(specimen.body.shape, np.random.default_rng(seed)))
    specimen = replace(specimen, body=body)
    truth = np.mean([truth_volumes(specimen) for _ in range(N_DRAWS)], axis=0)
    return specimen, acquire(specimen, rng), truth


def fused(specimen, recorded, phases):
    """Return the volumes of `fusion`; gain and background are not told."""
    measured = photons(recorded.counts, specimen.tilt_deg)
    return fusion.reconstruct(
        measured, guide_of(recorded, specimen, phases), RUN.reconstruct.fusion
    )


def tell(name, peak, seed, figures, seconds, said=""):
    """Print a line of the table."""
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    values = " ".join(f"{figure:8.3f}" for figure in figures)
    print(f"{name:14s} {peak:5.2f} {seed:4d} {values} {seconds:8.1f} {gigabytes:7.2f}  {said}",
          flush=True)  # fmt: skip


def measure(name, row, peak, seed):
    """Make and tell one case; return its distances."""
    specimen, recorded, truth = simulated(row, peak, seed)
    started = time.process_time()
    found = fused(specimen, recorded, row.phases)
    seconds, figures = time.process_time() - started, distances(found.volumes, truth)
    tell(name, peak, seed, figures, seconds, "; ".join(found.facts.get("warnings", ())))
    return figures


def against_baselines(peak, seed):
    """Make and tell fusion and the best baseline of the same photons; return both."""
    specimen, recorded, truth = simulated(Row(), peak, seed)
    methods = baselines(recorded.counts, specimen.tilt_deg)
    started = time.process_time()
    best = np.max([distances(methods[name](), truth) for name in BASELINES], axis=0)
    tell("best baseline", peak, seed, best, time.process_time() - started)
    return measure("fusion", Row(), peak, seed), best


def peaks(asked):
    """Compare with the baselines at each dose."""
    for peak in asked.peaks:
        pairs = np.array([against_baselines(peak, seed) for seed in asked.seeds])
        own, best = pairs.mean(axis=0)
        gain = pairs[:, 0, 0] - pairs[:, 1, 0]
        print(f"peak {peak}: {own[0] - best[0]:+.2f} dB (least {gain.min():+.2f}), Dice "
              f"{own[1]:.3f} (least {pairs[:, 0, 1].min():.3f}), FSC 0.5 {own[2] / best[2]:.2f} "
              f"times the best baseline\n", flush=True)  # fmt: skip


def against_photons(peak, seed):
    """Make and tell fusion without phases and poisson_tv of the same photons; return both."""
    specimen, recorded, truth = simulated(NO_PHASES, peak, seed)
    started = time.process_time()
    alone = poisson_tv.reconstruct(
        photons(recorded.counts, specimen.tilt_deg), RUN.reconstruct.poisson_tv
    )
    figures = distances(alone.volumes, truth)
    tell("poisson_tv", peak, seed, figures, time.process_time() - started)
    return measure("edges", NO_PHASES, peak, seed), figures


def edges(asked):
    """Tell at each dose what edges of HAADF are worth."""
    for peak in asked.peaks:
        pairs = np.array([against_photons(peak, seed) for seed in asked.seeds])
        own, alone = pairs.mean(axis=0)
        gain = pairs[:, 0] - pairs[:, 1]
        print(f"peak {peak}, edges of HAADF: {gain[:, 0].mean():+.2f} dB (least "
              f"{gain[:, 0].min():+.2f}), {gain[:, 1].mean():+.3f} Dice (least "
              f"{gain[:, 1].min():+.3f}), FSC 0.5 {own[2] / alone[2]:.2f} times poisson_tv\n",
              flush=True)  # fmt: skip


@cache
def calm(peak, seed):
    """Make and tell the case without stress, once."""
    return measure("fusion", Row(), peak, seed)


def stressed(name, asked):
    """Compare with the same without stress."""
    losses = []
    for seed in asked.seeds:
        without = calm(asked.stress_peak, seed)
        losses.append(without - measure(name, STRESS[name], asked.stress_peak, seed))
    loss = np.array(losses)
    print(f"{name}: loses {loss[:, 0].mean():.2f} dB (most {loss[:, 0].max():.2f}), "
          f"{loss[:, 1].mean():.3f} Dice\n", flush=True)  # fmt: skip


def large_dot(peak, seed):
    """Return maps and HAADF of a dot of ellipsoids in 256^3, and its phases."""
    of_materials = {"ZnSe": (1.0, 0.0, 1.0), "ZnS": (0.0, 1.0, 1.0)}
    phases = {name: ALL[name] for name in of_materials}
    wide = [replace(one, centre=tuple(LARGER * np.array(one.centre)),
                    axes=tuple(LARGER * np.array(one.axes))) for one in DOT]  # fmt: skip
    none = np.zeros((len(TILTS), 2))
    paths = project(wide, TILTS, none, 0.0, (64 * LARGER,) * 2, np.eye(3))
    told = np.linalg.lstsq(
        np.array(list(of_materials.values())).T, paths.reshape(3, -1), rcond=None
    )[0]
    image = haadf_of(phases) @ told
    rng = np.random.default_rng(seed)
    image = (image + rng.normal(0, image.max() / 25, image.shape)).reshape(paths.shape[1:])
    maps = rng.poisson((paths / paths.max() + 0.01) * peak)
    none = np.zeros(paths.shape[:2])
    measured = Measured(maps, Geometry(TILTS, *paths.shape[2:]), "counts", none + 1, none,
                        np.ones(image.shape, np.float32))  # fmt: skip
    return measured, Guide(image.astype(np.float32), ELEMENTS, phases)


def without_core(specimen):
    """Return the specimen with ZnSe in the place of its InP."""
    shape = specimen.body.shape

    def filled(points):
        labels = shape(points)
        return np.where(labels == INP, np.uint8(CORE), labels)

    return replace(specimen, body=replace(specimen.body, shape=filled))


def coreless(asked):
    """Tell of how many dots from which nothing is missing something is told."""
    for phases in (("ZnSe", "ZnS"), tuple(ALL)):
        n_told = 0
        for seed in asked.seeds:
            rng = np.random.default_rng(seed)
            phantom = PhantomParams(shape="core_shell", size_px=64, peak=asked.stress_peak)
            specimen = without_core(make_specimen(phantom, rng))
            recorded, started = acquire(specimen, rng), time.process_time()
            found = fused(specimen, recorded, phases)
            seconds, said = time.process_time() - started, found.facts["warnings"]
            figures = distances(found.volumes, truth_volumes(specimen))
            tell(f"of {len(phases)} phases", asked.stress_peak, seed, figures, seconds,
                 "; ".join(said))  # fmt: skip
            n_told += bool(said)
        print(f"without a core, {', '.join(phases)}: {n_told} of {len(asked.seeds)} told\n",
              flush=True)  # fmt: skip


def large(asked):
    """Tell how long 256^3 voxels, 3 elements and 13 tilts take."""
    measured, guide = large_dot(asked.stress_peak, asked.seeds[0])
    own, by_photons = RUN.reconstruct.fusion, RUN.reconstruct.poisson_tv
    given = {"tv_weight": GIVEN_WEIGHT}
    guided = partial(fusion.reconstruct, measured, guide, own.model_copy(update=given))
    timed("fusion, given weight", guided)
    chosen = timed(
        "poisson_tv, chosen weights", partial(poisson_tv.reconstruct, measured, by_photons)
    )
    given = {"tv_weight": float(np.exp(np.log(chosen.facts["tv_weight"]).mean()))}
    alone = partial(poisson_tv.reconstruct, measured, by_photons.model_copy(update=given))
    timed("poisson_tv, their mean given", alone)


def timed(name, work):
    """Print how long 256^3 voxels take, and return what `work` returns."""
    started, wall = time.process_time(), time.monotonic()
    found = work()
    seconds, gigabytes = time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF)
    print(f"256^3, 3 elements, 13 tilts, {name:28s}: {seconds:4.0f} CPU s, "
          f"{time.monotonic() - wall:4.0f} s, {gigabytes.ru_maxrss / 2**20:.1f} GB so far",
          flush=True)  # fmt: skip
    return found


def few_tilts(asked):
    """Compare fusion of 5 tilts with the paper's chain of 13, at peak 0.3."""
    for seed in asked.seeds:
        few = measure("fusion, 5", Row({"tilts": FEW_TILTS}), 0.3, seed)
        specimen, recorded, truth = simulated(Row(), 0.3, seed)
        started = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            found = distances(chain_of(recorded.counts, specimen, folder, RUN), truth)
        tell("two_step, 13", 0.3, seed, found, time.process_time() - started)
        print(f"5 tilts with fusion: {few[0] - found[0]:+.2f} dB, {few[1] - found[1]:+.3f} Dice\n",
              flush=True)  # fmt: skip


ALONE = {"edges": edges, "coreless": coreless, "few_tilts": few_tilts, "large": large}


def main():
    """Print the rows that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=ROWS)
    parser.add_argument("--peaks", type=float, nargs="+", default=[0.1, 0.2, 0.3])
    parser.add_argument("--stress-peak", type=float, default=0.2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    asked = parser.parse_args()
    print(f"{'row':14s} {'peak':>5s} {'seed':>4s} {'PSNR/dB':>8s} {'Dice':>8s} {'FSC0.5':>8s} "
          f"{'CPU s':>8s} {'GB':>7s}")  # fmt: skip
    for row in asked.rows:
        if row == "peaks":
            peaks(asked)
        elif row in ALONE:
            ALONE[row](asked)
        else:
            stressed(row, asked)


if __name__ == "__main__":
    main()
