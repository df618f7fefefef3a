"""Photons of each element in simulated spectra with known counts.

    python bench/spectra.py [--method fit] [--series 10] [--tilts 10] [--seed 0]

Each spectrum is drawn photon by photon: the energy of a line of exspy's table, the spread
of the detector, lost charge, and bremsstrahlung that no spline of the fit follows exactly;
every map holds the same nickel of a grid besides. Each series of some tilts goes through
`count_elements` as a user's does: its energy axis is 5 eV and 0.2 % off, and calibrated
on its own sum. The first table tells for each number of counts per map the mean of what
is found, and how many 95 % intervals (1.96 standard deviations, as told) hold the truth.
The second is that of the goal, all counts together: the bias in standard errors is that
of the means of series, each of which has one calibration.
"""

import argparse
import logging
import sys
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

sys.path.insert(0, str(Path(__file__).parents[1]))

from stemedx.maps.background import shares_in_windows
from stemedx.maps.counting import SpectrumSeries, count_elements
from stemedx.maps.lines import families_of
from stemedx.maps.response import TAIL_ELSEWHERE, Response, noise_for
from stemedx.params import ElementMapsParams

# peak shape as it was fitted on a real series (L2083: SuperX, 200 kV)
TRUTH = Response(-0.2, 0.01, noise_for(134.0), tail_share=0.3, tail_keV=0.115, surface_keV=0.0098)
HEADER = Response(-0.205, 0.01002, noise_for(140.0))
N_CHANNELS, FIRST_CHANNEL, BEAM_KEV = 1300, 41, 200.0
RANGE_KEV = (0.5, 12.0)
BACKGROUND = 10  # photons of bremsstrahlung for each of an element
ABSORBED_KEV = 0.3  # a detector without window loses 20 % at 0.5 keV
GRID = 20_000  # photons of each shell of nickel
CASES = {
    "isolated": ("Ca_Ka", "Fe_Ka", "Se_La"),
    "Cu / Zn": ("Cu_Ka", "Zn_Ka"),
    "Si K / Pt M": ("Si_Ka", "Pt_Ma"),
    "P K / Zr L": ("P_Ka", "Zr_La"),
    "S K / Mo L / Pb M": ("S_Ka", "Mo_La", "Pb_Ma"),
}
COUNTS = (10, 100, 1000, 10_000, 100_000)
LARGEST_BIAS_SE, COVERAGE = 2.0, (0.90, 0.98)


def draw_family(rng, lines, n):
    """Return the energies at which `n` photons of a family of lines are seen, keV."""
    energies, shares = np.array(sorted(lines)).T
    photons = rng.choice(energies, n, p=shares)
    fano = TRUTH.sigma_keV(1.0) ** 2 - TRUTH.noise_keV**2
    share = TRUTH.tail_share * np.where((photons > 1.839) & (photons < 3), 1.0, TAIL_ELSEWHERE)
    lost = rng.exponential(TRUTH.tail_keV * np.sqrt(photons / 2))
    lost *= rng.random(n) < share / (1 + share)
    seen = np.array([TRUTH.seen_keV(one) for one in energies])[np.searchsorted(energies, photons)]
    return seen - lost + rng.normal(size=n) * np.sqrt(TRUTH.noise_keV**2 + fano * photons)


def draw_bremsstrahlung(rng, n):
    """Return the energies of about `n` photons (keV): 1 / E, absorbed where they are low."""
    found = np.exp(rng.uniform(np.log(0.2), np.log(12.5), n))
    return found[rng.random(n) < np.exp(-((ABSORBED_KEV / found) ** 3))]


def draw_spectrum(rng, symbols, n):
    """Return ``(channel)`` counts of a map with `n` photons of each shell, on average."""
    energies = [draw_bremsstrahlung(rng, rng.poisson(BACKGROUND * n))]
    for symbol, photons in (("Ni", GRID), *((one, n) for one in symbols)):
        for family in families_of(symbol, *RANGE_KEV, BEAM_KEV, frozenset()):
            energies.append(draw_family(rng, family.lines, rng.poisson(photons)))
    channels = np.rint((np.concatenate(energies) - TRUTH.offset_keV) / TRUTH.scale_keV)
    inside = (channels >= FIRST_CHANNEL) & (channels < N_CHANNELS)
    return np.bincount(channels[inside].astype(int), minlength=N_CHANNELS)


def find(rng, names, n, n_tilts, method):
    """Return ``(element, tilt)`` photons that are found in a series, and what is told of them."""
    symbols = [name.split("_")[0] for name in names]
    spectra = np.stack([draw_spectrum(rng, symbols, n) for _ in range(n_tilts)])
    series = SpectrumSeries(
        csr_array(spectra), (n_tilts, 1, 1), HEADER, FIRST_CHANNEL, BEAM_KEV, ("Ni",)
    )
    counted = count_elements(series, names, ElementMapsParams(method=method))
    known = np.full(len(names), float(n))
    if method == "windows":  # they hold a part of the lines of their shell
        known = n * _shares(counted, names)
    return counted.per_map("photons"), np.sqrt(counted.per_map("photons_variance")), known


def _shares(counted, names):
    """Return which part of the photons of a shell its window holds."""
    found = []
    for name, window in zip(names, counted.windows, strict=True):
        symbol, line = name.split("_")
        shell = [one for one in families_of(symbol, *RANGE_KEV, BEAM_KEV, frozenset())
                 if one.shell == line[0]]  # fmt: skip
        found.append(shares_in_windows([window], shell, TRUTH, N_CHANNELS).item())
    return np.array(found)


def table_of(case, args):
    """Print a line for each element and number of counts; return all scores and covers."""
    names = CASES[case]
    scores = np.zeros((len(names), len(COUNTS), args.series))
    covers = np.zeros_like(scores)
    for m, n in enumerate(COUNTS):
        ratios, told = np.zeros((2, len(names), args.series))
        for k in range(args.series):
            rng = np.random.default_rng([args.seed, n, k, len(case)])
            found, sd, known = find(rng, names, n, args.tilts, args.method)
            off = found - known[:, None]
            scores[:, m, k], told[:, k] = off.mean(axis=1), sd.mean(axis=1)
            covers[:, m, k] = (np.abs(off) <= 1.96 * sd).mean(axis=1)
            ratios[:, k] = found.mean(axis=1) / known
        # by what is told on average: what is told of one rises and falls with its count
        scores[:, m] /= told.mean(axis=1, keepdims=True)
        for e, name in enumerate(names):
            mean, error = ratios[e].mean(), ratios[e].std(ddof=1) / np.sqrt(args.series)
            print(f"{case:18} {name:6} {n:7} {mean:8.4f} +- {error:.4f} {covers[e, m].mean():9.3f}",
                  flush=True)  # fmt: skip
    return scores, covers


def main():
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", choices=("fit", "windows"), default="fit")
    parser.add_argument("--series", type=int, default=10)
    parser.add_argument("--tilts", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", choices=CASES)
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    print("lines              element counts  found/known       coverage")
    found = {case: table_of(case, args) for case in ([args.case] if args.case else CASES)}
    print("\nlines              element  bias/SE  bias/sd  coverage")
    for case, (scores, covers) in found.items():
        for name, score, cover in zip(CASES[case], scores, covers, strict=True):
            bias = score.mean() / (score.std(ddof=1) / np.sqrt(score.size))
            covered = cover.mean()
            low, high = COVERAGE
            is_met = abs(bias) <= LARGEST_BIAS_SE and low <= covered <= high
            print(f"{case:18} {name:6} {bias:8.2f} {score.mean():8.3f} {covered:9.3f}"
                  f"{'' if is_met else '  missed'}")  # fmt: skip


if __name__ == "__main__":
    main()
