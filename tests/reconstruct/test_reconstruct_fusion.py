"""Fusion on a small simulated dot, against the same solver without HAADF."""

import numpy as np
import pytest

from stemedx.params import FusionParams, PhantomParams, PoissonTvParams
from stemedx.project.geometry import Geometry
from stemedx.reconstruct import fusion, poisson_tv
from stemedx.reconstruct.calibration import Calibration
from stemedx.reconstruct.measured import Guide, Measured, binned
from stemedx.reconstruct.mixture import atoms_of
from stemedx.reconstruct.start import inverse_yields
from stemedx.simulate.phantoms import acquire, make_specimen, truth_volumes

PHASES = {
    "ZnSe": {"Zn": 1.0, "Se": 1.0},
    "ZnS": {"Zn": 1.0, "S": 1.0},
    "InP": {"In": 1.0, "P": 1.0},
}
N = 32
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
    assert error(found.volumes, truth).mean() < 0.9 * error(alone.volumes, truth).mean()
    # stoichiometry: as many photons as the truth has, element by element
    sums = truth.sum(axis=(1, 2, 3))
    assert found.volumes.sum(axis=(1, 2, 3)) == pytest.approx(sums, rel=0.1)


def test_without_phases_it_is_refused(dot):
    specimen, recorded, _ = dot
    guide = Guide(recorded.haadf, specimen.elements, {})
    with pytest.raises(ValueError, match="expected phases of the specimen, found none. Name them"):
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
    maps = measured(specimen, recorded.counts)
    calibration = Calibration(maps.gain, np.full((3, 9), 0.01))
    atoms = atoms_of({name: PHASES[name] for name in ("ZnSe", "ZnS")}, specimen.elements)
    true = specimen.yields.max(axis=1) * np.array([1.0, 0.4, 2.0])
    thinned = maps.with_maps(np.random.default_rng(0).poisson(
        recorded.expected * np.array([1.0, 0.4, 2.0])[:, None, None, None]))  # fmt: skip
    found = 1 / inverse_yields(
        binned(thinned, 4), Calibration(maps.gain, 16 * calibration.background), atoms
    )
    assert found / found[2] == pytest.approx(true / true[2], rel=0.15)


def test_yields_are_not_told_without_ties(dot):
    specimen, recorded, _ = dot
    maps = measured(specimen, recorded.counts)
    calibration = Calibration(maps.gain, np.full((3, 9), 0.01))
    assert inverse_yields(maps, calibration, np.eye(3)) is None
