"""How likely real hits that no method saw are, under each method: nat per hit.

Of the hits of real tilt series (Han et al. 2021: no HAADF, no truth), 80 % are reconstructed
and the other 20 % predicted, four times; networks are trained on the 80 % alone. The alignment is
the automatic one, of all hits. Gain and background of each map are fitted to the seen hits for
every method alike, so that no method is punished for not modelling them. What is printed is the
gain over a constant rate for each map, per held-out hit: mean over splits, and their standard
deviation.

The folders sQD1, sQD2 and cQD are expected in STEMEDX_TEST_DATA/han2021.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from stemedx import store
from stemedx.alignment import read_geometry, read_weights
from stemedx.counts import split_counts
from stemedx.params import AlignParams, ElementMapsParams, IngestParams, RunConfig
from stemedx.project.blocks import block_to_maps, volumes_to_block
from stemedx.project.projector import projector
from stemedx.reconstruct import l1, mlem, poisson_tv, sirt, tv
from stemedx.reconstruct.measured import Measured, binned
from stemedx.resolve.held_out import held_out_gain
from stemedx.sheet import SheetRow
from stemedx.stages import align, element_maps, ingest

SHARE = 0.8
ELEMENTS = ("Se", "S", "Zn")
RUN = RunConfig()
AXES = ("element", "tilt", "y", "x")


def prepare(sample, data, folder):
    """Return the hits of a sample with their geometry, aligned automatically by the stages."""
    folder.mkdir(parents=True, exist_ok=True)
    path = {name: folder / f"{name}.zarr" for name in ("series", "maps", "net", "alignment")}
    if not path["alignment"].exists():
        row = SheetRow(
            specimen=sample, raw=str(data / sample / "*.hspy"), elements=",".join(ELEMENTS)
        )
        ingest.run(
            IngestParams(), row=row, simulated=[], tilt_series=path["series"],
            manifest=folder / "series.csv",
        )  # fmt: skip
        element_maps.run(
            ElementMapsParams(), lines=list(row.elements), signal=row.signal,
            tilt_series=path["series"], element_maps=path["maps"], net=path["net"],
            table=folder / "maps.csv", frames=folder / "frames.csv",
        )  # fmt: skip
        align.run(
            AlignParams(), tilt_axis_deg=None, element_maps=path["maps"],
            tilt_series=path["series"], by_hand=None, alignment=path["alignment"],
            table=folder / "alignment.csv",
        )  # fmt: skip
    maps, attrs = store.read(path["maps"], axes=AXES, units="count")
    geometry = read_geometry(path["alignment"], attrs["tilt_deg"], maps.shape[2:])
    zeros = np.zeros(maps.shape[:2])
    weight = read_weights(path["alignment"])
    return Measured(maps, geometry, attrs["signal"], zeros + 1, zeros, weight)


def by_filtered(module, params):
    """Return the method that reads filtered maps; of binned maps, the filter is narrower."""

    def reconstruct(measured, n):
        width = {"filter_px": params.filter_px // n | 1}
        own = params.model_copy(update=width)
        return module.reconstruct(measured.maps, measured.geometry, own)

    return reconstruct


def by_photons(module, params):
    """Return the method that reads photons."""
    return lambda measured, n: module.reconstruct(measured, params).volumes


METHODS = {
    "sirt": by_filtered(sirt, RUN.reconstruct.sirt),
    "l1": by_filtered(l1, RUN.reconstruct.l1),
    "tv": by_filtered(tv, RUN.reconstruct.tv),
    "mlem": by_photons(mlem, RUN.reconstruct.mlem),
    "poisson_tv": by_photons(poisson_tv, RUN.reconstruct.poisson_tv),
}


def measure(measured, methods, n_splits, n):
    """Yield method, split, seconds and gain of each element."""
    for split in range(n_splits):
        parts = split_counts(measured.maps, SHARE, np.random.default_rng(split))
        about, other = (binned(measured.with_maps(part), n) for part in parts)
        unseen = np.rint(other.maps).astype(int)
        operator = projector(about.geometry, len(about.maps))
        for method in methods:
            started = time.perf_counter()
            volumes = METHODS[method](about, n)
            seconds = time.perf_counter() - started
            predicted = block_to_maps(operator.forward(volumes_to_block(volumes)))
            found = held_out_gain(predicted, about, unseen, SHARE)
            yield method, split, seconds, found.gain_nat_per_hit


def main():
    """Print one table per sample."""
    parser = argparse.ArgumentParser(description=__doc__)
    data = Path(os.environ.get("STEMEDX_TEST_DATA", "../shared/data")) / "han2021"
    parser.add_argument("--data", type=Path, default=data)
    parser.add_argument("--samples", nargs="+", default=["sQD1", "sQD2", "cQD"])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--splits", type=int, default=4)
    parser.add_argument("--bin", type=int, default=1, help="pixels a side summed into one")
    parser.add_argument("--folder", type=Path, help="keeps the alignments for the next time")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        for sample in asked.samples:
            measured = prepare(sample, asked.data, (asked.folder or Path(temporary)) / sample)
            rows = {}
            found = measure(measured, asked.methods, asked.splits, asked.bin)
            for method, split, seconds, gains in found:
                rows.setdefault(method, []).append([seconds, np.mean(gains), *gains])
                print(f"  {sample} split {split} {method:10s}", np.round(rows[method][-1], 4),
                      flush=True)  # fmt: skip
            print(f"\n{sample}: nat per held-out hit, {asked.splits} splits, bin {asked.bin}")
            print(
                f"{'method':10s} {'s':>7s} {'mean':>8s} {'sd':>7s} {'Se':>8s} {'S':>8s} {'Zn':>8s}"
            )
            for method, values in rows.items():
                seconds, mean, *own = np.mean(values, axis=0)
                sd = np.std([v[1] for v in values], ddof=1) if len(values) > 1 else np.nan
                print(f"{method:10s} {seconds:7.0f} {mean:8.4f} {sd:7.4f}",
                      *(f"{v:8.4f}" for v in own))  # fmt: skip


if __name__ == "__main__":
    main()
