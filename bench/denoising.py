"""Denoised maps against the truth, and against the photons that no method saw.

Simulated: core-shell dots at low counts; PSNR of the maps (largest true rate over the root mean
square error, no scale fitted), and the gain over the 11 x 11 mean.

Real: each hit is held out with a probability of one fifth. The other hits are denoised; how well
the rates predict the held-out ones is told in nat per hit, as the gain in log-likelihood over a
constant per map fitted to the hits that were seen. Every method sees the same hits.

The maps of Han et al. (2021) are expected in STEMEDX_TEST_DATA/han2021.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from stemedx.counts import unclip
from stemedx.guides import levelled
from stemedx.learn.denoising import make_denoiser, predict_rates, train
from stemedx.learn.thinning import THINNING, left_out_copies, thinned_copies
from stemedx.params import DenoiseParams, PhantomParams, TrainDenoiserParams
from stemedx.reconstruct.filters import box_mean
from stemedx.simulate.phantoms import acquire, make_specimen

HELD_OUT = 0.2
GAUSSIANS_PX = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0)


def denoised(counts, guides, params, *, seed=0):
    """Return the rates that the standard Q^D predicts."""
    rng = np.random.default_rng(seed)
    is_clipped = counts.max() <= 1
    photons = unclip(counts, rng) if is_clipped else counts
    network = make_denoiser(photons, params, torch.device("cpu"), n_guides=len(guides))
    train(network, photons, params, split=THINNING, guides=guides, rng=rng)
    copies = (left_out_copies if is_clipped else thinned_copies)(photons, DenoiseParams(), rng)
    return predict_rates(network, copies, guides=guides, tile_px=params.crop_px)


def psnr_db(rates, truth):
    """Return the PSNR of each element, dB."""
    errors = ((rates - truth) ** 2).mean(axis=(1, 2, 3), dtype=np.float64)
    return 10 * np.log10(truth.max(axis=(1, 2, 3)) ** 2 / errors)


def simulated(peak, seed, params):
    """Return the PSNR of 11 x 11 mean, Q^D, and Q^D guided by HAADF, each per element."""
    rng = np.random.default_rng(seed)
    recorded = acquire(make_specimen(PhantomParams(shape="core_shell", peak=peak), rng), rng)
    none, haadf = recorded.haadf[None, ...][:0], levelled(recorded.haadf)[None]
    found = [
        box_mean(recorded.counts, 11),
        denoised(recorded.counts, none, params),
        denoised(recorded.counts, haadf, params),
    ]
    return [psnr_db(rates, recorded.expected) for rates in found]


def print_simulated(peaks, n_seeds, params):
    """Print one row per peak: PSNR of the mean, and what Q^D gains over it."""
    print(f"simulated dots 64 x 64 x 13, {n_seeds} seeds x 3 elements; dB, +- standard deviation")
    print(f"{'peak':>6s} {'11x11':>14s} {'Q^D gains':>14s} {'with HAADF':>14s}")
    for peak in peaks:
        rows = np.array([simulated(peak, seed, params) for seed in range(n_seeds)])
        columns = rows[:, 0], rows[:, 1] - rows[:, 0], rows[:, 2] - rows[:, 0]
        cells = [f"{c.mean():8.2f} +-{c.std():4.2f}" for c in columns]
        print(f"{peak:6.2f} " + " ".join(cells), flush=True)


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peaks", type=float, nargs="*", default=[0.1, 0.3])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=float, default=TrainDenoiserParams().n_epochs)
    asked = parser.parse_args()
    params = TrainDenoiserParams(n_epochs=asked.epochs)
    print_simulated(asked.peaks, asked.seeds, params)


if __name__ == "__main__":
    main()
