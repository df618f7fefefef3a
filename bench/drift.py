"""Drift of real frames against scikit-image's cross-correlation, in one run.

python bench/drift.py [folder of frames_6]

The peer (upsampled to 1/20 pixel, every frame once the reference) sees the part of the
field that all frames show; and, as a user would call it, whole frames against the first.
"""

import sys
from pathlib import Path

import numpy as np
from rsciio import hspy
from scipy import ndimage
from skimage.registration import phase_cross_correlation

sys.path.insert(0, str(Path(__file__).parents[1]))

from stemedx.align.drift import find_drift, move_frames, to_frame_source
from stemedx.params import DriftParams

FOLDER = Path("../shared/data/han2021/frames_6")
ELEMENTS = ("Se", "S", "Zn")
BORDER = 30  # pixels that some frames do not see


def main(folder: Path) -> None:
    """Print shifts against the peer's, and how sharp the mean is."""
    maps = np.stack([read(folder, element) for element in ELEMENTS])
    haadf = read(folder, "HAADF").astype(np.float32)
    params = DriftParams()
    found = find_drift(to_frame_source(maps, haadf, params.smooth_px), params.max_shift_px)
    shift_px = found.shift_px
    whole = np.rint(shift_px).astype(int)
    print(f"{len(haadf)} frames, drift of {np.ptp(shift_px, axis=0).max():.1f} px")
    peer = peers(haadf, whole)
    print(f"largest difference to the peer, its median reference: {apart(shift_px, peer):.2f} px")
    first = cross_correlation(haadf, 0)
    print(f"to the peer on whole frames against the first: {apart(shift_px, first[None]):.2f} px")
    alone = find_drift(to_frame_source(maps, None, params.smooth_px), params.max_shift_px)
    rms = np.sqrt(np.mean((alone.shift_px - shift_px) ** 2, axis=0))
    print(f"from the counts alone, rms difference to HAADF (y, x): {rms[0]:.2f}, {rms[1]:.2f} px")
    moved, _ = move_frames(maps, whole)
    print(f"counts before {maps.sum(dtype=int)}, after {moved.sum(dtype=int)}")
    for name, by in (
        ("not moved", np.zeros_like(shift_px)),
        ("whole pixels", whole.astype(float)),
        ("fractions", shift_px),
        ("peer, whole frames", first - first.mean(axis=0)),
    ):
        print(f"{name:20} " + "  ".join(f"{key} {value:.4f}" for key, value in clear(haadf, by)))


def read(folder: Path, name: str) -> np.ndarray:
    """Return the frames of one file."""
    return hspy.file_reader(folder / f"{name}.hspy")[0]["data"]


def cross_correlation(frames: np.ndarray, reference: int) -> np.ndarray:
    """Return the shifts of the peer against one frame."""
    peer = [
        phase_cross_correlation(frames[reference], one, upsample_factor=20, normalization=None)[0]
        for one in frames
    ]
    return np.array(peer, float)


def peers(haadf: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return the shifts of the peer against each frame, ``(reference, frame, axis)``."""
    n_y, n_x = haadf.shape[1:]
    (top, left), (bottom, right) = whole.max(axis=0), whole.min(axis=0)
    common = np.stack(
        [
            one[top - y : n_y + bottom - y, left - x : n_x + right - x]
            for one, (y, x) in zip(haadf, whole, strict=True)
        ]
    )
    return np.stack([whole + cross_correlation(common, n) for n in range(len(haadf))])


def apart(shift_px: np.ndarray, peer: np.ndarray) -> float:
    """Return the largest difference once the means agree, the median over references."""
    difference = shift_px - peer
    level = difference - difference.mean(axis=1, keepdims=True)
    return float(np.median(np.abs(level).max(axis=(1, 2))))


def clear(haadf: np.ndarray, shift_px: np.ndarray) -> list[tuple[str, float]]:
    """Return how sharp the mean of moved frames is, and how well frames predict each other."""
    pairs = zip(haadf, shift_px, strict=True)
    moved = np.stack([ndimage.shift(one, by, order=1, mode="nearest") for one, by in pairs])
    inside = moved[:, BORDER:-BORDER, BORDER:-BORDER]
    fine = ndimage.gaussian_filter(inside.mean(axis=0), 1)
    gradient = sum(np.var(part) for part in np.gradient(fine))
    total = inside.sum(axis=0)
    agreement = [np.corrcoef(one.ravel(), (total - one).ravel())[0, 1] for one in inside]
    return [("gradient variance", float(gradient)), ("left-out r", float(np.mean(agreement)))]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
