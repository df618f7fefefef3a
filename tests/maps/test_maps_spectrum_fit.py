from dataclasses import replace

import numpy as np
import pytest

from stemedx.maps.calibration import calibrated_by, fit_calibrated, recalibrated, strong_shells
from stemedx.maps.lines import families_of
from stemedx.maps.response import Response, noise_for
from stemedx.maps.spectrum_fit import fit_spectrum, make_model

TRUTH = Response(-0.2, 0.01, noise_for(135.0))
FIRST, END = 70, 1240
ELEMENTS = ("Si", "S", "Mo", "Zn", "Cu", "Fe")  # S K and Mo L are 14 eV apart


def families(elements=ELEMENTS, split=frozenset()):
    return [one for symbol in elements for one in families_of(symbol, 0.5, 12.2, 200.0, split)]


def expected(photons, response=TRUTH, elements=ELEMENTS, background=10.0):
    """Return photons by channel: `photons` of each family, background that falls as 1 / E."""
    lines = make_model(families(elements), response, FIRST, END)
    slope = 1 / response.energies(FIRST, END)
    rates = np.zeros(1300)
    rates[FIRST:END] = (
        lines.columns[:, : lines.n_lines] @ np.broadcast_to(photons, lines.n_lines)
        + background * np.mean(photons) * slope / slope.sum()
    )
    return rates


@pytest.mark.parametrize("photons", [10.0, 300.0, 1e5])
def test_known_counts_come_back(rng, photons):
    """Every element, overlapped or not: no bias, and intervals that hold what they say."""
    rates, model = expected(photons), make_model(families(), TRUTH, FIRST, END)
    n_draws, n = 100, model.n_lines
    fits = [fit_spectrum(rng.poisson(rates), model) for _ in range(n_draws)]
    found = np.array([fit.unbiased[:n] for fit in fits])
    spread = np.sqrt([np.diag(fit.covariance)[:n] for fit in fits])
    score = (found.mean(axis=0) - photons) / (found.std(axis=0) / np.sqrt(n_draws))
    assert np.abs(score).max() < 3  # of 9 families; one in 40 draws is beyond
    assert np.mean(score**2) < 2.2  # chi squared of 9, 1 in 50
    covered = np.mean(np.abs(found - photons) < 1.96 * spread)
    assert 0.90 <= covered <= 0.98  # 900 intervals: +- 0.7 %
    assert all((fit.photons >= 0).all() for fit in fits)


def test_a_noiseless_spectrum_is_fitted_exactly():
    model = make_model(families(), TRUTH, FIRST, END)
    fit = fit_spectrum(np.rint(1e4 * expected(1e4)), model)
    # counts of 1e8 are rounded to whole ones; 12 splines follow 1 / E within 1 %
    assert fit.photons[: model.n_lines] == pytest.approx(np.full(model.n_lines, 1e8), rel=0.05)


def test_ratios_of_vacancies_stay_near_the_table():
    """What the data do not tell, the table does."""
    split = frozenset({"Mo L"})
    model = make_model(families(("Mo",), split), TRUTH, FIRST, END)
    fit = fit_spectrum(expected(1e5, elements=("Mo",)), model)
    photons = dict(zip([one.name for one in model.families], fit.photons, strict=False))
    weights = {one.name: one.weight for one in model.families}
    assert {"Mo L3", "Mo L2"} <= set(photons)
    main = max(weights, key=lambda name: weights[name])
    for name, weight in weights.items():
        assert photons[name] / photons[main] == pytest.approx(weight / weights[main], abs=0.05)


def test_energy_axis_and_width_are_found(rng):
    """The header is off by 5 eV and 0.2 %, as real ones are; the sum tells."""
    header = Response(-0.205, 0.01002, noise_for(120.0))
    counts = rng.poisson(expected(3e4))
    fit = fit_calibrated(counts, lambda split: families(split=split), header, FIRST, END)
    found = fit.model.response
    for energy in (1.74, 6.40, 8.05, 9.5):
        channel = (energy - TRUTH.offset_keV) / TRUTH.scale_keV
        assert found.offset_keV + found.scale_keV * channel == pytest.approx(energy, abs=2e-3)
    assert found.resolution_eV == pytest.approx(135.0, abs=1.5)  # 0.4 % of the photons' noise
    assert fit.chi2 == pytest.approx(1.0, abs=0.15)  # 1170 channels: 0.04


def test_few_photons_leave_the_axis_of_the_file(rng):
    header = Response(-0.205, 0.01002, noise_for(120.0))
    counts = rng.poisson(expected(100.0))
    fit = fit_calibrated(counts, lambda split: families(split=split), header, FIRST, END)
    assert fit.model.response is header


def test_what_is_absent_pulls_no_neighbour(rng):
    """P K is 29 eV below Zr L: without P the mean of its counts is 0, not above."""
    elements = ("P", "Zr", "Fe")
    rates = expected(np.array([0.0, 300.0, 300.0, 300.0]), elements=elements)
    model = make_model(families(elements), TRUTH, FIRST, END)
    assert [one.name for one in model.families][:2] == ["P K", "Zr L"]
    fits = [fit_spectrum(rng.poisson(rates), model) for _ in range(100)]
    bounded, free = (np.array([getattr(f, n)[0] for f in fits]) for n in ("photons", "unbiased"))
    error = free.std() / 10
    assert abs(free.mean()) < 3 * error < bounded.mean()


def test_what_is_far_below_0_is_held_there():
    """A hole in the spectrum where a line should be is a fault of the model, not chance."""
    model = make_model(families(("Si", "Fe")), TRUTH, FIRST, END)
    counts = expected(1e4, elements=("Fe",), background=30.0)
    hole = make_model(families(("Si",)), TRUTH, FIRST, END).columns[:, 0]
    counts[FIRST:END] -= 0.5 * counts[FIRST:END] * hole / hole.max()
    fit = fit_spectrum(np.rint(counts), model)
    n = [one.name for one in model.families].index("Si K")
    assert fit.photons[n] == fit.unbiased[n] == fit.covariance[n, n] == 0.0
    assert (np.diag(fit.covariance)[model.n_lines :] > 0).any()


def test_intervals_know_that_the_axis_was_fitted_along(rng):
    """The energies tell P K from Zr L: their spread is that of the repeats, calibrated each."""
    elements, photons = ("P", "Zr", "Fe"), 1e5
    truth = replace(TRUTH, tail_share=0.1)  # not at the end of its range
    rates = expected(photons, truth, elements, background=1.0)
    fits = []
    for _ in range(12):
        counts = rng.poisson(rates)
        start = fit_spectrum(counts, make_model(families(elements), truth, FIRST, END))
        fits.append((start, recalibrated(counts, start)))
    score = [(fit.unbiased[0] - photons) / np.sqrt(fit.covariance[0, 0]) for _, fit in fits]
    assert 0.5 < np.std(score) < 1.6  # chi squared of 12, 1 in 500 on either side
    # one that was calibrated elsewhere, on as many photons, is as uncertain, or more
    borrowed = calibrated_by(*fits[0])
    assert borrowed.covariance[0, 0] > fits[0][0].covariance[0, 0] * 3
    assert calibrated_by(fits[0][0], fits[0][0]) is fits[0][0]  # not calibrated
    wider = [fit.covariance[0, 0] / start.covariance[0, 0] for start, fit in fits]
    assert np.median(wider) > 3


def test_calibration_never_makes_it_worse(rng):
    counts = rng.poisson(expected(1e4))
    start = fit_spectrum(counts, make_model(families(), TRUTH, FIRST, END))
    assert recalibrated(counts, start).chi2 <= start.chi2


def test_strong_shells_are_told(rng):
    fit = fit_spectrum(expected(1e6), make_model(families(("Zn",)), TRUTH, FIRST, END))
    assert strong_shells(fit) == {"Zn K", "Zn L"}
    fit = fit_spectrum(expected(1e3), make_model(families(("Zn",)), TRUTH, FIRST, END))
    assert strong_shells(fit) == frozenset()
