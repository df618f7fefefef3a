import numpy as np
import pytest
import torch

from stemedx.learn.patches import draw_windows, to_patches

SHAPE = (2, 3, 5, 9)


def test_windows_lie_inside_and_reach_every_corner(rng):
    windows = draw_windows(SHAPE, 200, 4, rng)
    assert {w.tilt for w in windows} == {0, 1, 2}
    assert {(w.y.start, w.y.stop) for w in windows} == {(0, 4), (1, 5)}
    assert {(w.x.start, w.x.stop) for w in windows} == {(n, n + 4) for n in range(6)}


def test_a_small_map_is_used_whole(rng):
    (window,) = draw_windows(SHAPE, 1, 64, rng)
    assert window[1:] == (slice(0, 5), slice(0, 9))


def test_a_window_keeps_the_elements_in_order(rng):
    maps = rng.random(SHAPE, np.float32)
    (window,) = draw_windows(SHAPE, 1, 3, rng)
    part = window.of(maps)
    assert part.shape == (1, 2, 3, 3)
    assert np.array_equal(part[0, 1], maps[1, window.tilt, window.y, window.x])


@pytest.mark.parametrize("dtype", [np.uint16, np.float64])
def test_torch_gets_the_same_numbers(rng, dtype):
    patches = rng.integers(9, size=(4, 2, 5, 3)).astype(dtype)[..., ::-1]
    values = to_patches(patches, torch.device("cpu"))
    assert values.dtype == torch.float32
    assert np.array_equal(values.numpy(), patches)
