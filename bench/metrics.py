"""Distances between a reconstruction and the truth."""

import numpy as np

from stemedx.analyse.particles import find_particles
from stemedx.analyse.thickness import measure_shells, shell_statistics
from stemedx.params import ThicknessParams

THICKNESS = ThicknessParams()
LEAST_PX = 5.0  # diameter of a particle: 2 nm of 0.4 nm


def psnr_db(volume, truth):
    """Peak signal-to-noise ratio after the best scale of `volume`, dB."""
    scale = np.vdot(volume, truth) / max(np.vdot(volume, volume), 1e-30)
    error = np.mean((scale * volume - truth) ** 2, dtype=np.float64)
    return float(10 * np.log10(truth.max() ** 2 / error))


def best_dice(volume, truth, n_thresholds=60):
    """Largest Dice overlap with the truth above half its maximum, over thresholds."""
    wanted = truth > truth.max() / 2
    levels = np.linspace(0, np.quantile(volume, 0.999), n_thresholds + 1)[1:]
    found = [volume > level for level in levels]
    return max(2 * (mask & wanted).sum() / max(mask.sum() + wanted.sum(), 1) for mask in found)


def fsc_with_truth(volume, truth, threshold=0.5):
    """First frequency at which the FSC with the truth falls below, cycles per voxel."""
    n = volume.shape[0]
    a, b = np.fft.fftn(volume), np.fft.fftn(truth)
    radius = np.sqrt(sum(f**2 for f in np.meshgrid(*[np.fft.fftfreq(n)] * 3, indexing="ij")))
    shell = np.rint(radius * n).astype(int).ravel()

    def total(values):
        return np.bincount(shell, values.ravel(), minlength=n)[1 : n // 2 + 1]

    power = total(np.abs(a) ** 2) * total(np.abs(b) ** 2)
    fsc = total((a * b.conj()).real) / np.sqrt(np.maximum(power, 1e-30))
    below = np.flatnonzero(fsc < threshold)
    if below.size == 0:
        return 0.5
    k = below[0]
    if k == 0:
        return 1 / n
    fraction = (fsc[k - 1] - threshold) / (fsc[k - 1] - fsc[k])
    return float((k + fraction) / n)


def shells(volumes):
    """Mean thickness (pixels) and bare share (percent) of each element of the largest particle.

    ``(element, 2)``, as the stage `thickness` measures them; the core is the first element. Not a
    number where there is no particle, or nothing of its core.
    """
    found = find_particles(
        volumes, min_diameter_px=LEAST_PX, threshold=THICKNESS.threshold, max_particles=1
    )
    measured = found and measure_shells(volumes, found[0], core=0, threshold=THICKNESS.threshold)
    if not measured:
        return np.full((len(volumes), 2), np.nan)
    names = [str(n) for n in range(len(volumes))]
    rows = shell_statistics(measured, names, 1.0, THICKNESS.uncovered_px)
    return np.array([[row["mean_nm"], row["uncovered_percent"]] for row in rows])
