import numpy as np
import pytest

from stemedx.params import PhantomParams, tilt_range
from stemedx.simulate.phantoms import (
    acquire,
    expected_maps,
    make_specimen,
    make_truth,
    path_lengths,
    truth_volumes,
)

TILTS = "-50:60:22"


def phantom(shape, **changes):
    return PhantomParams(shape=shape, **{"size_px": 24, "tilts": TILTS, **changes})


def test_rod_projects_to_its_chords(rng):
    """The row through the middle of the rod: 2 sqrt(r^2 - (x - x0)^2), off centre."""
    specimen = make_specimen(phantom("rod", size_px=40), rng)
    z0, y0, x0 = specimen.body.facts["centre_zyx_px"]
    radius = specimen.body.facts["radius_px"]
    shift = np.array([[0.0, 1.3]])
    angle = np.deg2rad(35.0)
    view = path_lengths(specimen, np.array([35.0]), shift)[0, 0]
    middle = view[round(y0 + 19.5)]
    fine = (np.arange(400) + 0.5) / 10 - 20
    away = fine - (x0 * np.cos(angle) + z0 * np.sin(angle) + 1.3)
    chords = 2 * np.sqrt(np.maximum(radius**2 - away**2, 0)).reshape(-1, 10).mean(axis=1)
    # a ray is made of half-pixel steps: up to one at each end, averaged over 2 rays
    assert middle == pytest.approx(chords, abs=0.7)
    assert middle.sum() == pytest.approx(np.pi * radius**2, rel=0.02)  # cells of 1/8 px^3
    x = np.arange(40) - 19.5
    centre = (middle * x).sum() / middle.sum()
    assert centre == pytest.approx((chords * x).sum() / chords.sum(), abs=0.05)  # same cells


@pytest.mark.parametrize("uncovered_percent", [0.0, 7.0, 31.0])
def test_uncovered_cap_is_an_exact_share_of_all_directions(rng, uncovered_percent):
    specimen = make_specimen(phantom("core_shell", uncovered_percent=uncovered_percent), rng)
    centre = np.array(specimen.body.facts["centre_zyx_px"])
    n = 40_000
    directions = rng.standard_normal((n, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    # 1.2 core radii: beyond every lump of the core, within the shell everywhere
    points = centre + 1.2 * specimen.body.facts["core_radius_px"] * directions
    labels = specimen.body.shape(points.T.astype(np.float32))
    share = uncovered_percent / 100
    error = 5 * np.sqrt(share * (1 - share) / n)  # five standard errors
    assert (labels == 0).mean() == pytest.approx(share, abs=error)
    assert set(np.unique(labels)) <= {0, 3}


def test_core_shell_chemistry(rng):
    specimen = make_specimen(phantom("core_shell"), rng)
    volumes = dict(zip(specimen.elements, truth_volumes(specimen), strict=True))
    middle = tuple(np.rint(np.array(specimen.body.facts["centre_zyx_px"]) + 11.5).astype(int))
    assert volumes["Zn"] == pytest.approx(volumes["Se"] + volumes["S"], abs=1e-7)  # float32
    assert volumes["Zn"][middle].max() == 0  # the InP inside carries no element asked for
    assert volumes["Se"].sum() > 0
    assert volumes["S"].sum() > 0


def test_brightest_pixel_expects_the_peak(rng):
    params = phantom("core_shell", peak=0.7, background=0.0)
    specimen = make_specimen(params, rng)
    n_tilts = len(specimen.tilt_deg)
    maps = expected_maps(specimen, specimen.tilt_deg, np.zeros((n_tilts, 2)), np.ones((3, n_tilts)))
    assert maps.max() == pytest.approx(0.7, rel=1e-6)  # float32
    assert maps.max(axis=(1, 2, 3)).argmax() == specimen.elements.index("Zn")


def test_every_tilt_sees_all_of_the_truth(rng):
    specimen = make_specimen(phantom("core_shell", background=0.0), rng)
    n_tilts = len(specimen.tilt_deg)
    maps = expected_maps(specimen, specimen.tilt_deg, np.zeros((n_tilts, 2)), np.ones((3, n_tilts)))
    whole = truth_volumes(specimen).sum(axis=(1, 2, 3))
    # both count cells of an eighth of a voxel, of a shell only 2 px thick
    assert maps.sum(axis=(2, 3)) == pytest.approx(np.tile(whole[:, None], n_tilts), rel=0.03)


def test_shift_moves_the_specimen_down_and_right(rng):
    specimen = make_specimen(phantom("rod"), rng)
    tilt = np.array([20.0])
    gains = np.ones((1, 1))
    still = expected_maps(specimen, tilt, np.array([[0.0, 0.0]]), gains)
    moved = expected_maps(specimen, tilt, np.array([[2.0, -1.0]]), gains)
    assert moved == pytest.approx(np.roll(still, (2, -1), (2, 3)), abs=1e-6)  # float32


def test_gains_act_on_the_specimen_and_not_on_the_background(rng):
    specimen = make_specimen(phantom("rod", peak=0.5, background=0.02), rng)
    shifts = np.zeros((2, 2))
    tilts = np.array([-10.0, 30.0])
    once, more = (
        expected_maps(specimen, tilts, shifts, gains) - np.float32(0.01)
        for gains in (np.ones((1, 2)), np.array([[1.0, 1.5]]))
    )
    assert more == pytest.approx(once * [[[[1.0]], [[1.5]]]], abs=1e-7)  # float32


def test_acquisition_follows_the_parameters(rng):
    specimen = make_specimen(phantom("core_shell", shift_px=3.0, gain_spread=0.2, peak=2.0), rng)
    recorded = acquire(specimen, rng)
    assert recorded.shifts_px.mean(axis=0) == pytest.approx(0, abs=1e-12)  # rounding
    assert np.abs(recorded.shifts_px).max() <= 3 + 1e-12
    assert np.abs(recorded.shifts_px).max() > 0.5
    assert ((recorded.gains >= 0.8) & (recorded.gains <= 1.2)).all()
    total = recorded.expected.sum(dtype=np.float64)
    assert recorded.counts.sum() == pytest.approx(total, abs=5 * np.sqrt(total))  # 5 sigma
    assert recorded.counts.max() > 1


def test_hits_are_clipped_counts(rng):
    recorded = acquire(make_specimen(phantom("rod", hits=True, peak=3.0), rng), rng)
    assert recorded.counts.max() == 1
    share = -np.expm1(-recorded.expected.astype(np.float64))
    deviation = np.sqrt((share * (1 - share)).sum())
    assert recorded.counts.sum() == pytest.approx(share.sum(), abs=5 * deviation)  # 5 sigma


def test_haadf_noise_follows_its_snr(rng):
    specimen = make_specimen(phantom("core_shell", haadf_snr=8.0), rng)
    haadf = acquire(specimen, rng).haadf
    paths = path_lengths(specimen, specimen.tilt_deg, np.zeros((len(specimen.tilt_deg), 2)))
    brightest = np.tensordot(specimen.haadf_weights, paths, axes=1).max()
    corners = haadf[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    corners = np.concatenate([corners.ravel(), haadf[:, 0].ravel(), haadf[:, -1].ravel()])
    # 5 standard errors of a standard deviation from that many values
    assert corners.std() == pytest.approx(brightest / 8, rel=5 / np.sqrt(2 * len(corners)))


def test_empty_is_background_only(rng):
    specimen = make_specimen(phantom("empty", peak=0.4, background=0.05, gain_spread=0.3), rng)
    recorded = acquire(specimen, rng)
    assert specimen.elements == ("Se", "S", "Zn")
    assert recorded.expected == pytest.approx(np.full_like(recorded.expected, 0.02), rel=1e-6)
    assert truth_volumes(specimen).max() == 0


def test_equal_seeds_make_equal_specimens():
    params = phantom("core_shell")
    first, second, other = (
        make_truth(params, np.random.default_rng(seed))[1] for seed in (3, 3, 4)
    )
    assert (first == second).all()
    assert (first != other).any()


def test_tilts_that_do_not_add_up_are_refused():
    assert tilt_range("-1.5:1.5:1.5") == (-1.5, 0.0, 1.5)
    with pytest.raises(ValueError, match="expected first:last:step.*found '60'"):
        tilt_range("60")
    with pytest.raises(ValueError, match="steps of 7 do not lead from -60 to 60"):
        tilt_range("-60:60:7")
    with pytest.raises(ValueError, match="tilts must rise"):
        PhantomParams(shape="rod", tilts="60:-60:-10")
