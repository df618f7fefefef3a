import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stemedx.analyse import thickness
from stemedx.analyse.particles import find_particles
from stemedx.analyse.thickness import (
    area_weights,
    measure_shells,
    shell_statistics,
    thickness_px,
    typical_value,
)

ELEMENTS = ["Se", "S", "Zn"]


@pytest.fixture(autouse=True)
def _two_degree_steps(monkeypatch):
    """A quarter of the directions, to save time."""
    monkeypatch.setattr(thickness, "THETA_DEG", np.arange(-90.0, 91.0, 2.0))
    monkeypatch.setattr(thickness, "PHI_DEG", np.arange(0.0, 360.0, 2.0))


def shells_of(volumes):
    (particle,) = find_particles(volumes, min_diameter_px=8.0, threshold=0.5, max_particles=4)
    return measure_shells(volumes, particle, core=0, threshold=0.5)


def statistics(shells, element, pixel_nm=0.8):
    rows = shell_statistics(shells, ELEMENTS, pixel_nm, 0.5)
    return rows[ELEMENTS.index(element)]


@pytest.mark.parametrize("uncovered_percent", [0.0, 7.0, 15.0])
def test_uncovered_share_of_a_truth_volume(dot, uncovered_percent):
    volumes = dot((62, 60, 64), (31.3, 28.1, 33.4), 14.0, 20.0, uncovered_percent)
    found = statistics(shells_of(volumes), "S")["uncovered_percent"]
    assert found == pytest.approx(uncovered_percent, abs=0.3)  # a tenth of a voxel at the rim


def test_a_closed_shell_in_nm(dot):
    volumes = dot((40, 36, 42), (20.3, 17.1, 21.4), 8.0, 13.0)
    shells = shells_of(volumes)
    for element, expected in (("Se", 8.0), ("S", 5.0), ("Zn", 13.0)):
        found = statistics(shells, element)
        assert found["mean_nm"] == pytest.approx(0.8 * expected, abs=0.04)  # 1/20 voxel
        assert found["std_nm"] < 0.15  # 1/5 voxel: the grid
        assert found["uncovered_percent"] == 0
    found = statistics(shells, "Se")
    assert found["volume_nm3"] == pytest.approx(4 / 3 * np.pi * (0.8 * 13) ** 3, rel=0.03)  # grid
    assert found["diameter_nm"] == pytest.approx(0.8 * 26, rel=0.01)  # a third of it
    centre = [found[f"center_{axis}_nm"] for axis in "zyx"]
    assert centre == pytest.approx([0.8 * 20.3, 0.8 * 17.1, 0.8 * 21.4], abs=0.04)  # 1/20 voxel
    assert found["touches_edge"] is False


@pytest.mark.parametrize(
    ("axis", "theta_deg", "phi_deg"),
    [((0, 1, 0), 90, None), ((0, 0, 1), 0, 0), ((1, 0, 0), 0, 90), ((1, -1, 0), -45, 90)],
)
def test_a_bare_cap_lies_where_the_directions_say(dot, axis, theta_deg, phi_deg):
    """theta = 90 is +y; phi goes from +x towards +z."""
    shells = shells_of(dot((40, 36, 42), (20.3, 17.1, 21.4), 8.0, 13.0, 5.0, axis))
    theta, phi = np.nonzero(shells.thickness_px[1] < 0.5)
    angles = np.deg2rad(thickness.THETA_DEG[theta])
    weights = np.cos(angles)
    around = np.deg2rad(thickness.PHI_DEG[phi])
    y = np.sum(weights * np.sin(angles)) / weights.sum()
    z = np.sum(weights * np.cos(angles) * np.sin(around)) / weights.sum()
    x = np.sum(weights * np.cos(angles) * np.cos(around)) / weights.sum()
    assert np.rad2deg(np.arctan2(y, np.hypot(z, x))) == pytest.approx(theta_deg, abs=3)  # grid
    if phi_deg is not None:
        assert np.rad2deg(np.arctan2(z, x)) == pytest.approx(phi_deg, abs=3)  # grid


def test_all_segments_of_a_ray_are_added():
    amount = np.zeros((3, 3, 40), np.float32)
    amount[:, :, 10:14] = amount[:, :, 20:27] = 2.0
    found = thickness_px(amount, 1.0, np.array([1.0, 1.0, 5.0]))
    along_x = found[thickness.THETA_DEG == 0.0, thickness.PHI_DEG == 0.0]
    assert along_x == pytest.approx(11.0, abs=0.4)  # a step at each of four surfaces, at most


def test_the_weights_are_shares_of_the_sphere():
    """The mean of sin^2(theta) over a sphere is 1/3, over the grid it is 1/2."""
    squares = np.sin(np.deg2rad(thickness.THETA_DEG))[:, None] ** 2
    assert np.sum(area_weights()) == pytest.approx(1.0)
    assert np.sum(area_weights() * squares) == pytest.approx(1 / 3, rel=1e-3)  # 2 degree steps


@settings(max_examples=20, deadline=None)
@given(st.floats(1e-3, 1e3), st.integers(0, 2**32 - 1))
def test_the_typical_value_scales_and_ignores_the_rest(scale, seed):
    rng = np.random.default_rng(seed)
    plateau = rng.normal(1.0, 0.1, 400)
    dark = np.abs(rng.normal(0.0, 0.1, 1600))
    values = (scale * np.concatenate([dark, plateau])).astype(np.float32)
    # The median of 400 values of spread 0.1 has the error 0.006: eight of them.
    assert typical_value(values) == pytest.approx(scale, rel=0.05)


def test_without_a_core_there_is_nothing_to_measure(dot):
    volumes = dot((40, 36, 42), (20.3, 17.1, 21.4), 8.0, 13.0)
    volumes[0] = 0
    assert shells_of(volumes) is None


def test_an_absent_element_has_no_thickness(dot):
    volumes = dot((40, 36, 42), (20.3, 17.1, 21.4), 8.0, 13.0)
    volumes[1] = 0
    found = statistics(shells_of(volumes), "S")
    assert (found["mean_nm"], found["uncovered_percent"]) == (0.0, pytest.approx(100.0))
