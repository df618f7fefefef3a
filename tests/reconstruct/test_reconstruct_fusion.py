"""Fusion on a small simulated dot, against the same solver without HAADF."""

from dataclasses import replace

import numpy as np
import pytest

from stemedx.params import FusionParams, PhantomParams, PoissonTvParams
from stemedx.project.cropped import cropped_projector, whole
from stemedx.project.geometry import Geometry
from stemedx.reconstruct import fusion, poisson_tv
from stemedx.reconstruct.calibration import Calibration
from stemedx.reconstruct.measured import Guide, Measured
from stemedx.reconstruct.mixture import (
    Mixture,
    atoms_of,
    haadf_of,
    noise_of,
    voxels_told,
)
from stemedx.reconstruct.penalised import Fit
from stemedx.reconstruct.primal_dual import State
from stemedx.reconstruct.problem import SIMPLEX
from stemedx.reconstruct.shares import Settled, Steps, cost, level_of, settled
from stemedx.reconstruct.start import inverse_yields, occupied
from stemedx.simulate.phantoms import acquire, make_specimen, truth_volumes

PHASES = {
    "ZnSe": {"Zn": 1.0, "Se": 1.0},
    "ZnS": {"Zn": 1.0, "S": 1.0},
    "InP": {"In": 1.0, "P": 1.0},
}
N = 32
NOISE = 480.0  # of the HAADF: its brightest pixel over the phantom's SNR
QUICK = {"gap": 0.03, "max_iterations": 300}


@pytest.fixture(scope="module")
def dot():
    """A dot of few photons: specimen, what was recorded, truth."""
    phantom = PhantomParams(shape="core_shell", size_px=N, peak=1.0, tilts="-60:60:15")
    rng = np.random.default_rng(3)
    specimen = make_specimen(phantom, rng)
    return specimen, acquire(specimen, rng), truth_volumes(specimen)


def measured(specimen, counts):
    n = len(specimen.tilt_deg)
    ones = np.ones((n, N, N), np.float32)
    none = np.zeros((3, n))
    return Measured(counts, Geometry(specimen.tilt_deg, N, N), "counts", none + 1, none, ones)


def error(volumes, truth):
    """Of each element after the best scale, relative to the truth."""
    scale = (volumes * truth).sum(axis=(1, 2, 3)) / (volumes**2).sum(axis=(1, 2, 3))
    off = (scale[:, None, None, None] * volumes - truth) ** 2
    return np.sqrt(off.sum(axis=(1, 2, 3)) / (truth**2).sum(axis=(1, 2, 3)))


@pytest.mark.slow
def test_haadf_brings_the_elements_closer_to_the_truth(dot):
    specimen, recorded, truth = dot
    maps = measured(specimen, recorded.counts)
    guide = Guide(recorded.haadf, specimen.elements, PHASES)
    found = fusion.reconstruct(maps, guide, FusionParams(**QUICK))
    alone = poisson_tv.reconstruct(maps, PoissonTvParams(**QUICK))
    assert np.isfinite(found.volumes).all()
    assert found.volumes.min() >= 0
    assert found.facts["convergence"]["rows"][-1][1] > 0
    assert error(found.volumes, truth).mean() < 0.9 * error(alone.volumes, truth).mean()
    # stoichiometry: as many photons as the truth has, element by element
    sums = truth.sum(axis=(1, 2, 3))
    assert found.volumes.sum(axis=(1, 2, 3)) == pytest.approx(sums, rel=0.1)


def test_an_element_that_no_phase_holds_is_refused(dot):
    specimen, recorded, _ = dot
    phases = {name: PHASES[name] for name in ("ZnSe", "InP")}
    guide = Guide(recorded.haadf, specimen.elements, phases)
    with pytest.raises(ValueError, match="expected a phase that holds S, found only ZnSe, InP. Na"):
        fusion.reconstruct(measured(specimen, recorded.counts), guide, FusionParams())


@pytest.mark.slow
def test_an_element_without_photons_stays_empty(dot):
    specimen, recorded, _ = dot
    counts = recorded.counts.copy()
    counts[1] = 0
    guide = Guide(recorded.haadf, specimen.elements, PHASES)
    found = fusion.reconstruct(measured(specimen, counts), guide, FusionParams(**QUICK))
    assert np.isfinite(found.volumes).all()
    assert found.volumes[1].max() < 1e-3 * found.volumes[2].max()


def test_yields_are_told_by_the_stoichiometry(dot):
    """Zn is bound to Se or to S: along every ray their photons tell the yields."""
    specimen, recorded, _ = dot
    atoms = atoms_of({name: PHASES[name] for name in ("ZnSe", "ZnS")}, specimen.elements)
    factor = np.array([1.0, 0.4, 2.0])
    true = specimen.yields.max(axis=1) * factor
    rates = recorded.expected * factor[:, None, None, None]
    found = []
    for seed in range(4):
        thinned = measured(specimen, np.random.default_rng(seed).poisson(rates))
        level = level_of(thinned, recorded.haadf, whole(thinned.geometry), n_shares=2,
                         tv_weight=0.6, constraint=SIMPLEX, params=FusionParams())  # fmt: skip
        around = 0.01 * factor[:, None] * np.ones((3, 9))
        found.append(1 / inverse_yields(level, Calibration(thinned.gain, around), atoms))
    found = np.array(found) / np.array(found)[:, 2:]
    # 600 photons of Se, 700 of S: three standard deviations of one, and of the mean
    assert found == pytest.approx(np.tile(true / true[2], (4, 1)), rel=0.21)
    assert found.mean(axis=0) == pytest.approx(true / true[2], rel=0.105)


def test_yields_are_not_told_without_ties(dot):
    specimen, recorded, _ = dot
    maps = measured(specimen, recorded.counts)
    level = level_of(maps, recorded.haadf, whole(maps.geometry), n_shares=3,
                     tv_weight=0.6, constraint=SIMPLEX, params=FusionParams())  # fmt: skip
    assert inverse_yields(level, Calibration(maps.gain, np.full((3, 9), 0.01)), np.eye(3)) is None


def true_shares(specimen):
    """``(z, x, y, share)`` of the phases in the order of `PHASES`."""
    inp, znse, zns = truth_volumes(replace(specimen, yields=np.eye(3)))
    return np.ascontiguousarray(np.stack([znse, zns, inp], -1).transpose(0, 2, 1, 3))


def true_mixture(specimen):
    n_tilts = len(specimen.tilt_deg)
    background = np.full((3, n_tilts), specimen.phantom.background * specimen.phantom.peak)
    return Mixture(
        tuple(PHASES), atoms_of(PHASES, specimen.elements), specimen.yields.max(axis=1),
        specimen.haadf_weights[[1, 2, 0]], haadf_of(PHASES), np.zeros(n_tilts), NOISE,
        Calibration(np.ones((3, n_tilts)), background),
    )  # fmt: skip


@pytest.mark.parametrize("snr", [8.0, 25.0])
def test_haadf_tells_how_large_the_specimen_is_whatever_its_noise(dot, snr):
    specimen, _, _ = dot
    noisier = replace(specimen, phantom=specimen.phantom.model_copy(update={"haadf_snr": snr}))
    recorded = acquire(noisier, np.random.default_rng(8))
    maps, shares = measured(specimen, recorded.counts), true_shares(specimen)
    level = level_of(maps, recorded.haadf, whole(maps.geometry), n_shares=3, tv_weight=0.6,
                     constraint=SIMPLEX, params=FusionParams())  # fmt: skip
    labels = np.eye(3, dtype=np.float32)[np.argmax([*shares[..., :2].transpose(3, 0, 1, 2)], 0)]
    found = occupied(level, true_mixture(specimen), labels).sum()
    assert found == pytest.approx(shares.sum(), rel=0.06)


def test_photons_tell_how_much_there_is_of_each_phase(dot):
    """Whatever is there too much or too little in the volume: here a third of the shell."""
    specimen, recorded, _ = dot
    shares = true_shares(specimen)
    wanted = shares.sum(axis=(0, 1, 2))[:2]
    shares[..., 1] *= 0.67
    maps = measured(specimen, recorded.counts)
    projected = cropped_projector(maps.geometry, 3, whole(maps.geometry)).forward(shares)
    has = shares.sum(axis=(0, 1, 2), dtype=np.float64)
    told = voxels_told(true_mixture(specimen), has, projected, maps)
    # 600 photons of Se: three standard deviations
    assert told[:2] == pytest.approx(wanted, rel=0.12)
    assert told[2] == 0  # InP has no photons


def test_shares_settle_at_what_the_photons_tell(dot):
    """Without a pull the total variation takes a third of the shell away."""
    specimen, recorded, _ = dot
    maps = measured(specimen, recorded.counts)
    crop, params = whole(maps.geometry), FusionParams(gap=0.1, purity=0.0, max_iterations=150)
    level = level_of(
        maps, recorded.haadf, crop, n_shares=3, tv_weight=0.6, constraint=SIMPLEX, params=params
    )
    start = State(np.full((N, N, N, 3), 0.02, np.float32))
    mixture, wanted = true_mixture(specimen), true_shares(specimen).sum(axis=(0, 1, 2))
    steps, still = Steps(plain=6, rising=0, full=0), Steps(plain=1, rising=0, full=0)
    free = settled(level, Settled(mixture, State(start.volume.copy()), np.zeros(3)), still)
    held = settled(level, Settled(mixture, start, np.zeros(3)), steps)
    shell = [found.state.volume[..., 1].sum() / wanted[1] for found in (free, held)]
    assert shell[0] < 0.85
    assert shell[1] == pytest.approx(1, abs=0.1)
    assert held.pull[1] < 0
    # of the last of the six, which is solved twice as closely as the others
    photons = maps.maps.sum()
    assert held.checks[-1].gap <= params.gap * photons


def test_the_preference_for_pure_voxels_rises_to_the_whole():
    assert Steps(plain=2, rising=1, full=2).strengths() == [0, 0, 0.5, 1, 1]


def test_voxels_are_drawn_to_phases_under_less_total_variation(dot, monkeypatch):
    """Pull and purity weigh the same, in nat, while edges cost half; then all costs the whole."""
    specimen, recorded, _ = dot
    maps = measured(specimen, recorded.counts)
    level = level_of(maps, recorded.haadf, whole(maps.geometry), n_shares=3, tv_weight=0.6,
                     constraint=SIMPLEX, params=FusionParams(purity=2.0))  # fmt: skip
    asked = []

    def settling(now, start, steps):
        asked.append((now.tv_weight, now.tv_weight * now.params.purity, steps.full, start.pull[0]))
        return Settled(start.mixture, start.state, np.array([0.8, 0.0, 0.0]))

    monkeypatch.setattr(fusion, "settled", settling)
    fusion.sought(level, Settled(true_mixture(specimen), State(true_shares(specimen)), np.zeros(3)))
    assert asked == [(0.3, 1.2, 1, 0.0), (0.6, 1.2, 3, 0.4)]


def test_cost_is_what_is_minimised_with_the_mixing_and_without_pulls(dot):
    specimen, recorded, _ = dot
    maps = measured(specimen, recorded.counts)
    level = level_of(maps, recorded.haadf, whole(maps.geometry), n_shares=3, tv_weight=0.6,
                     constraint=SIMPLEX, params=FusionParams(purity=2.0))  # fmt: skip
    shares = 0.9 * true_shares(specimen) + 0.02
    mixture = replace(true_mixture(specimen), noise=3 * NOISE)  # its own is not asked
    found = cost(level, Settled(mixture, State(shares), np.array([5.0, -3.0, 1.0])))
    paths = cropped_projector(maps.geometry, 3, whole(maps.geometry)).forward(shares)
    photons = paths @ (mixture.atoms * mixture.yields[:, None]).T
    photons += mixture.calibration.background.T[:, None, None]
    counts = recorded.counts.transpose(1, 3, 2, 0)
    image = paths @ mixture.haadf - recorded.haadf.transpose(0, 2, 1)
    misfit = 0.3 * np.sum(image**2) / noise_of(recorded.haadf.transpose(0, 2, 1)) ** 2 / 2
    steps = [np.diff(shares, axis=axis, append=shares.take([-1], axis)) for axis in range(3)]
    edges = np.sqrt(np.sum(np.square(steps), axis=(0, -1))).sum()
    mixing = np.sum(shares * (1 - shares)) / 2
    wanted = np.sum(photons - counts * np.log(photons)) + misfit + 0.6 * edges + 1.2 * mixing
    assert found == pytest.approx(wanted, rel=1e-5)  # sums in float32


@pytest.mark.parametrize(
    ("names", "best", "gaps", "wanted"),
    [
        (("ZnSe", "ZnS", "InP"), (1.0, 0.8, 1.0), 1.1, [[0.8, 1, 1], [1, 0.8, 1]]),
        (("ZnSe", "ZnS", "InP"), (1.0, 0.8, 1.0), 0.9, [[0.8, 1, 1], [1, 0.8, 1]]),
        (("ZnSe", "ZnS", "InP"), (1.0, 1.0, 1.0), 1.1, [[0.8, 1, 1], [1, 0.8, 1]]),
        (("ZnS", "InP"), (1.0, 1.0), 1.1, []),  # InP has no photons
    ],
)
def test_haadf_weights_of_clearly_least_cost_are_kept(dot, monkeypatch, names, best, gaps, wanted):
    """That is, of a cost lower by more than the gap at which the solver stops."""
    specimen, recorded, _ = dot
    at, mixture, tried = [[*PHASES].index(name) for name in names], true_mixture(specimen), []
    prior, none = mixture.prior[at], np.zeros(len(names))
    mixture = replace(
        mixture, names=names, atoms=mixture.atoms[:, at], haadf=mixture.haadf[at], prior=prior
    )
    maps, state = measured(specimen, recorded.counts), State(true_shares(specimen)[..., at])
    level = level_of(maps, recorded.haadf, whole(maps.geometry), n_shares=len(names),
                     tv_weight=0.6, constraint=SIMPLEX, params=FusionParams())  # fmt: skip
    fit = Fit(state, np.ones(3), mixture.calibration, [], whole(maps.geometry))
    rough = fusion.Rough(maps, np.zeros((9, 2)), fit, level, Settled(mixture, state, none))

    def begun(level, _fit, _guide, weights):
        tried.append(weights / prior)
        return level, Settled(replace(mixture, prior=weights), state, none)

    monkeypatch.setattr(fusion, "_begun", begun)

    def cost_of(level, found):
        gap = level.params.gap * recorded.counts.sum()
        return gaps * gap * np.abs(found.mixture.prior / prior - best).sum() / 0.2

    monkeypatch.setattr(fusion, "cost", cost_of)
    guide = Guide(recorded.haadf, specimen.elements, {name: PHASES[name] for name in names})
    kept = fusion.well_weighted(rough, guide).found.mixture.prior
    assert kept / prior == pytest.approx(np.array(best if gaps > 1 else np.ones(len(names))))
    assert np.reshape(tried, (-1, len(names))) == pytest.approx(
        np.reshape(wanted, (-1, len(names)))
    )


def test_haadf_weights_that_were_taken_wrong_come_closer(dot):
    specimen, _, _ = dot
    phantom = specimen.phantom.model_copy(update={"haadf_snr": 50.0})
    weights = specimen.haadf_weights * (1.2, 0.8, 1.2)
    other = replace(specimen, phantom=phantom, haadf_weights=weights)
    recorded = acquire(other, np.random.default_rng(4))
    guide = Guide(recorded.haadf, specimen.elements, PHASES)
    maps = measured(specimen, recorded.counts)
    params = FusionParams(gap=0.005, max_iterations=300)
    rough = fusion.well_placed(maps, recorded.haadf, guide, 2, params)
    better = fusion.well_weighted(rough, guide)
    true = weights[1] / weights[2]
    ratio = [one.found.mixture.haadf[0] / one.found.mixture.haadf[1] for one in (rough, better)]
    assert abs(ratio[1] - true) < 0.7 * abs(ratio[0] - true)
