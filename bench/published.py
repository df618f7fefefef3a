"""The published networks and T beside the standard ones, on simulated dots small enough for a CPU.

Every specimen goes the whole chain (denoise, M, enhance, filtered back-projection) in a folder of
its own. Told are the PSNR of denoised maps above the 11 x 11 mean, PSNR and Dice of the volumes,
and the processor seconds of the chain.

T learns from the two-step volumes of the first dots; the last but one is held out for its loss, and
the last, which it never met, is what it is judged by: its seconds are those of a new specimen.

The published networks have their layers, losses and labels, but fewer channels and updates than
`configs/paper.yaml`: at full size this is a matter of hours on a CPU.

    python bench/published.py [--size 32] [--specimens 4]
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from chain import MAP_AXES, Measured, two_step
from metrics import best_dice, psnr_db

from stemedx import store
from stemedx.params import EndToEndParams, PhantomParams, RunConfig
from stemedx.reconstruct.filters import box_mean
from stemedx.simulate.phantoms import acquire, make_specimen, truth_volumes
from stemedx.stages import end_to_end, train_end_to_end

ROW = "{:<34} {:>10} {:>10} {:>8} {:>8}"
CUT = {"method": "paper", "base_channels": 16, "n_levels": 4, "batch": 4}
CUT |= {"learning_rate": 3e-4, "discriminator_learning_rate": 3e-5}
KERNEL = {"base_channels": 8, "n_epochs": 2, "n_aggregation_epochs": 10, "label": "all_frames"}


def runs(size, n_updates):
    """Return the configuration of each row, with the networks of the paper cut down."""
    cut = CUT | {"crop_px": size, "n_epochs": 4 * n_updates / 13}
    kernel = KERNEL | {"aggregation_learning_rate": 1e-3}
    return {
        "standard Q^D and Q^S": RunConfig(),
        "published Q^D, standard Q^S": RunConfig(train_denoiser=cut, train_kernel=kernel),
        "standard Q^D, published Q^S": RunConfig(train_enhancer=cut),
    }


def volumes_row(name, gain, volumes, truth, seconds):
    """Print the distances of volumes from the truth, means over elements."""
    pairs = list(zip(volumes, truth, strict=True))
    psnr, dice = (np.mean([f(v, t) for v, t in pairs]) for f in (psnr_db, best_dice))
    print(ROW.format(name, gain, f"{psnr:.2f}", f"{dice:.3f}", f"{seconds:.0f}"), flush=True)


def mean_psnr_db(rates, expected):
    """Return the PSNR of maps, mean over elements, dB."""
    errors = ((rates - expected) ** 2).mean(axis=(1, 2, 3), dtype=np.float64)
    return np.mean(10 * np.log10(expected.max(axis=(1, 2, 3)) ** 2 / errors))


def chain(specimen, recorded, folder, run):
    """Return the gain of the denoised maps, the two-step volumes and the processor seconds."""
    folder.mkdir()
    measured = Measured(
        recorded.counts, specimen.tilt_deg, list(specimen.elements), specimen.phantom.pixel_nm
    )
    started = time.process_time()
    volumes = two_step(measured, folder, run)
    seconds = time.process_time() - started
    rates, _ = store.read(folder / "denoised", axes=MAP_AXES, units="count")
    filtered = box_mean(recorded.counts, 11)
    gain = mean_psnr_db(rates, recorded.expected) - mean_psnr_db(filtered, recorded.expected)
    return f"{gain:+.2f}", volumes, seconds


def by_end_to_end(folders, tmp, params):
    """Train T on all folders but the last two; return volumes of the last, and seconds of both."""
    known = folders[:-1]
    weights = tmp / "t.safetensors"
    started = time.process_time()
    train_end_to_end.run(
        params,
        device="cpu",
        checkpoint=tmp / "checkpoint",
        denoised=[folder / "denoised" for folder in known],
        alignments=[folder / "alignment" for folder in known],
        volumes=[folder / "two_step.ome.zarr" for folder in known],
        weights=weights,
        losses=tmp / "t.csv",
    )
    trained = time.process_time()
    new = folders[-1]
    end_to_end.run(
        EndToEndParams(),
        device="cpu",
        denoised=new / "denoised",
        alignment=new / "alignment",
        weights=weights,
        volume=new / "t.ome.zarr",
    )
    applied = time.process_time()
    volumes, attrs = store.read_volumes(new / "t.ome.zarr")
    return volumes * np.float32(attrs["pixel_nm"]), trained - started, applied - trained


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=32, help="side of maps and volumes, pixels")
    parser.add_argument("--peak", type=float, default=0.3)
    parser.add_argument("--specimens", type=int, default=4)
    parser.add_argument("--updates", type=int, default=400, help="of each published network")
    parser.add_argument("--epochs", type=int, default=150, help="of T")
    asked = parser.parse_args()
    phantom = PhantomParams(shape="core_shell", size_px=asked.size, peak=asked.peak)
    print(ROW.format("", "maps/dB", "PSNR/dB", "Dice", "CPU s"))
    with tempfile.TemporaryDirectory() as name:
        tmp, folders = Path(name), []
        configurations = runs(asked.size, asked.updates)
        for seed in range(asked.specimens):
            rng = np.random.default_rng(seed)
            specimen = make_specimen(phantom, rng)
            recorded, truth = acquire(specimen, rng), truth_volumes(specimen)
            is_last = seed == asked.specimens - 1
            for label, run in configurations.items():
                if label.startswith("standard Q^D and") or is_last:
                    folder = tmp / f"{seed} {label}".replace(" ", "_")
                    found = chain(specimen, recorded, folder, run)
                    volumes_row(f"seed {seed} {label}", found[0], found[1], truth, found[2])
                if label.startswith("standard Q^D and"):
                    folders.append(folder)
        names = [f"dot{seed}" for seed in range(asked.specimens - 1)]
        params = RunConfig().train_end_to_end.model_copy(
            update={
                "specimens": tuple(names[:-1]),
                "held_out": tuple(names[-1:]),
                "n_epochs": asked.epochs,
                "n_first_epochs": asked.epochs * 2 // 3,
                "patch_px": 16,
            }
        )
        volumes, training, applying = by_end_to_end(folders, tmp, params)
        volumes_row(f"seed {seed} T, new to it", "", volumes, truth, applying)
        print(f"T was trained in {training:.0f} CPU s; losses:")
        print((tmp / "t.csv").read_text())


if __name__ == "__main__":
    main()
