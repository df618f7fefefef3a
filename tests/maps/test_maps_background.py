import numpy as np
import pytest

from stemedx.maps.background import (
    find_flanks,
    find_overlaps,
    shares_in_windows,
    window_weights,
)
from stemedx.maps.lines import Line, families_of
from stemedx.maps.net import background_heights, net_by_windows, to_gains
from stemedx.maps.residuals import unexplained
from stemedx.maps.response import Response, noise_for
from stemedx.maps.spectrum_fit import fit_spectrum, make_model
from stemedx.maps.windows import to_window

RESPONSE = Response(0.0, 0.02, noise_for(130.0))
ENERGIES = RESPONSE.energies(0, 600)


def window(name, energy, half=0.15):
    return to_window(Line(name, energy), half, 0.0, 0.02, 600)


def peak(energy, photons):
    sigma = RESPONSE.sigma_keV(energy)
    return (
        photons
        * 0.02
        / sigma
        / np.sqrt(2 * np.pi)
        * np.exp(-((ENERGIES - energy) ** 2) / 2 / sigma**2)
    )


def test_straight_background_vanishes_and_the_line_stays():
    flat = 40 - 2 * ENERGIES
    one = window("Fe_Ka", 6.4)
    total = flat + peak(6.4, 1000) + peak(6.9, 5000)  # a greater line beside it
    flanks = find_flanks(total, one, RESPONSE, 10)
    net = net_by_windows(total, [one], [flanks], np.ones(1))
    assert net.net == pytest.approx([990], rel=0.02)  # 2.7 sigma, and what leaks into flanks
    weights = window_weights([one], [flanks], 600, np.ones(1))
    assert flat @ weights == pytest.approx([0.0], abs=1e-9)  # rounding
    assert net.variance == pytest.approx(total @ weights**2)


def test_flanks_stay_on_the_axis():
    one = window("C_Ka", 0.277, 0.06)
    flanks = find_flanks(np.ones(600), one, RESPONSE, 10)
    assert flanks.below[0] >= 10
    late = find_flanks(np.ones(600), window("Pb_La", 11.9), RESPONSE, 10)
    assert late.above[1] <= 600


def test_overlaps_of_the_line_table_are_told():
    families = [
        one for s in ("S", "Mo", "Zn") for one in families_of(s, 0.5, 11.0, None, frozenset())
    ]
    windows = [window("S_Ka", 2.307, 0.09), window("Zn_Ka", 8.64)]
    shares = shares_in_windows(windows, families, RESPONSE, 600)
    (text,) = find_overlaps(windows, families, shares, ": use fit")
    assert text.startswith("the window of S_Ka holds ")
    assert text.endswith("% of the photons of Mo L: use fit")
    column = [one.name for one in families].index("S K")
    assert shares[0, column] == pytest.approx(0.92, abs=0.02)  # K beta (6 %) is outside


def test_gains_are_relative_and_one_where_nothing_is_certain():
    net = np.array([[100.0, 300.0, 1.0], [0.0, 1.0, 2.0]])
    gains = to_gains(net, np.maximum(net, 1.0))
    assert gains.tolist() == [[0.5, 1.5, 1.0], [1.0, 1.0, 1.0]]


def test_a_peak_of_an_element_that_is_not_fitted_is_told():
    model = make_model(families_of("Fe", 0.5, 11.0, None, frozenset()), RESPONSE, 25, 550)
    counts = np.rint(20 + peak(6.4, 3000) + peak(4.511, 2000))
    (text,) = unexplained(counts, fit_spectrum(counts, model))
    assert text.startswith("a peak at 4.5")
    assert "Ti_Ka" in text
    assert text.endswith("Add the element to element_maps.extra_elements")
    counts = np.rint(20 + peak(6.4, 3000) + peak(9.58, 2000))
    (text,) = unexplained(counts, fit_spectrum(counts, model))
    assert text.endswith("no element has a main line there: it may be an escape or a sum peak")
    assert unexplained(np.rint(20 + peak(6.4, 3000)), fit_spectrum(counts, model)) == []


def silicon(platinum, rng=None):
    """Return a spectrum of Si and so many times as much Pt, its fit, window and flanks."""
    response = Response(0.0, 0.02, noise_for(130.0), tail_share=0.4, tail_keV=0.13)
    one = window("Si_Ka", 1.74, 0.08)
    families = [f for s in ("Si", "Pt") for f in families_of(s, 0.5, 3.0, None, frozenset())]
    model = make_model(families, response, 25, 150)
    total = np.zeros(600)
    total[25:150] = model.columns[:, :2] @ np.array([1e5, platinum * 1e5]) + 200
    drawn = total if rng is None else rng.poisson(total)
    inside = model.columns[one.first - 25 : one.end - 25, 0].sum()
    return drawn, fit_spectrum(drawn, model), [one], [find_flanks(total, one, response, 10)], inside


def test_background_under_a_line_whose_valleys_hold_others(rng):
    """Of strong Pt M the tail and its weak lines fill the valleys beside Si K."""
    counts, fit, windows, flanks, share = silicon(8.0)
    heights, (text,) = background_heights(counts, fit, windows, flanks)
    assert heights == pytest.approx([0.55], abs=0.05)
    assert text.startswith("the windows beside Si_Ka hold lines of other elements: its background")
    straight = net_by_windows(counts, windows, flanks, np.ones(1)).net
    assert straight < 0.95 * share * 1e5  # without it
    half = counts // 2  # another tilt of the same matter
    assert net_by_windows(half, windows, flanks, heights).net / share / 5e4 == pytest.approx(
        [1.0], abs=0.02
    )
    counts, fit, *where, _ = silicon(0.0, rng)
    heights, texts = background_heights(counts, fit, *where)
    assert (heights.tolist(), texts) == ([1.0], [])


def test_a_height_that_cannot_be_believed_is_told_and_not_used():
    """Within the window itself lies another line: the flanks say nothing of it."""
    families = [f for s in ("S", "Mo") for f in families_of(s, 0.5, 3.0, None, frozenset())]
    model = make_model(families, RESPONSE, 25, 150)
    one = window("S_Ka", 2.307, 0.09)
    counts = np.zeros(600)
    counts[25:150] = model.columns[:, :2] @ np.array([1e4, 1e5]) + 20
    flanks = [find_flanks(counts, one, RESPONSE, 10)]
    heights, (text,) = background_heights(counts, fit_spectrum(counts, model), [one], flanks)
    assert heights.tolist() == [1.0]
    assert "% too many net counts; set element_maps.method to fit" in text


def test_the_height_of_a_fit_that_misses_the_counts_is_not_used():
    """Of an element that is there but not fitted a flank holds counts that the fit has not."""
    counts, fit, windows, flanks, _ = silicon(8.0)
    counts[slice(*flanks[0].above)] += 5e3
    heights, (text,) = background_heights(counts, fit, windows, flanks)
    assert heights.tolist() == [1.0]
    assert text.endswith("set element_maps.method to fit")
    assert "is set to" not in text
