"""Time from raw files to element maps, against exspy on dense cubes in the same run.

    python bench/ingest.py ../shared/data/l2083

Prints seconds by the clock and of all cores, and the peak of what all processes of each
hold together (MB, sampled 20 times a second), start of Python included, and their ratios.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from memory import peak_mb_of

sys.path.insert(0, str(Path(__file__).parents[1]))

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


def measure(what: str, raw: str) -> tuple[float, float, float]:
    """Return seconds, seconds of all cores, and peak MB of a process that runs one of them."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, __file__, raw, "--only", what], stderr=subprocess.DEVNULL, text=True
    )
    peak_mb = peak_mb_of(process)
    seconds = time.monotonic() - start
    if process.returncode:
        raise RuntimeError(f"{what} failed: run bench/ingest.py {raw} --only {what}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, peak_mb


def main() -> None:
    """Print a table, or run one of the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raw")
    parser.add_argument("--only", choices=("windows", "fit", "exspy"))
    args = parser.parse_args()
    if args.only:
        run_exspy(args.raw) if args.only == "exspy" else run_ours(args.raw, args.only)
        return
    found = {what: measure(what, args.raw) for what in ("windows", "fit", "exspy")}
    peer = found["exspy"]
    print("what      seconds    CPU s  peak MB  CPU/exspy  memory/exspy")
    for what, (seconds, cpu, peak_mb) in found.items():
        ratios = f"{cpu / peer[1]:10.2f} {peak_mb / peer[2]:13.2f}"
        print(f"{what:8} {seconds:8.1f} {cpu:8.1f} {peak_mb:8.0f} {ratios}")


if __name__ == "__main__":
    main()
