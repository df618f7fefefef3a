import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.transform import iradon

from stemedx.params import FbpParams
from stemedx.project.geometry import Geometry
from stemedx.project.projector import project
from stemedx.reconstruct.fbp import reconstruct
from stemedx.reconstruct.filtered import angular_weights, fbp


def disc_maps(n, tilt_deg, radius, z0, x0, n_y=2):
    """Exact projections of a disc of density 0.5 and its mask, chords by closed form."""
    t = np.arange(n) - (n - 1) / 2
    tilt = np.deg2rad(tilt_deg)[:, None]
    t0 = x0 * np.cos(tilt) + z0 * np.sin(tilt)
    chords = np.sqrt(np.clip(radius**2 - (t - t0) ** 2, 0, None))
    z, x = np.mgrid[:n, :n] - (n - 1) / 2
    maps = np.repeat(chords[None, :, None], n_y, axis=2).astype(np.float32)
    return maps, np.hypot(z - z0, x - x0)


@pytest.mark.parametrize("tilt_deg", [np.arange(0, 360, 1.0), np.arange(-90, 90, 1.5)])
def test_a_disc_off_centre_keeps_its_density(tilt_deg):
    """Unit gain over the full and over half the circle, from exact chords."""
    maps, distance = disc_maps(80, tilt_deg, 14.0, 9.0, -11.0)
    volumes = fbp(maps, tilt_deg)
    assert volumes[0, :, 1][distance < 10].mean() == pytest.approx(0.5, rel=0.01)  # pixel size
    # outside, streaks only: the views are as many as the pixels of a line
    assert abs(volumes[0, :, 0][(distance > 18) & (distance < 30)].mean()) < 0.005


def test_a_disc_stands_where_it_was():
    """Only a disc off centre in both axes tells a wrong sign of tilt or z."""
    tilt_deg = np.arange(-60, 61, 10.0)
    maps, distance = disc_maps(80, tilt_deg, 14.0, 9.0, -11.0)
    found = fbp(maps, tilt_deg)[0, :, 0]
    assert np.corrcoef(found.ravel(), (distance < 14).ravel())[0, 1] > 0.8
    assert np.corrcoef(found[::-1].ravel(), (distance < 14).ravel())[0, 1] < 0.3


def test_fbp_agrees_with_scikit_image(rng):
    """iradon seen from its own side: t = column cos - row sin, hence the sign."""
    tilt_deg = np.arange(0, 180, 4.0)
    volume = np.zeros((1, 41, 1, 41), np.float32)
    volume[0, 9:22, 0, 14:30] = rng.random((13, 16))
    maps = project(volume, tilt_deg)
    theirs = iradon(maps[0, :, 0].T, -tilt_deg, filter_name="hann", circle=False, output_size=41)
    ours = fbp(maps, tilt_deg)[0, :, 0]
    # their window lies half a frequency sample off, of 64 up to Nyquist
    assert np.abs(ours - theirs).max() < 0.02 * theirs.max()


def test_fbp_is_linear(rng):
    tilt_deg = np.array([-40.0, 0.0, 13.0])
    a, b = rng.standard_normal((2, 2, 3, 4, 9), np.float32)
    together, apart = fbp(2 * a - b, tilt_deg), 2 * fbp(a, tilt_deg) - fbp(b, tilt_deg)
    assert together == pytest.approx(apart, abs=1e-4)  # float32 sums of a few terms


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(5)))
def test_the_order_of_tilts_does_not_matter(order):
    rng = np.random.default_rng(5)
    tilt_deg, maps = np.array([-40.0, -8.0, 0.0, 13.0, 60.0]), rng.random((1, 5, 2, 9), np.float32)
    turned = fbp(np.ascontiguousarray(maps[:, order]), tilt_deg[order])
    assert turned == pytest.approx(fbp(maps, tilt_deg), abs=1e-5)  # order of float32 sums


def test_many_tilts_are_done_in_parts(monkeypatch, rng):
    tilt_deg, maps = np.arange(-60, 61, 10.0), rng.random((2, 13, 3, 12), np.float32)
    whole = fbp(maps, tilt_deg)
    monkeypatch.setattr("stemedx.reconstruct.filtered.TILTS_AT_ONCE", 5)
    assert fbp(maps, tilt_deg) == pytest.approx(whole, abs=1e-5)  # order of float32 sums


@pytest.mark.parametrize(
    ("tilt_deg", "weights"),
    [
        ([-60, -40, -20, 0, 20, 40, 60], [20] * 7),  # edges of the wedge count as the rest
        ([0, 45, 90, 135], [45] * 4),  # no wedge: round to the first one
        ([0, 90, 180, 270], [45] * 4),  # each direction seen from both sides
        ([40, -20, 0], [40, 20, 30]),  # any order, uneven gaps
        ([7], [180]),
    ],
)
def test_weights_are_half_the_gaps(tilt_deg, weights):
    assert angular_weights(np.array(tilt_deg, float)) == pytest.approx(weights)


def test_reconstruct_aligns_before_it_projects_back():
    """Two pixels aside in every measured map, and put right again."""
    tilt_deg = np.arange(-60, 61, 10.0)
    maps, _ = disc_maps(60, tilt_deg, 9.0, 4.0, -6.0, n_y=5)
    moved = Geometry(tilt_deg, 5, 60, shift_px=np.tile([0.0, -2.0], (13, 1)))
    found = reconstruct(np.roll(maps, 2, axis=-1), moved, FbpParams(filter_px=1))
    assert found == pytest.approx(fbp(maps, tilt_deg), abs=1e-5)  # float32


def test_views_from_behind_are_mirror_images(rng):
    """A tilt of 200 degrees sees what one of 20 sees, from the other side."""
    tilt_deg, maps = np.array([-35.0, 0.0, 20.0]), rng.random((2, 3, 4, 9), np.float32)
    behind = maps.copy()
    behind[:, 1:] = behind[:, 1:, :, ::-1]
    turned = fbp(behind, tilt_deg + [0.0, 180.0, -180.0])
    assert turned == pytest.approx(fbp(maps, tilt_deg), abs=1e-5)  # float32


def test_views_from_both_sides_are_averaged(rng):
    tilt_deg, maps = np.array([-35.0, 0.0, 20.0]), rng.random((2, 3, 4, 9), np.float32)
    other = rng.random((2, 3, 4, 9), np.float32)
    both = np.concatenate([maps, other[..., ::-1]], axis=1)
    found = fbp(both, np.concatenate([tilt_deg, tilt_deg + 180]))
    assert found == pytest.approx(fbp((maps + other) / 2, tilt_deg), abs=1e-5)  # float32
