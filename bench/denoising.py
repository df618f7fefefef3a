"""Denoised maps against the truth, and against the photons that no method saw.

Simulated: core-shell dots at low counts; PSNR of the maps (largest true rate over the root mean
square error, no scale fitted), and the gain over the 11 x 11 mean.

Real: each hit is held out with a probability of one fifth. The other hits are denoised; how well
the rates predict the held-out ones is told in nat per hit, as the gain in log-likelihood over a
constant per map fitted to the hits that were seen. Every method sees the same hits.

Peers: 11 x 11 mean; Gaussian whose width is chosen on the held-out hits themselves, element by
element; BM3D with Anscombe's transform and its exact unbiased inverse (package bm3d); Noise2Void
(package careamics); total variation calibrated blind to each pixel (Noise2Self, scikit-image).
BM3D and Noise2Void are left out where they are not installed; they are no part of the
requirements: pip install bm3d careamics.

The maps of Han et al. (2021) are expected in STEMEDX_TEST_DATA/han2021.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from rsciio.hspy import file_reader
from scipy.ndimage import gaussian_filter
from skimage.restoration import calibrate_denoiser, denoise_tv_chambolle

sys.path.insert(0, str(Path(__file__).parents[1]))

from stemedx.counts import split_counts, unclip, unclipped_rates
from stemedx.guides import levelled
from stemedx.learn.denoising import make_denoiser, predict_rates, train
from stemedx.learn.thinning import CLIPPED, THINNING, left_out_copies, thinned_copies
from stemedx.params import DenoiseParams, PhantomParams, TrainDenoiserParams
from stemedx.reconstruct.filters import box_mean
from stemedx.simulate.phantoms import acquire, make_specimen

HELD_OUT = 0.2
GAUSSIANS_PX = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0)
DATA = Path(os.environ.get("STEMEDX_TEST_DATA", "../shared/data"))
ELEMENTS = ("Se", "S", "Zn")
LIKELIHOODS = ("bernoulli", "poisson")
METHODS = ("11x11", "gaussian", "bm3d", "n2self", "n2v", "Q^D")
REAL = ("sample1", "sample2", "sample3", "sQD1", "sQD2", "cQD")
N2V_EPOCHS_AND_UPDATES = (10, 30)  # batches of 8 patches of 64 x 64
TV_WEIGHTS = (0.5, 1.0, 2.0, 4.0, 8.0)  # times the root of the mean of a map


def denoised(counts, guides, params, *, seed=0):
    """Return the rates that the standard Q^D predicts."""
    rng = np.random.default_rng(seed)
    is_clipped = counts.max() <= 1
    is_of_hits = is_clipped and params.likelihood == "bernoulli"
    photons = unclip(counts, rng) if is_clipped and not is_of_hits else counts
    network = make_denoiser(photons, params, torch.device("cpu"), n_guides=len(guides))
    split = CLIPPED if is_of_hits else THINNING
    train(network, photons, params, split=split, guides=guides, rng=rng)
    copies = (left_out_copies if is_clipped else thinned_copies)(photons, DenoiseParams(), rng)
    rates = predict_rates(network, copies, guides=guides, tile_px=params.crop_px)
    return unclipped_rates(rates) if is_of_hits else rates


def psnr_db(rates, truth):
    """Return the PSNR of each element, dB."""
    errors = ((rates - truth) ** 2).mean(axis=(1, 2, 3), dtype=np.float64)
    return 10 * np.log10(truth.max(axis=(1, 2, 3)) ** 2 / errors)


def simulated(peak, seed, params):
    """Return the PSNR of 11 x 11 mean, Q^D, and Q^D guided by HAADF, each per element."""
    rng = np.random.default_rng(seed)
    recorded = acquire(make_specimen(PhantomParams(shape="core_shell", peak=peak), rng), rng)
    haadf = levelled(recorded.haadf)[None]
    found = [
        box_mean(recorded.counts, 11),
        denoised(recorded.counts, haadf[:0], params),
        denoised(recorded.counts, haadf, params),
    ]
    return [psnr_db(rates, recorded.expected) for rates in found]


def print_simulated(peaks, n_seeds, params):
    """Print one row per peak: PSNR of the mean, and what Q^D gains over it."""
    print(f"simulated dots 64 x 64 x 13, {n_seeds} seeds x 3 elements; dB, +- standard deviation")
    print(f"{'peak':>6s} {'11x11':>14s} {'Q^D gains':>14s} {'with HAADF':>14s}")
    for peak in peaks:
        rows = []
        for seed in range(n_seeds):
            rows.append(simulated(peak, seed, params))
            print(f"  seed {seed}", *(f"{psnr.mean():6.2f}" for psnr in rows[-1]), flush=True)
        rows = np.array(rows)
        columns = rows[:, 0], rows[:, 1] - rows[:, 0], rows[:, 2] - rows[:, 0]
        cells = [f"{c.mean():8.2f} +-{c.std():4.2f}" for c in columns]
        print(f"{peak:6.2f} " + " ".join(cells), flush=True)


def clipped(peak, seed, params):
    """Return the PSNR by each likelihood of hits clipped to 0 or 1, per element."""
    rng = np.random.default_rng(seed)
    recorded = acquire(make_specimen(PhantomParams(shape="core_shell", peak=peak), rng), rng)
    hits = np.minimum(recorded.counts, 1)
    likelihoods = [params.model_copy(update={"likelihood": name}) for name in LIKELIHOODS]
    return [psnr_db(denoised(hits, _no_guide(hits), one), recorded.expected) for one in likelihoods]


def print_clipped(peaks, n_seeds, params):
    """Print one row per peak and seed: PSNR of the rates of clipped hits, by likelihood."""
    print(f"\nthe same dots, clipped to 0 or 1; dB, mean of 3 elements, by {LIKELIHOODS}")
    for peak in peaks:
        for seed in range(n_seeds):
            found = clipped(peak, seed, params)
            print(f"{peak:6.2f} seed {seed}", *(f"{p.mean():6.2f}" for p in found), flush=True)


def read_maps(folder, name, crop_px):
    """Return the middle of real maps, ``(element, tilt, y, x)`` photons or hits."""
    if name.startswith("sample"):
        scaled = np.load(folder / "maps_2d" / f"{name}.npz")["edx"]
        maps = np.moveaxis(scaled, -1, 0)[:, None]
        # scaled to the brightest pixel and rounded to 8 bits: one photon is the lowest level
        photon = [one[one > 0].min() for one in maps]
        maps = np.rint(maps / np.reshape(photon, (-1, 1, 1, 1))).astype(np.uint16)
    else:
        series = [file_reader(str(folder / name / f"{e}.hspy"))[0]["data"] for e in ELEMENTS]
        maps = np.stack(series).astype(np.uint16)
    first = [max(0, (n - crop_px) // 2) for n in maps.shape[2:]]
    y, x = (slice(at, at + crop_px) for at in first)
    return maps[:, :, y, x]


def by_gaussian(seen, score):
    """Return each element under the Gaussian that predicts it best."""
    blurred = [
        gaussian_filter(seen.astype(np.float64), (0, 0, width, width)) for width in GAUSSIANS_PX
    ]
    best = np.argmax([score(rates) for rates in blurred], axis=0)
    return np.stack([blurred[n][element] for element, n in enumerate(best)])


def by_bm3d(seen):
    """Return the maps under BM3D, their noise made even by Anscombe's transform."""
    from bm3d import bm3d  # noqa: PLC0415 - may not be installed

    even = 2 * np.sqrt(seen + 3 / 8)
    smooth = np.empty(seen.shape)
    for place in np.ndindex(*seen.shape[:2]):
        smooth[place] = bm3d(even[place], sigma_psd=1.0)
    d = np.maximum(smooth, 2 * np.sqrt(3 / 8))
    # Makitalo & Foi (2011), IEEE Trans. Image Process. 20, 99-109: closed form of the inverse
    root = np.sqrt(3 / 2)
    inverse = d**2 / 4 + root / (4 * d) - 11 / (8 * d**2) + 5 * root / (8 * d**3) - 1 / 8
    return np.maximum(inverse, 0)


def by_noise2self(seen):
    """Return the maps under total variation, its weight chosen blind to each pixel."""
    found = np.empty(seen.shape)
    for place in np.ndindex(*seen.shape[:2]):
        image = seen[place].astype(np.float64)
        weights = {"weight": np.array(TV_WEIGHTS) * np.sqrt(image.mean() + 1e-9)}
        found[place] = calibrate_denoiser(image, denoise_tv_chambolle, weights)(image)
    return np.maximum(found, 0)


def by_noise2void(seen):
    """Return the maps as Noise2Void predicts them, one network per element."""
    from careamics import CAREamist  # noqa: PLC0415 - may not be installed
    from careamics.config import create_n2v_config  # noqa: PLC0415

    found = []
    for series in seen.astype(np.float32):
        config = create_n2v_config("n2v", "array", "SYX", [64, 64], 8, *N2V_EPOCHS_AND_UPDATES)
        with tempfile.TemporaryDirectory() as folder:
            teacher = CAREamist(config, work_dir=folder, enable_progress_bar=False)
            teacher.train(train_data=series, val_data=series)
            predicted, _ = teacher.predict(series, batch_size=1, tile_size=(64, 64))
        found.append(np.squeeze(np.stack(predicted)))
    return np.maximum(np.reshape(found, seen.shape), 0)


def gains(rates, seen, unseen):
    """Return the gain over a constant per map, nat per held-out hit, for each element.

    `rates` is the expected value of a pixel of `seen`.
    """
    constant = seen.mean(axis=(2, 3), keepdims=True)
    floor = 1e-4 * rates.mean(axis=(2, 3), keepdims=True)
    share = HELD_OUT / (1 - HELD_OUT)
    model, even = share * np.maximum(rates, floor), share * np.maximum(constant, 1e-9)
    if seen.max() + unseen.max() > 1:
        gained = unseen * np.log(model / even) - model + even
    else:
        # a pixel without a hit in `unseen` had none, or one that is seen
        model = np.minimum(model, 0.999 * HELD_OUT)
        gained = np.where(unseen > 0, np.log(model / even), np.log1p(-model) - np.log1p(-even))
    return gained.sum(axis=(1, 2, 3)) / np.maximum(unseen.sum(axis=(1, 2, 3)), 1)


def real(maps, params, methods, seed):
    """Yield each method with its gains."""
    unseen, seen = split_counts(maps, HELD_OUT, np.random.default_rng(seed))
    rates = {
        "11x11": lambda: box_mean(seen, 11),
        "gaussian": lambda: by_gaussian(seen, lambda r: gains(r, seen, unseen)),
        "bm3d": lambda: by_bm3d(seen),
        "n2self": lambda: by_noise2self(seen),
        "n2v": lambda: by_noise2void(seen),
        "Q^D": lambda: _as_hits(denoised(seen, _no_guide(seen), params, seed=seed), maps),
    }
    for method in methods:
        try:
            found = rates[method]()
        except ImportError as error:
            print(f"{method}: {error.name} is not installed")
            continue
        yield method, gains(found.astype(np.float64), seen, unseen)


def _as_hits(rates, maps):
    """Return the expected value of a pixel that holds no more than one hit."""
    return -np.expm1(-rates) if maps.max() <= 1 else rates


def _no_guide(maps):
    return np.zeros((0, *maps.shape[1:]), np.float32)


def print_real(folder, names, crop_px, params, methods):
    """Print one row per data set and method."""
    print(f"\nheld-out hits, nat per hit (Se, S, Zn), maps of {crop_px} px at most")
    for name in names:
        maps = read_maps(folder, name, crop_px)
        for method, found in real(maps, params, methods, seed=0):
            cells = " ".join(f"{gain:8.4f}" for gain in found)
            print(f"{name:8s} {method:9s} {cells}", flush=True)


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peaks", type=float, nargs="*", default=[0.1, 0.3])
    parser.add_argument("--clipped", type=float, nargs="*", default=[0.3, 1.0], help="peaks")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=float, default=TrainDenoiserParams().n_epochs)
    parser.add_argument("--data", type=Path, default=DATA / "han2021")
    parser.add_argument("--real", nargs="*", default=list(REAL), choices=REAL)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--crop", type=int, default=256, help="side of the real maps, pixels")
    asked = parser.parse_args()
    params = TrainDenoiserParams(n_epochs=asked.epochs)
    if asked.peaks:
        print_simulated(asked.peaks, asked.seeds, params)
    if asked.clipped:
        print_clipped(asked.clipped, asked.seeds, params)
    if not asked.data.is_dir():
        print(f"no real maps at {asked.data} (set STEMEDX_TEST_DATA)")
    elif asked.real:
        print_real(asked.data, asked.real, asked.crop, params, asked.methods)


if __name__ == "__main__":
    main()
