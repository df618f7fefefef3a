import numpy as np
import pytest

from stemedx.align.bodies import (
    HARMONICS,
    N_NUMBERS,
    POWERS,
    SOFT_PX,
    Grid,
    _harmonics,
    _products,
    ball,
    radius_of,
)
from stemedx.project.geometry import rotation_matrix
from tests.align.ellipsoids import TILTS

SHAPE = (26, 24)


@pytest.fixture
def body(rng):
    numbers = ball(np.array([1.0, -2.0, 1.5]), 7.0)
    numbers[4:] = rng.normal(0, 0.1, N_NUMBERS - 4)
    return numbers


def test_a_ball_casts_the_shadow_of_a_ball():
    """Chords of 2 sqrt(r^2 - d^2) about where the centre is seen at each tilt."""
    centre = np.array([2.0, -3.0, 1.0])
    path = Grid(TILTS, *SHAPE).shadows(ball(centre, 7.0)).path
    y, x = np.indices(SHAPE) - (np.array(SHAPE)[:, None, None] - 1) / 2
    for tilt, shadow in zip(np.deg2rad(TILTS), path, strict=True):
        seen_x = centre[2] * np.cos(tilt) + centre[0] * np.sin(tilt)
        chord = 2 * np.sqrt(np.clip(49 - (y + 3) ** 2 - (x - seen_x) ** 2, 0, None))
        inside = chord > 6
        assert np.abs(shadow - chord)[inside].max() < 1.0  # a soft surface, voxels
        # The volume within a surface that fades as a logistic does.
        volume = 4 / 3 * np.pi * (7**3 + np.pi**2 * SOFT_PX**2 * 7)
        assert shadow.sum() == pytest.approx(volume, rel=0.02)


def test_slopes_are_differences(body):
    grid = Grid(TILTS[::4], *SHAPE)
    slopes = grid.shadows(body).slopes
    for number in range(N_NUMBERS):
        step = np.zeros(N_NUMBERS)
        step[number] = 1e-3
        difference = (grid.shadows(body + step).path - grid.shadows(body - step).path) / 2e-3
        # Few voxels pass from one side of NEAR to the other.
        assert np.abs(slopes[number] - difference).max() < 0.02 * np.abs(difference).max()


def test_the_path_alone_is_the_same(body):
    grid = Grid(TILTS[::4], *SHAPE)
    assert np.array_equal(grid.path(body), grid.shadows(body).path)


def test_fields_are_moved_as_maps_are():
    """A plane turned and shifted is the plane at `turn p + shift`."""
    grid = Grid(TILTS[::4], *SHAPE)
    shift_px = np.array([[0.5, -1.25], [0.0, 0.0], [2.0, 1.0]])
    y, x = np.indices(SHAPE) - (np.array(SHAPE)[:, None, None] - 1) / 2
    planes = np.broadcast_to(np.stack([y, 3 * x])[:, None], (2, 3, *SHAPE))
    found = grid.moved(planes, 10.0, shift_px)
    inside = (slice(8, -8), slice(8, -8))
    for tilt, shift in enumerate(shift_px):
        at = np.tensordot(rotation_matrix(10.0), [y, x], 1) + shift[:, None, None]
        # Weights of four neighbours are float32.
        assert found[0, tilt][inside] == pytest.approx(at[0][inside], abs=1e-4)
        assert found[1, tilt][inside] == pytest.approx(3 * at[1][inside], abs=1e-4)


def test_harmonics_are_orthonormal_and_sums_of_products():
    points = np.random.default_rng(3).normal(size=(3, 200_000))
    points /= np.linalg.norm(points, axis=0)
    harmonics = HARMONICS @ _products(points, POWERS)
    assert np.abs(harmonics - _harmonics(points)).max() < 1e-9
    overlap = 4 * np.pi * harmonics @ harmonics.T / points.shape[1]
    assert overlap == pytest.approx(np.eye(len(harmonics)), abs=0.05)  # of a random sample


def test_the_radius_of_a_ball():
    assert radius_of(ball(np.zeros(3), 6.5)) == pytest.approx(6.5)
