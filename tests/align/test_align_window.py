import numpy as np
import pytest

from stemedx.align.window import sampled, spline_of, window_of
from stemedx.project.geometry import rotation_matrix


def test_a_window_holds_what_is_seen():
    y, x = np.indices((3, 61, 81))[1:]
    image = ((np.abs(x - 40) <= 16) & (np.abs(y - 30) <= 20)).astype(np.float32)
    window = window_of(image, 40, 0.42, 2.0)
    assert window.pixel_px * 40 * 0.42 == pytest.approx(1.15 * 16)  # of a specimen in a window
    assert window.pixel_px * window.n_y / 2 >= 1.15 * 20


def test_a_window_is_turned_and_centred_as_maps_are_aligned():
    """A spot that rotation, then shift bring to the centre lies in the centre of the window."""
    y, x = np.indices((60, 64)) - np.array([29.5, 31.5])[:, None, None]
    spot = np.exp(-((y - 7) ** 2 + (x + 5) ** 2) / 18)
    beside = np.exp(-((y - 7) ** 2 + (x + 5 - 8) ** 2) / 18)
    window = window_of(np.ones((1, 24, 24), np.float32), 21, 0.5, 0.0)
    shift = -rotation_matrix(20.0) @ [7.0, -5.0]
    place = -shift @ rotation_matrix(20.0)
    found = sampled(spline_of(np.stack([spot, beside])[:, None]), window, 20.0, place[None])
    at = [np.tensordot(image[0], window.points, ([0, 1], [1, 2])) / image.sum() for image in found]
    assert at[0] == pytest.approx([0.0, 0.0], abs=0.1)  # the window cuts its tails
    # What lies to the right of the spot is seen turned counter-clockwise: up.
    assert at[1][0] == pytest.approx(-8 * np.sin(np.deg2rad(20)), abs=0.3)
