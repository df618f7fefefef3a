import numpy as np
import pytest

from stemedx.align.drift import FrameSource, find_drift, move_frames, to_frame_source

SHAPE = (60, 72)
DRIFT = np.array([[0.0, 0.0], [2.4, -1.3], [5.1, -2.0], [7.7, -4.6], [8.2, -7.5], [7.9, -9.1]])


def scan(drift_px, shape=SHAPE):
    """Return the frames of dots by their formula: not by interpolation."""
    y, x = np.indices(shape) - (np.array(shape)[:, None, None] - 1) / 2
    frames = np.full((len(drift_px), *shape), 20.0)
    for frame, (by_y, by_x) in enumerate(drift_px):
        for at_y, at_x, width, peak in ((-6, 4, 3, 90), (9, -11, 4, 60), (2, 15, 2.5, 80)):
            away = (y + by_y - at_y) ** 2 + (x + by_x - at_x) ** 2
            frames[frame] += peak * np.exp(-away / (2 * width**2))
    return frames


def counts(rng, frames):
    return rng.poisson(np.stack([0.002 * frames, 0.003 * frames])).astype(np.uint8)


def test_drift_is_found_below_a_pixel(rng):
    frames = scan(DRIFT)
    haadf = frames + rng.normal(0, 4, frames.shape)
    source = to_frame_source(counts(rng, frames), haadf, 1.0)
    found = find_drift(source, 10.0)
    assert found.shift_px == pytest.approx(DRIFT - DRIFT.mean(axis=0), abs=0.15)  # noise
    assert found.agreement.min() > 0.9
    assert found.warnings == ()


def test_drift_is_found_from_counts_and_told_as_less_sure(rng):
    frames = scan(DRIFT)
    found = find_drift(to_frame_source(counts(rng, frames), None, 1.0), 10.0)
    assert found.shift_px == pytest.approx(DRIFT - DRIFT.mean(axis=0), abs=1.0)  # 1000 counts
    assert "no HAADF frames" in found.warnings[0]


def test_a_frame_that_shows_something_else_is_named(rng):
    frames = scan(DRIFT)
    frames[3] = rng.normal(0, 4, SHAPE)
    found = find_drift(to_frame_source(counts(rng, scan(DRIFT)), frames, 1.0), 10.0)
    assert "the others do not look like frame 4: leave it out" in found.warnings


def test_events_are_moved_and_none_is_lost(rng):
    maps = rng.poisson(0.4, (2, 3, 5, 7)).astype(np.uint8)
    whole = np.array([[-1, 2], [0, 0], [2, -1]])
    moved, scanned = move_frames(maps, whole)
    assert (moved.shape, moved.dtype) == ((2, 3, 8, 10), np.uint8)
    assert np.array_equal(moved.sum(axis=(2, 3)), maps.sum(axis=(2, 3)))
    # What was at (y, x) of frame 1 is 1 row lower and 2 columns further left than in frame 0.
    assert np.array_equal(moved[:, 0, 0:5, 3:10], maps[:, 0])
    assert np.array_equal(moved[:, 1, 1:6, 1:8], maps[:, 1])
    assert np.array_equal(scanned.sum(axis=(1, 2)), [35, 35, 35])
    assert scanned[2, 3:8, 0:7].all()


def test_moved_dots_lie_on_each_other():
    frames = scan(np.rint(DRIFT))
    moved, scanned = move_frames(frames[None], np.rint(DRIFT).astype(int))
    common = scanned.all(axis=0)
    assert np.ptp(moved[0][:, common], axis=0).max() < 1e-9  # rounding


def test_one_frame_is_refused(rng):
    frames = scan(DRIFT[:1])
    with pytest.raises(ValueError, match="at least 2 frames, found 1. Export the frames one by"):
        to_frame_source(counts(rng, frames), frames, 1.0)


def test_a_blank_frame_is_refused(rng):
    frames = scan(DRIFT)
    frames[2] = 3.0
    with pytest.raises(ValueError, match="found frame 3 blank. Leave it out"):
        to_frame_source(counts(rng, scan(DRIFT)), frames, 1.0)


def test_frames_without_a_common_field_are_refused():
    far = np.linspace([-36, 0], [36, 0], 5)
    source = FrameSource(scan(far, (90, 60)).astype(np.float32), ())
    with pytest.raises(ValueError, match=r"found a drift of \d+ pixels in a field of 90. Leave"):
        find_drift(source, 30.0)
