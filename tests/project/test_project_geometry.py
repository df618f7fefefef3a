import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemedx.project.geometry import Geometry, least_shifts

TILTS = np.array([-60.0, -35.0, -5.0, 10.0, 50.0])
seeds = st.integers(0, 2**32 - 1)
moves = st.floats(-30, 30)


@given(seeds, moves, moves, moves)
def test_moving_the_specimen_changes_nothing(seed, z, y, x):
    shifts = np.random.default_rng(seed).normal(0, 5, (5, 2))
    angle = np.deg2rad(TILTS)
    moved = shifts + np.stack([np.full(5, y), x * np.cos(angle) + z * np.sin(angle)], axis=1)
    # 35 px of moves are taken away again, to rounding.
    assert least_shifts(moved, TILTS) == pytest.approx(least_shifts(shifts, TILTS), abs=1e-10)


@given(seeds, moves, moves, moves)
def test_no_equivalent_alignment_moves_less(seed, z, y, x):
    shifts = np.random.default_rng(seed).normal(0, 5, (5, 2))
    least = least_shifts(shifts, TILTS)
    angle = np.deg2rad(TILTS)
    moved = least + np.stack([np.full(5, y), x * np.cos(angle) + z * np.sin(angle)], axis=1)
    # rounding: moves of 1e-12 px change a sum of ten squares by less than it is rounded to
    assert np.sum(moved**2) >= np.sum(least**2) * (1 - 1e-12)


def test_what_tilting_cannot_explain_is_kept():
    """A tilt axis off the centre of the maps shifts all maps alike, across it."""
    shifts = np.zeros((5, 2))
    shifts[:, 1] = 6.0
    left = least_shifts(shifts, TILTS)[:, 1] - 6.0
    angle = np.deg2rad(TILTS)
    explained = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert np.linalg.matrix_rank(np.column_stack([explained, left]), tol=1e-9) == 2
    assert np.abs(least_shifts(shifts, TILTS)).max() > 0.5


def test_moving_further_adds_to_the_shifts():
    shift = np.random.default_rng(1).normal(0, 2, (5, 2))
    geometry = Geometry(TILTS, 6, 7)
    assert geometry.moved(0 * shift) is geometry
    assert np.array_equal(geometry.moved(shift).shift_px, shift)
    assert geometry.moved(shift).moved(shift).shift_px == pytest.approx(2 * shift)
