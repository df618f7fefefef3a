"""Time from raw files to element maps, against exspy on dense cubes in the same run.

    python bench/ingest.py ../shared/data/l2083

Prints seconds and peak memory (MB) of each, and their ratios. Each runs in a process of
its own, so that one's memory is not the other's.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ELEMENTS = "O,Mg,Al,Si,S,Ca,Cr,Fe,Cu,Pt_La"
LINES = [name if "_" in name else f"{name}_Ka" for name in ELEMENTS.split(",")]


def run_ours(raw: str, method: str) -> None:
    """Run the stages ingest and element_maps on a folder of raw files."""
    from stemedx.params import ElementMapsParams, IngestParams  # noqa: PLC0415
    from stemedx.sheet import SheetRow  # noqa: PLC0415
    from stemedx.stages import element_maps, ingest  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        series = folder / "tilt_series.zarr"
        row = SheetRow(specimen="x", raw=raw, elements=ELEMENTS)
        ingest.run(IngestParams(), row=row, simulated=[], tilt_series=series,
                   manifest=folder / "tilt_series.csv")  # fmt: skip
        element_maps.run(
            ElementMapsParams(method=method), lines=list(row.elements), signal=None,
            tilt_series=series, element_maps=folder / "element_maps.zarr",
            net=folder / "net_maps.zarr", table=folder / "element_maps.csv",
            frames=folder / "element_frames.csv",
        )  # fmt: skip


def run_exspy(raw: str) -> None:
    """Load each cube, and take the intensities of the same lines with background windows."""
    import warnings  # noqa: PLC0415

    warnings.simplefilter("ignore")
    import hyperspy.api as hs  # noqa: PLC0415

    for path in sorted(Path(raw).glob("*.bcf")):
        signals = [s for s in hs.load(str(path)) if s.data.ndim == 3]
        for spectra in signals:
            spectra.set_lines(LINES)
            background = spectra.estimate_background_windows()
            spectra.get_lines_intensity(background_windows=background)


def measure(what: str, raw: str) -> dict[str, float]:
    """Return the seconds and the peak memory of a process that runs one of them."""
    done = subprocess.run(
        [sys.executable, __file__, raw, "--only", what],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def main() -> None:
    """Print a table, or run one of the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raw")
    parser.add_argument("--only", choices=("windows", "fit", "exspy"))
    args = parser.parse_args()
    if args.only:
        start = time.monotonic()
        run_exspy(args.raw) if args.only == "exspy" else run_ours(args.raw, args.only)
        seconds = time.monotonic() - start
        # files are read by another process: as if both were at their peak at one time
        whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        peak = sum(resource.getrusage(one).ru_maxrss for one in whose) / 1e3
        print(json.dumps({"seconds": seconds, "peak_mb": peak}))
        return
    found = {what: measure(what, args.raw) for what in ("windows", "fit", "exspy")}
    peer = found["exspy"]
    print("what      seconds  peak MB  seconds/exspy  memory/exspy")
    for what, one in found.items():
        seconds, peak_mb = one["seconds"], one["peak_mb"]
        ratios = f"{seconds / peer['seconds']:14.2f} {peak_mb / peer['peak_mb']:13.2f}"
        print(f"{what:8} {seconds:8.1f} {peak_mb:8.0f} {ratios}")


if __name__ == "__main__":
    main()
