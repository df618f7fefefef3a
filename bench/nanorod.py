"""Reconstructions of a real gold nanorod: even inside, and right about tilts left out.

Gold is a metal of even density, so the coefficient of variation (CV) inside the rod is an error.
Interior: above half the 99th percentile of the volume, eroded by 5 px, rows 28-228. Each of the
tilts -30, 0 and 30 degrees is left out in turn, before anything is trained or reconstructed, and
predicted by projecting the volume: root mean square difference from the measured pixels (whose own
noise is most of it), and the gain in log-likelihood per photon over an even map.

The maps (`Au.hspy`, Han et al. 2021) are expected in STEMEDX_TEST_DATA/han2021/Au_nanorod.
"""

import argparse
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from rsciio.hspy import file_reader
from scipy.ndimage import binary_erosion

sys.path.insert(0, str(Path(__file__).parents[1]))

from chain import Measured, two_step

from stemedx.maps.intensity import estimate_variance_to_mean
from stemedx.params import RunConfig
from stemedx.project.blocks import block_to_maps, volumes_to_block
from stemedx.project.geometry import Geometry
from stemedx.project.projector import projector
from stemedx.reconstruct import l1, poisson_tv, sirt, tv
from stemedx.reconstruct import measured as counted

COLUMNS = slice(64, 192)  # the rod and 30 pixels of vacuum on either side
ROWS = slice(28, 228)
LEFT_OUT_DEG = (-30.0, 0.0, 30.0)
RUN = RunConfig()


def read_rod(path):
    """Return the measured series."""
    signal = file_reader(str(path))[0]
    axis = signal["axes"][0]
    maps = signal["data"][None, :, :, COLUMNS].astype(np.float32)
    tilt_deg = axis["offset"] + axis["scale"] * np.arange(maps.shape[1])
    factor = estimate_variance_to_mean(maps[0])
    return Measured(maps, tilt_deg, ["Au"], signal="intensity", variance_to_mean=(factor,))


def _geometry(measured):
    return Geometry(np.asarray(measured.tilt_deg, np.float64), *measured.maps.shape[2:])


def by_sirt(measured):
    """Return the volumes of the baseline."""
    return sirt.reconstruct(measured.maps, _geometry(measured), RUN.reconstruct.sirt)


def by_l1(measured):
    """Return the volumes of the paper's l1 on filtered maps."""
    return l1.reconstruct(measured.maps, _geometry(measured), RUN.reconstruct.l1)


def by_tv(measured):
    """Return the volumes of least squares with total variation of filtered maps."""
    return tv.reconstruct(measured.maps, _geometry(measured), RUN.reconstruct.tv)


def by_poisson_tv(measured):
    """Return the volumes of the likelihood of the photons with total variation."""
    nothing = np.zeros(measured.maps.shape[:2])
    weight = np.ones(measured.maps.shape[1:], np.float32)
    photons = measured.maps / np.float32(measured.variance_to_mean[0])
    read = counted.Measured(photons, _geometry(measured), "intensity", nothing + 1, nothing, weight)
    found = poisson_tv.reconstruct(read, RUN.reconstruct.poisson_tv)
    print("  weight", found.facts["tv_weight"], "trials", found.facts["trials"], flush=True)
    return found.volumes * np.float32(measured.variance_to_mean[0])


def by_two_step(measured):
    """Return the volumes of the paper's chain."""
    with tempfile.TemporaryDirectory() as folder:
        return two_step(measured, folder, RUN)


METHODS = {
    "sirt": by_sirt,
    "l1": by_l1,
    "tv": by_tv,
    "poisson_tv": by_poisson_tv,
    "two_step": by_two_step,
}  # name -> measured -> volumes


def interior_cv(volume, n_columns=256):
    """Return the coefficient of variation inside the rod, and its number of voxels."""
    # as if the field had not been cropped: what was cut off is vacuum
    share = 0.01 * (n_columns / volume.shape[2]) ** 2
    inside = volume > 0.5 * np.quantile(volume, 1 - share)
    inside = binary_erosion(inside, iterations=5)[:, ROWS]
    values = volume[:, ROWS][inside]
    return float(values.std() / values.mean()), int(inside.sum())


def without(measured, tilt):
    """Return the series without one tilt, and that tilt alone."""
    parts = [np.arange(len(measured.tilt_deg)) != tilt, [tilt]]
    return tuple(
        replace(measured, maps=measured.maps[:, p], tilt_deg=measured.tilt_deg[p]) for p in parts
    )


def misfit(volumes, unseen):
    """Return how far the projected volume is from a tilt it never saw: RMS, nat per photon."""
    operator = projector(_geometry(unseen), 1)
    predicted = np.maximum(block_to_maps(operator.forward(volumes_to_block(volumes))), 0)
    # the gain of the tilt is unknown to every method
    predicted = np.maximum(
        predicted * (unseen.maps.sum() / predicted.sum()), 1e-4 * predicted.mean()
    )
    gain = (unseen.maps * np.log(predicted / unseen.maps.mean())).sum() / unseen.maps.sum()
    return float(np.sqrt(np.mean((predicted - unseen.maps) ** 2))), float(gain)


def measure(method, measured, pictures):
    """Return seconds, CV and the mean misfits of one method."""
    started = time.perf_counter()
    volumes = METHODS[method](measured)
    seconds = time.perf_counter() - started
    if pictures:
        pictures.mkdir(parents=True, exist_ok=True)
        np.save(pictures / f"{method}.npy", volumes)
    found = []
    for tilt in np.flatnonzero(np.isin(measured.tilt_deg, LEFT_OUT_DEG)):
        seen, unseen = without(measured, tilt)
        found.append(misfit(METHODS[method](seen), unseen))
        print(f"  {method} without {measured.tilt_deg[tilt]:g}: ", *found[-1], flush=True)
    return seconds, interior_cv(volumes[0])[0], *np.mean(found, axis=0)


def main():
    """Print one row per method."""
    parser = argparse.ArgumentParser(description=__doc__)
    data = Path(os.environ.get("STEMEDX_TEST_DATA", "../shared/data"))
    parser.add_argument("--maps", type=Path, default=data / "han2021/Au_nanorod/Au.hspy")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--pictures", type=Path, help="folder for slices through each volume")
    asked = parser.parse_args()
    if not asked.maps.is_file():
        print(f"no maps at {asked.maps} (set STEMEDX_TEST_DATA)")
        return
    measured = read_rod(asked.maps)
    print(f"{'method':10s} {'s':>8s} {'CV':>8s} {'RMS':>8s} {'nat/photon':>10s}")
    for method in asked.methods:
        seconds, cv, rms, gain = measure(method, measured, asked.pictures)
        print(f"{method:10s} {seconds:8.0f} {cv:8.3f} {rms:8.5f} {gain:10.4f}", flush=True)


if __name__ == "__main__":
    main()
