"""Fusion without phases on a small simulated dot, and on spoilt data."""

from dataclasses import replace

import numpy as np
import pytest

from stemedx.params import FusionParams, PhantomParams, PoissonTvParams
from stemedx.project.geometry import Geometry
from stemedx.project.projector import project
from stemedx.reconstruct import fusion, poisson_tv
from stemedx.reconstruct.guided import haadf_volume
from stemedx.reconstruct.measured import Guide, Measured
from stemedx.simulate.phantoms import acquire, make_specimen, truth_volumes

N = 28
SAME = {"gap": 0.05, "max_iterations": 150}
QUICK = FusionParams(**SAME, vacuum_px=5)


@pytest.fixture(scope="module")
def dot():
    """Maps, guide without phases, and truth of a small dot."""
    phantom = PhantomParams(shape="core_shell", size_px=N, peak=1.0, tilts="-60:60:15")
    rng = np.random.default_rng(3)
    specimen = make_specimen(phantom, rng)
    recorded, truth = acquire(specimen, rng), truth_volumes(specimen)
    return (
        counted(recorded.counts, specimen.tilt_deg),
        Guide(recorded.haadf, ("Se", "S", "Zn"), {}),
        truth,
    )


def counted(maps, tilt_deg):
    none = np.zeros(maps.shape[:2])
    weight = np.ones(maps.shape[1:], np.float32)
    return Measured(maps, Geometry(tilt_deg, *maps.shape[2:]), "counts", none + 1, none, weight)


def errors(volumes, truth):
    """Of each element, relative to the truth, after the best scale."""
    scale = (volumes * truth).sum(axis=(1, 2, 3)) / (volumes**2).sum(axis=(1, 2, 3))
    off = (scale[:, None, None, None] * volumes - truth) ** 2
    return np.sqrt(off.sum(axis=(1, 2, 3)) / (truth**2).sum(axis=(1, 2, 3)))


@pytest.fixture(scope="module")
def found(dot):
    measured, guide, _ = dot
    return fusion.reconstruct(measured, guide, QUICK)


def test_edges_of_haadf_bring_the_elements_closer_to_the_truth(dot, found):
    measured, _, truth = dot
    same = PoissonTvParams(**SAME, tv_weight=found.facts["tv_weight"])
    alone = poisson_tv.reconstruct(measured, same)
    assert found.volumes.min() >= 0
    assert errors(found.volumes, truth).mean() < 0.8 * errors(alone.volumes, truth).mean()
    # stoichiometry: as many photons as the truth has, element by element
    sums = truth.sum(axis=(1, 2, 3))
    assert found.volumes.sum(axis=(1, 2, 3)) == pytest.approx(sums, rel=0.1)


def test_it_says_that_no_phases_guided_it_and_that_halves_share_haadf(found):
    assert found.facts["warnings"] == [
        "the sheet names no phases of this specimen: only the edges of the HAADF guide, not how "
        "bright it is"
    ]
    assert found.facts["shared_by_halves"] == "HAADF"


def test_a_weight_that_is_given_is_taken(dot, found):
    measured, guide, _ = dot
    given = fusion.reconstruct(measured, guide, QUICK.model_copy(update={"tv_weight": 5.0}))
    assert given.facts["tv_weight"] == 5
    assert not np.allclose(given.volumes, found.volumes, rtol=0.1)


def test_an_edge_of_haadf_alone_is_none_of_the_elements(rng):
    """Two halves of a box, one of twice the HAADF; the element is the same in both."""
    tilt_deg = np.arange(-60, 61, 20.0)
    box = np.zeros((1, 20, 12, 20), np.float32)
    box[0, 5:15, 3:9, 5:15] = 1
    halves = box.copy()
    halves[..., 10:] *= 2
    images = 100 * project(halves, tilt_deg)[0]
    images += rng.normal(0, 20, images.shape).astype(np.float32)
    measured = counted(rng.poisson(0.5 * project(box, tilt_deg) + 0.02), tilt_deg)
    guide = Guide(images, ("Zn",), {})
    volume = fusion.reconstruct(measured, guide, QUICK).volumes[0]
    left, right = volume[7:13, 4:8, 6:9].mean(), volume[7:13, 4:8, 11:14].mean()
    # 500 photons in each half
    assert left == pytest.approx(right, rel=0.15)


def test_the_volume_of_the_haadf_is_that_of_its_matter(dot):
    """In units of solid matter: 1 inside, little outside, whatever its noise."""
    measured, guide, truth = dot
    matter = truth[2].transpose(0, 2, 1) > 0.9 * truth[2].max()
    for noise in (0, 1500):
        rng = np.random.default_rng(8)
        images = (guide.images + rng.normal(0, noise, guide.images.shape)).astype(np.float32)
        found = haadf_volume(measured, images, QUICK)
        assert found[matter].mean() == pytest.approx(1, abs=0.25)
        # the level of vacuum is the lowest of many means of 5 x 5 pixels: 0.6 of the noise too low
        assert found[:3].mean() < 0.12


def test_pixels_of_no_weight_tell_nothing(dot, found):
    """A neighbour in one corner of a tilt, in maps and HAADF; and a hot pixel."""
    measured, guide, truth = dot
    counts, images, weight = measured.maps.copy(), guide.images.copy(), measured.weight.copy()
    weight[2, :, :6] = 0
    counts[:, 2, :, :6], images[2, :, :6] = 9, 1e6
    counts[1, 5, 2, 25] = 3000
    spoilt = replace(measured, maps=counts, weight=weight)
    again = fusion.reconstruct(spoilt, replace(guide, images=images), QUICK)
    assert errors(again.volumes, truth).mean() < 1.2 * errors(found.volumes, truth).mean()


@pytest.mark.parametrize("spoilt", ["no S", "nothing", "a gain of 0"])
def test_holes_end_in_no_nan(dot, spoilt):
    measured, guide, truth = dot
    maps, gain = measured.maps.copy(), measured.gain.copy()
    maps[1 if spoilt == "no S" else slice(None)] *= spoilt == "a gain of 0"
    if spoilt == "a gain of 0":
        maps[:, 3], gain[:, 3] = 0, 0
    volumes = fusion.reconstruct(replace(measured, maps=maps, gain=gain), guide, QUICK).volumes
    assert np.isfinite(volumes).all()
    empty = {"no S": [1], "nothing": [0, 1, 2], "a gain of 0": []}[spoilt]
    assert (volumes[empty] < 1e-3 * truth.max()).all()
