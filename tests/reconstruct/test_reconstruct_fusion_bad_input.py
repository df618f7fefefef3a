"""What fusion makes of data with holes: it ends, and makes no NaN of them; `gaps_in` tells them."""

from dataclasses import replace

import numpy as np
import pytest

from stemedx.params import FusionParams, PhantomParams
from stemedx.project.geometry import Geometry
from stemedx.reconstruct import fusion
from stemedx.reconstruct.measured import Guide, Measured, gaps_in
from stemedx.simulate.phantoms import acquire, make_specimen, truth_volumes

PHASES = {"ZnSe": {"Zn": 1.0, "Se": 1.0}, "ZnS": {"Zn": 1.0, "S": 1.0}}
N = 24
QUICK = FusionParams(gap=0.1, max_iterations=60, vacuum_px=3)
PHANTOM = PhantomParams(shape="core_shell", size_px=N, peak=2.0, tilts="-60:60:20")


@pytest.fixture(scope="module")
def dot():
    """Maps, guide and truth of a small dot."""
    rng = np.random.default_rng(6)
    specimen = make_specimen(PHANTOM, rng)
    recorded = acquire(specimen, rng)
    none = np.zeros(recorded.counts.shape[:2])
    ones = np.ones(recorded.haadf.shape, np.float32)
    geometry = Geometry(specimen.tilt_deg, N, N)
    measured = Measured(recorded.counts, geometry, "counts", none + 1, none, ones)
    return measured, Guide(recorded.haadf, specimen.elements, PHASES), truth_volumes(specimen)


@pytest.fixture(scope="module")
def whole_error(dot):
    measured, guide, truth = dot
    assert gaps_in(measured, guide.elements) == []
    found = fusion.reconstruct(measured, guide, QUICK)
    return error(found.volumes, truth)


def error(volumes, truth):
    """Relative to the truth, after the best scale."""
    assert np.isfinite(volumes).all()
    scale = np.vdot(volumes, truth) / np.vdot(volumes, volumes)
    return np.linalg.norm(scale * volumes - truth) / np.linalg.norm(truth)


def test_a_hot_pixel_is_left_out(dot, whole_error):
    measured, guide, truth = dot
    counts = measured.maps.copy()
    counts[1, 2, 3, 20] = 3000  # as many photons as the maps hold, and outside the dot
    found = fusion.reconstruct(measured.with_maps(counts), guide, QUICK)
    assert error(found.volumes, truth) < 1.1 * whole_error


def test_gain_zero_in_one_tilt_is_told_and_harmless(dot, whole_error):
    measured, guide, truth = dot
    gain, counts = measured.gain.copy(), measured.maps.copy()
    gain[:, 3], counts[:, 3] = 0, 0
    holed = replace(measured, gain=gain, maps=counts)
    said = gaps_in(holed, guide.elements)
    assert "Zn has no gain at tilts 0 deg: those maps are not used" in said
    found = fusion.reconstruct(holed, guide, QUICK)
    assert error(found.volumes, truth) < 1.2 * whole_error


def test_views_that_are_masked_are_told_and_not_used(dot, whole_error):
    measured, guide, truth = dot
    weight, counts = measured.weight.copy(), measured.maps.copy()
    weight[[0, 3]] = 0
    counts[:, [0, 3]] = 7  # whatever is there
    holed = replace(measured, weight=weight, maps=counts)
    assert gaps_in(holed, guide.elements) == ["no pixel to use at tilts -60, 0 deg"]
    found = fusion.reconstruct(holed, guide, QUICK)
    assert error(found.volumes, truth) < 1.4 * whole_error


def test_no_view_at_all_is_told_and_empty(dot):
    measured, guide, _ = dot
    nothing = np.zeros_like(measured.weight)
    holed = replace(measured, weight=nothing)
    assert "S has no photons: its volume is empty" in gaps_in(holed, guide.elements)
    found = fusion.reconstruct(holed, guide, QUICK)
    assert not found.volumes.any()


def test_an_element_without_photons_is_told_and_empty(dot):
    measured, guide, truth = dot
    counts = measured.maps.copy()
    counts[1] = 0
    holed = measured.with_maps(counts)
    assert gaps_in(holed, guide.elements) == ["S has no photons: its volume is empty"]
    found = fusion.reconstruct(holed, guide, QUICK)
    assert np.isfinite(found.volumes).all()
    assert not found.volumes[1].any()
    assert found.volumes[2].sum() == pytest.approx(truth[2].sum(), rel=0.2)


def test_haadf_that_shows_nothing_is_refused(dot):
    measured, guide, _ = dot
    guide = replace(guide, images=np.full_like(guide.images, 3))
    with pytest.raises(ValueError, match="expected a HAADF series that shows the specimen, found"):
        fusion.reconstruct(measured, guide, QUICK)
