"""Whether the beam changes the specimen: counts from the first frame to the last."""

from collections.abc import Sequence

import numpy as np

from stemedx.arrays import ByFrame


def relative_change(frames: Sequence[ByFrame]) -> tuple[float, float]:
    """Return by which share counts change from the first frame to the last, and its spread.

    A straight line through the counts of each tilt, the same share for all; the spread is
    that of Poisson noise.

    Parameters
    ----------
    frames
        ``(frame)`` counts of each tilt; tilts of one frame tell nothing.
    """
    slopes, weights = [], []
    for counts in frames:
        if len(counts) > 1 and counts.sum() > 0:
            at = np.linspace(-0.5, 0.5, len(counts))
            slopes.append(float(at @ counts))
            weights.append(float(counts.mean() * (at @ at)))
    if not weights:
        return float("nan"), float("nan")
    total = sum(weights)
    return sum(slopes) / total, float(total**-0.5)
