"""Memory that ingest needs for a large series: 13 tilts of 256 x 256 x 4096 channels.

    python bench/memory.py [folder]

Writes one simulated HyperSpy file of that size (12 photons per pixel and tilt, as in real
maps, and the zero peak), links it 13 times, and runs the stages ingest and element_maps.
Prints seconds, and the peak of what all processes hold together, sampled 20 times a
second: shared pages count once for each process, so that the truth is below.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

N_TILTS, SHAPE, PHOTONS = 13, (256, 256, 4096), 12
BOUND_MB = 1500


def write_series(folder: Path) -> None:
    """Write the file and its links."""
    from stemedx.ingest.raw_writer import write_spectrum_image  # noqa: PLC0415

    rng = np.random.default_rng(0)
    n_pixels = SHAPE[0] * SHAPE[1]
    spectra = np.zeros((n_pixels, SHAPE[2]), np.uint8)
    for energy, width, share in ((0.0, 0.03, 3), (1.38, 0.04, 4), (2.31, 0.05, 4), (8.64, 0.07, 4)):
        n_photons = share * n_pixels
        channels = np.rint((rng.normal(energy, width, n_photons) + 0.2) / 0.005).astype(int)
        pixels = rng.integers(n_pixels, size=n_photons)
        np.add.at(spectra, (pixels, np.clip(channels, 0, SHAPE[2] - 1)), 1)
    first = folder / "EDX_0.hspy"
    write_spectrum_image(
        first, spectra.reshape(SHAPE), pixel_nm=0.4, tilt_deg=0.0, energy_offset_keV=-0.2,
        energy_scale_keV=0.005, detector={"energy_resolution_MnKa": 133.0},
    )  # fmt: skip
    for n in range(1, N_TILTS):
        os.link(first, folder / f"EDX_{n}.hspy")


def run_stages(folder: Path) -> None:
    """Run both stages on the series."""
    from stemedx.params import ElementMapsParams, IngestParams  # noqa: PLC0415
    from stemedx.sheet import SheetRow  # noqa: PLC0415
    from stemedx.stages import element_maps, ingest  # noqa: PLC0415

    row = SheetRow(specimen="x", raw=str(folder), elements="Se,S,Zn", tilts="-60:60:10")
    series = folder / "x/tilt_series.zarr"
    ingest.run(IngestParams(), row=row, simulated=[], tilt_series=series,
               manifest=folder / "x/tilt_series.csv")  # fmt: skip
    element_maps.run(
        ElementMapsParams(), lines=list(row.elements), signal=None, tilt_series=series,
        element_maps=folder / "x/element_maps.zarr", net=folder / "x/net_maps.zarr",
        table=folder / "x/element_maps.csv", frames=folder / "x/element_frames.csv",
    )  # fmt: skip


def resident_mb(root: int) -> float:
    """Return what a process and all its children hold, MB."""
    parents, resident = {}, {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            text = (place / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        parents[int(place.name)], resident[int(place.name)] = int(text[1]), int(text[21])
    found = {root}
    while new := {child for child, parent in parents.items() if parent in found} - found:
        found |= new
    return sum(resident.get(one, 0) for one in found) * os.sysconf("SC_PAGE_SIZE") / 1e6


def peak_mb_of(process: "subprocess.Popen[str]") -> float:
    """Wait for a process; return the most that it and its children held together, MB."""
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, resident_mb(process.pid))
        time.sleep(0.05)
    return peak


def main() -> None:
    """Make the series, measure the run."""
    if len(sys.argv) == 3 and sys.argv[2] == "--run":
        run_stages(Path(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        write_series(Path(name))
        start = time.monotonic()
        process = subprocess.Popen([sys.executable, __file__, name, "--run"], text=True)
        peak = peak_mb_of(process)
        seconds = time.monotonic() - start
    print(f"13 tilts of 256 x 256 x 4096: {seconds:.0f} s, peak {peak:.0f} MB (bound {BOUND_MB})")
    sys.exit(process.returncode or int(peak > BOUND_MB))


if __name__ == "__main__":
    main()
