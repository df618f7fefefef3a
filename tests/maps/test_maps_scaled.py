import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemedx.maps.scaled import largest_counts, unscale
from stemedx.maps.signal import to_signal


def rounded(counts, levels=255):
    return np.rint(counts / counts.max() * levels) / levels


@given(st.floats(1e-3, 50.0), st.integers(0, 2**32 - 1), st.sampled_from([0.3, 1.0, 3.0]))
def test_scaled_counts_come_back(scale, seed, rate):
    counts = np.random.default_rng(seed).poisson(rate, (1, 2, 30, 40))
    maps = counts * np.array([scale, 0.7 * scale])[:, None, None]
    assert (unscale(maps.astype(np.float32)) == counts).all()


@pytest.mark.parametrize("levels", [255, 254])
def test_counts_by_way_of_a_picture_come_back(rng, levels):
    counts = rng.poisson(1.5, (40, 50))
    found = unscale(rounded(counts, levels)[None, None])
    assert (found == counts).all()


def test_what_was_not_counted_is_not_inverted(rng):
    assert unscale(rng.random((1, 1, 30, 40))) is None
    counts = rng.poisson(0.8, (1, 1, 30, 40))
    resampled = (counts + np.roll(counts, 1, axis=-1) * np.float64(0.37)) / 3
    assert unscale(resampled) is None
    assert largest_counts(rng.poisson(200.0, (30, 40)) * 0.37) is None  # no pixel of one photon
    assert largest_counts(np.zeros((3, 4))) == 0


def test_signal_tells_of_the_scale(rng, caplog):
    counts = rng.poisson(1.5, (1, 2, 30, 40))
    found = to_signal(counts * 0.0372, ["Se"], None)
    assert (found.values == counts).all()
    assert found.signal == "counts"
    assert "the maps were scaled" in caplog.text


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(("sample", "most"), [(1, (4, 4, 5)), (2, (6, None, 5)), (3, (4, 4, 5))])
def test_published_maps(data, sample, most):
    """Divided by their maximum by way of coloured pictures; a refusal is no wrong number."""
    edx = np.load(data / f"han2021/maps_2d/sample{sample}.npz")["edx"]
    assert tuple(largest_counts(edx[..., n]) for n in range(3)) == most
    smooth = np.load(data / f"han2021/maps_2d/sample{sample}.npz")["bm3d"]
    assert [largest_counts(smooth[..., n]) for n in range(3)] == [None] * 3
