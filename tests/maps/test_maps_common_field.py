import numpy as np
import pytest

from stemedx.maps.common_field import on_common_field


@pytest.fixture
def frames(rng):
    return rng.poisson(0.3, size=(2, 3, 9, 14)).astype(np.uint8)


def test_the_field_that_all_frames_have_scanned_is_kept_as_it_is(frames):
    scanned = np.zeros((3, 9, 14), np.uint8)
    for frame, (y, x) in enumerate([(0, 4), (2, 1), (1, 0)]):
        scanned[frame, y : y + 7, x : x + 10] = 1
    found = on_common_field(frames, scanned)
    np.testing.assert_array_equal(found, frames[:, :, 2:7, 4:10])
    assert found.dtype == frames.dtype


def test_frames_that_have_no_place_in_common_are_refused(frames):
    scanned = np.zeros((3, 9, 14), np.uint8)
    scanned[:2, :4] = scanned[2, 4:] = 1
    with pytest.raises(ValueError, match="a field that all frames have scanned, found none"):
        on_common_field(frames, scanned)
