import numpy as np
import pytest

from stemedx.learn.frame_parts import frame_parts, stacked
from stemedx.params import TrainDenoiserParams

PARAMS = TrainDenoiserParams(method="frames", share_min=0.3, share_max=0.9)


@pytest.fixture
def frames(rng):
    return rng.poisson(0.4, size=(2, 6, 8, 12)).astype(np.uint8)


def test_one_frame_is_set_apart_and_predicted_from_the_others(frames, rng):
    kept, held_out = frame_parts(2).hold_out(stacked(frames), PARAMS, rng)
    assert kept.shape == (10, 1, 8, 12)
    np.testing.assert_array_equal(held_out.seen[0] + held_out.target[0], frames.sum(1))
    assert any((held_out.target[0] == frames[:, n]).all() for n in range(6))
    np.testing.assert_allclose([held_out.shares[0], held_out.exposures[0]], [5 / 6, 1 / 6])


def test_what_is_seen_and_predicted_adds_up_and_has_no_frame_in_common(rng):
    # each frame of each element has a number of its own
    numbers = 100 ** np.arange(2)[:, None] * 2 ** np.arange(5)
    frames = np.broadcast_to(numbers[:, :, None, None], (2, 5, 3, 4))
    seen_of, shares = set(), set()
    for _ in range(40):
        sample = frame_parts(2).draw(stacked(frames)[None, :, 0], PARAMS, rng)
        np.testing.assert_array_equal((sample.seen + sample.target)[0, :, 0, 0], [31, 3100])
        seen = int(sample.seen[0, 0, 0, 0])
        assert sample.seen[0, 1, 0, 0] == 100 * seen  # the same frames of every element
        assert sample.shares[0] == pytest.approx(bin(seen).count("1") / 6)
        assert sample.shares[0] + sample.exposures[0] == pytest.approx(5 / 6)
        seen_of.add(seen)
        shares.add(round(float(sample.shares[0]), 3))
    assert len(seen_of) > 8 and len(shares) == 3  # 2 to 4 of the 5 frames that are left
