"""Phases as mixtures: what maps and HAADF see of them, and how the weights are found."""

from dataclasses import replace

import numpy as np
import pytest

from stemedx.params import ReconstructParams
from stemedx.reconstruct.calibration import Calibration
from stemedx.reconstruct.measured import Measured
from stemedx.reconstruct.mixture import (
    Mixture,
    atoms_of,
    haadf_misfit,
    haadf_of,
    mixed,
    noise_of,
    on_finer_grid,
    with_haadf_refit,
    with_yields,
)

PHASES = {"ZnSe": {"Zn": 1.0, "Se": 1.0}, "ZnS": {"Zn": 1.1, "S": 1.1}}
ELEMENTS = ("Se", "Zn")


@pytest.fixture
def mixture():
    calibration = Calibration(np.full((2, 4), 1.0), np.full((2, 4), 0.3))
    return Mixture(
        tuple(PHASES), atoms_of(PHASES, ELEMENTS), np.array([2.0, 0.5]), np.array([7.0, 3.0]),
        np.array([7.0, 3.0]), np.array([10.0, 20.0, -5.0, 0.0]), 2.0, calibration,
    )  # fmt: skip


def test_atoms_are_those_of_the_mapped_elements():
    assert atoms_of(PHASES, ("S", "Zn")).tolist() == [[0.0, 1.1], [1.0, 1.1]]


def test_haadf_goes_with_the_atomic_number():
    both = haadf_of({**PHASES, "void": {}})
    assert both[0] == pytest.approx(30**1.7 + 34**1.7)
    assert both[2] == pytest.approx(both[:2].mean())
    assert haadf_of(ReconstructParams().phases)[2] == pytest.approx(49**1.7 + 15**1.7)


def test_a_phase_of_no_element_is_refused():
    with pytest.raises(ValueError, match="found 'Xx'. Correct it"):
        haadf_of({"x": {"Xx": 1.0}})


def test_the_adjoint_of_a_mixture_is_its_transpose(operator, mixture, rng):
    both = mixed(operator, mixture.seen())
    x = rng.standard_normal(both.domain_shape).astype(np.float32)
    y = rng.standard_normal(both.range_shape).astype(np.float32)
    assert both.range_shape[-1] == 3
    Ax, ATy = both.forward(x, np.empty(both.range_shape, np.float32)), both.adjoint(y)
    scale = np.linalg.norm(Ax) * np.linalg.norm(y)
    assert abs(np.vdot(Ax, y) - np.vdot(x, ATy)) <= 1e-6 * scale


def test_maps_and_haadf_see_what_the_elements_give(operator, volume, mixture):
    """Photons per voxel times path, and HAADF in units of its weighted noise."""
    seen = mixed(operator, mixture.seen()).forward(volume) * mixture.factor(0.25)[:, None, None]
    alone = operator.forward(volume)
    selenium = 2.0 * alone[..., 0]
    assert seen[..., 0] == pytest.approx(selenium, rel=1e-4, abs=1e-5)
    assert seen[..., 1] == pytest.approx(0.5 * (alone[..., 0] + 1.1 * alone[..., 1]), rel=1e-4)
    image = alone @ np.array([7.0, 3.0]) + mixture.offset[:, None, None]
    scaled = mixture.scaled_images(image.astype(np.float32), 0.25)
    assert seen[..., 2] == pytest.approx(scaled, rel=1e-4, abs=1e-4)
    assert scaled.max() == pytest.approx((alone @ np.array([7.0, 3.0])).max() * 0.25)


def test_volumes_of_elements_add_up_over_phases(mixture):
    shares = np.array([[[[0.5, 0.25]]]], np.float32)
    assert mixture.element_volumes(shares).ravel() == pytest.approx([1.0, 0.5 * (0.5 + 0.275)])


def paths(rng):
    """Two large phases, and one of a hundredth of them; wedges, as matter is even."""
    x, y = np.indices((30, 20)) / 20
    one, by_x, by_y = rng.random((3, 4, 3))[:, :, None, None]
    wedge = one + by_x * x[..., None] + by_y * y[..., None]
    return wedge * [10, 10, 0.1]


def test_noise_is_told_from_specimen(rng):
    images = paths(rng).sum(axis=-1) * 20 + 3 * rng.standard_normal((4, 30, 20))
    assert noise_of(images.astype(np.float32)) == pytest.approx(3, rel=0.1)
    images[:, 8:17, 5:14] += 300  # an edge
    assert noise_of(images.astype(np.float32)) == pytest.approx(3, rel=0.4)


def test_haadf_weights_are_found_where_a_phase_is_large(rng):
    """Told 20 % wrong, they come right; what makes up little keeps to what it was told."""
    projected, true = paths(rng), np.array([8.0, 4.0, 30.0])
    images = projected @ true + 50 + rng.standard_normal((4, 30, 20))
    told = np.array([1.2 * 8.0, 0.8 * 4.0, 5.0])
    calibration = Calibration(np.ones((1, 4)), np.ones((1, 4)))
    mixture = Mixture(("a", "b", "c"), np.ones((1, 3)), np.ones(1), told, told, np.zeros(4), 1.0,
                      calibration)  # fmt: skip
    found = with_haadf_refit(mixture, projected.astype(np.float32), images.astype(np.float32))
    assert found.haadf[:2] == pytest.approx(true[:2], rel=0.1)
    assert 4.0 < found.haadf[2] < 8.0
    assert found.offset == pytest.approx(np.full(4, 50.0), abs=5.0)
    assert found.noise == pytest.approx(1.0, abs=1.0)


def test_noise_is_not_less_than_that_of_the_images(rng):
    """Shares that follow the noise leave none of it; their fit is no better for that."""
    projected = paths(rng)
    images = (projected @ [8.0, 4.0, 30.0] + 2 * rng.standard_normal((4, 30, 20))).astype(
        np.float32
    )
    projected[..., 0] = images / 8 - projected @ [0.0, 0.5, 3.75]
    told = np.array([8.0, 4.0, 30.0])
    mixture = Mixture(("a", "b", "c"), np.ones((1, 3)), np.ones(1), told, told, np.zeros(4), 1.0,
                      Calibration(np.ones((1, 4)), np.ones((1, 4))))  # fmt: skip
    found = with_haadf_refit(mixture, projected.astype(np.float32), images)
    assert haadf_misfit(found, projected.astype(np.float32), images) < 0.5
    assert found.noise == pytest.approx(2, rel=0.15)


def test_nothing_projected_leaves_the_weights(mixture):
    none = np.zeros((4, 7, 4, 2), np.float32)
    assert with_haadf_refit(mixture, none, none[..., 0]) is mixture


def test_yields_bring_the_photons_back(operator, volume, mixture, geometry, rng):
    projected = operator.forward(volume)
    factor = mixture.factor(1.0)[:, None, None, :2]
    expected = mixed(operator, mixture.seen()).forward(volume)[..., :2] * factor + 0.3
    maps = rng.poisson(200 * expected).transpose(3, 0, 2, 1)
    calibration = Calibration(np.ones((2, 4)), np.full((2, 4), 60.0))
    start = replace(mixture, yields=np.array([100.0, 300.0]), calibration=calibration)
    measured = Measured(maps, geometry, "counts", np.ones((2, 4)), np.zeros((2, 4)),
                        np.ones(maps.shape[1:], np.float32))  # fmt: skip
    found = with_yields(start, projected, measured)
    assert found.yields == pytest.approx([400.0, 100.0], rel=0.05)


def test_a_finer_grid_gives_less_per_voxel(mixture):
    fine = on_finer_grid(mixture, 2)
    assert fine.yields == pytest.approx(mixture.yields / 8)
    assert fine.haadf == pytest.approx(mixture.haadf / 2)
    assert fine.calibration.background == pytest.approx(np.full((2, 4), 0.075))
