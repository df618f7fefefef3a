import numpy as np
import pytest

from stemedx.learn.bootstraps import BOOTSTRAPS, draw_frames
from stemedx.params import TrainKernelParams

PARAMS = TrainKernelParams(n_drawn=3, n_bootstraps=6)


@pytest.fixture
def frames(rng):
    return rng.poisson(0.4, size=(2, 5, 8, 12)).astype(np.uint8)


def test_sets_of_frames_are_different_and_as_many_as_there_are(rng):
    drawn = draw_frames(5, PARAMS, rng)
    assert len({tuple(one) for one in drawn}) == len(drawn) == 6
    assert all(len(set(one)) == 3 and max(one) < 5 for one in drawn)
    few = draw_frames(4, PARAMS, rng)
    assert sorted(few) == [[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]]


def test_as_published_a_bootstrap_is_a_part_of_its_label(frames):
    drawn = [[0, 1, 4], [1, 2, 3]]
    seen, labels = BOOTSTRAPS["all_frames"](frames, drawn)
    np.testing.assert_allclose(seen[1], frames[:, [1, 2, 3]].mean(1), rtol=1e-6)
    np.testing.assert_allclose(labels, np.stack(2 * [frames.mean(1)]), rtol=1e-6)


def test_the_other_frames_are_those_that_are_not_seen(frames):
    drawn = [[0, 1, 4], [1, 2, 3]]
    seen, labels = BOOTSTRAPS["other_frames"](frames, drawn)
    np.testing.assert_allclose(labels[1], frames[:, [0, 4]].mean(1), rtol=1e-6)
    np.testing.assert_allclose(3 * seen + 2 * labels, np.stack(2 * [frames.sum(1)]), rtol=1e-5)


def test_the_noise_of_the_other_frames_is_independent(rng):
    """Of a flat map: seen and label have in common what they share of the frames."""
    frames = rng.poisson(0.5, size=(1, 15, 64, 96)).astype(np.uint8)
    drawn = draw_frames(15, TrainKernelParams(n_drawn=8, n_bootstraps=4), rng)
    shared = {}
    for label, make in BOOTSTRAPS.items():
        seen, labels = make(frames, drawn)
        one = [np.cov(s.ravel(), t.ravel()) for s, t in zip(seen, labels, strict=True)]
        shared[label] = np.mean([c[0, 1] / c[0, 0] for c in one])
    # regression of the label on what is seen: 8 / 15 of the noise is in both
    assert shared["all_frames"] == pytest.approx(8 / 15, abs=0.02)
    assert shared["other_frames"] == pytest.approx(0, abs=0.03)


def test_too_few_frames_are_refused(rng):
    with pytest.raises(ValueError, match=r"more than 3 frames \(n_drawn\), found 3"):
        draw_frames(3, PARAMS, rng)
