import numpy as np
import pytest

from stemedx.align.images import above_vacuum, is_contained, of_equal_totals, width_for


def disc(x=18.0, radius=6.0, shape=(40, 44)):
    rows, columns = np.indices(shape)
    return 5.0 * (np.hypot(rows - 22, columns - x) < radius)


def test_fewer_photons_are_smoothed_more(rng):
    rates = np.stack([[disc(), disc(20)]])
    widths = [width_for(rng.poisson(rates * scale), 1.0) for scale in (2, 0.1, 0.02, 0.001)]
    assert widths == sorted(widths)
    assert widths[0] == 1.0  # enough photons: as asked
    assert widths[-1] == 40 / 16  # a sixteenth of the side at most
    # 20 photons under a Gaussian of standard deviation s: 4 pi s^2 times the rate.
    assert widths[1] == pytest.approx(np.sqrt(20 / (4 * np.pi * 0.5)), rel=0.3)  # edges


def test_the_darkest_border_is_the_background(rng):
    images = np.stack([disc() + 3, disc() + 1])
    images[:, :4] += 7  # a neighbour along one border
    found = above_vacuum(images, 0.5)
    assert np.median(found, axis=(1, 2)) == pytest.approx([0, 0])
    assert found.dtype == np.float32


def test_a_specimen_inside_the_field():
    assert is_contained(np.stack([disc(18), disc(25)]))


def test_a_specimen_that_touches_a_border_at_one_tilt_is_not_inside():
    assert not is_contained(np.stack([disc(18), disc(42)]))
    assert not is_contained(np.stack([disc(2), disc(18)]))


def test_a_plane_is_not_inside():
    assert not is_contained(np.full((3, 40, 44), 2.0))


def test_all_images_get_the_same_total():
    images = np.stack([disc(), 3 * disc(20), np.zeros((40, 44))]).astype(np.float32)
    totals = of_equal_totals(images[None])[0].sum(axis=(1, 2))
    assert totals[0] == pytest.approx(totals[1], rel=1e-5)  # float32
    assert totals[2] == 0
