import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stemedx.align.correlation import image_shift, profile_shift, vertex

SHAPE = (40, 52)


def blobs(shift_y=0.0, shift_x=0.0):
    y, x = np.indices(SHAPE).astype(float)
    y, x = y - shift_y, x - shift_x
    one = np.exp(-((y - 17) ** 2 / 18 + (x - 30) ** 2 / 32))
    return one + 0.6 * np.exp(-((y - 24) ** 2 + (x - 21) ** 2) / 12)


@settings(max_examples=20)
@given(st.floats(-6, 6), st.floats(-9, 9))
def test_the_shift_brings_an_image_back(shift_y, shift_x):
    found = image_shift(blobs(shift_y, shift_x), blobs(), (12.0, 12.0))
    # A parabola along each axis is not quite the top of a slanting correlation.
    assert found == pytest.approx((-shift_y, -shift_x), abs=0.1)


def test_further_than_asked_is_not_searched():
    y, x = image_shift(blobs(8, -10), blobs(), (3.0, 2.5))
    assert (abs(y), abs(x)) <= (3.5, 3.5)


def test_a_profile_is_brought_back():
    profile, reference = blobs(4.3, 0).sum(axis=1), blobs().sum(axis=1)
    assert profile_shift(profile, reference, 10.0) == pytest.approx(-4.3, abs=0.05)  # parabola


def test_vertex_of_a_parabola():
    values = -((np.arange(7) - 3.3) ** 2)
    assert vertex(values, 3) == pytest.approx(0.3)


def test_a_peak_at_the_end_or_on_a_plateau_stays():
    assert vertex(np.array([3.0, 2.0, 1.0]), 0) == 0
    assert vertex(np.array([1.0, 1.0, 1.0]), 1) == 0
