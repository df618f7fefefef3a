"""Stage `split`: element maps -> two halves of their photons."""

import logging
from pathlib import Path

import numpy as np

from stemedx import store
from stemedx.arrays import Counts, MeasuredMaps
from stemedx.counts import split_counts, to_counts
from stemedx.params import SplitParams
from stemedx.provenance import made_by

log = logging.getLogger(__name__)
AXES = ("element", "tilt", "y", "x")
TOTALS = ("background", "net", "net_variance")


def run(params: SplitParams, *, split: int, element_maps: Path, a: Path, b: Path) -> None:
    """Give each photon of the maps to one of two halves; write both stores.

    Halves of counts add up to the whole. Those of intensities hold the stand-ins of
    photons, each worth `variance_to_mean`, so that their sum is the whole on average.

    Parameters
    ----------
    params
        The seed.
    split
        Number of the split: each is another draw.
    element_maps
        Store of ``(element, tilt, y, x)`` counts or intensities.
    a, b
        Stores of the halves.
    """
    maps, attrs = store.read(element_maps, axes=AXES, units=("count", "intensity"))
    rng = np.random.default_rng([params.seed, split])
    factors = attrs["variance_to_mean"]
    halves = split_counts(to_counts(maps, factors, rng), 0.5, rng)
    units = attrs["units"]
    kept = {key: attrs[key] for key in attrs if key not in ("axes", "units", "made_by")}
    # what was counted over the whole map halves with the photons
    kept |= {key: (np.array(attrs[key]) / 2).tolist() for key in TOTALS if key in attrs}
    origin = made_by("split", params, {"element_maps": element_maps}, split=split)
    for path, half in zip((a, b), halves, strict=True):
        log.info("%s: %d photons", path, half.sum())
        values = half if units == "count" else _to_intensities(half, factors)
        store.write(path, values, axes=AXES, units=units, made_by=origin, **kept)


def _to_intensities(counts: Counts, variance_to_mean: list[float]) -> MeasuredMaps:
    return (counts * np.array(variance_to_mean)[:, None, None, None]).astype(np.float32)
