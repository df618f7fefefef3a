"""What is read of each real vendor file, or why it is refused, as a table in Markdown.

    python bench/vendors.py ../shared/data > docs/vendors.md

Each file is read as a user's would be: named alone in the column `raw` of a sheet, and in
the column `haadf`. The table is compared with what is in the files by
`tests/ingest/test_ingest_vendor.py`.
"""

import argparse
import sys
import tempfile
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from stemedx.ingest.apart import reading_apart
from stemedx.ingest.files import raw_files
from stemedx.ingest.gather import gather
from stemedx.ingest.haadf import read_pictures
from stemedx.ingest.view_spectra import view_spectra
from stemedx.ingest.views import is_spectrum_image
from stemedx.sheet import SheetRow

# of the projects of JEOL and TIA; what is said of a file beside it
PARTS = (".map", ".img", ".pts", ".ser", ".md", ".txt", ".mdoc", ".rawtlt")
INTRODUCTION = """# What is read of real files

Made by `python bench/vendors.py ../shared/data > docs/vendors.md`. Each file was named alone: as
`raw`, where one spectrum image is no series yet (a folder of them is), and, where it holds no
spectra, as `haadf`. Photons are those above 0 keV. "no tilt" means that the file does not say: it
then comes from the sheet or the file name; a tilt of 0 from all files is not believed.

| file | what is read, or why it is refused |
|---|---|
"""


def of_spectra(path, read):
    """Return what is read of a spectrum image; None if the file has none."""
    images = [one for one in read(path).signals if is_spectrum_image(one)]
    if not images:
        return None
    (view,) = view_spectra(images[0], 0.0, None, ())
    axis, photons, image = view.axis, view.photons, images[0]
    told = [
        "x".join(map(str, view.shape)) + f" pixels of {view.pixel_nm:.4g} nm",
        f"{axis.n_channels} channels of {1e3 * axis.scale_keV:.4g} eV",
        f"the first at {axis.offset_keV:.4g} keV",
        f"{photons.counts.sum(dtype='int64')} photons",
        "no beam energy" if image.beam_keV is None else f"{image.beam_keV:g} kV",
        "no tilt" if image.stage_deg is None else f"tilt {image.stage_deg:.4g} deg (metadata)",
    ]
    if photons.n_frames:
        told.append(f"{photons.n_frames} frames")
    if photons.names:
        told.append(f"detectors {', '.join(photons.names)}")
    if image.beam_nA:
        told.append(f"{image.beam_nA:.3g} nA")
    if image.real_s:
        told.append(f"{image.real_s:.4g} s")
    return "spectra: " + ", ".join(told)


def of_pictures(path, read):
    """Return what is read as HAADF."""
    pictures = read_pictures(str(path), read)
    first = pictures[0]
    shape = "x".join(map(str, first.values.shape))
    size = "no pixel size" if first.pixel_nm is None else f"{first.pixel_nm:.4g} nm"
    tilts = [one.view.axis_deg for one in pictures]
    axis = "" if None in tilts else f", tilts {tilts[0]:.4g} to {tilts[-1]:.4g} deg (axis)"
    return f"HAADF: {len(pictures)} of {shape} pixels, {size}{axis}"


def told_of(path, read):
    """Return what a user is told of a file."""
    row = SheetRow(specimen="s", raw=str(path), elements="Si,Fe")
    try:
        if spectra := of_spectra(path, read):
            return spectra
    except ValueError as refusal:
        return f"refused: {refusal}"
    try:
        gather(raw_files(str(path), "raw"), row, 0.2, read)
    except ValueError as refusal:
        found = f"refused as raw: {refusal}"
    try:
        return f"{found}<br>{of_pictures(path, read)}"
    except ValueError as refusal:
        return f"{found}<br>refused as HAADF: {refusal}"


def of_series(folder, read):
    """Return what is read of a folder of one file per tilt."""
    row = SheetRow(specimen="s", raw=f"{folder}/*.bcf", elements="Si,Fe")
    series = gather(raw_files(row.raw, "raw"), row, 0.2, read)
    origins = {one["tilt_origin"] for one in series.manifest}
    n_y, n_x = series.shape
    counts = series.content.counts.sum(dtype="int64")
    return (
        f"series: {len(series.tilt_deg)} tilts {series.tilt_deg.tolist()} "
        f"(from: {', '.join(origins)}), {n_y}x{n_x} pixels of {series.pixel_nm:.4g} nm, "
        f"{counts} photons above 0.2 keV, "
        f"HAADF {series.haadf.shape}, {series.content.beam_keV:g} kV"
    )


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    files = sorted(
        path
        for folder in ("vendor", "etspy")
        for path in (data / folder).rglob("*")
        if path.is_file() and path.suffix not in PARTS
    )
    print(INTRODUCTION, end="")
    with reading_apart() as read, tempfile.TemporaryDirectory() as name:
        print(f"| l2083 (8 `.bcf`) | {of_series(data / 'l2083', read)} |")
        for path in files:
            text = told_of(path, read).replace(f"{data}/", "").replace("|", "/")
            print(f"| {path.relative_to(data)} | {text} |", flush=True)
            if path.suffix == ".zip":
                zipfile.ZipFile(path).extractall(name)
                (unpacked,) = Path(name).rglob("*.spd")
                text = told_of(unpacked, read).replace(f"{unpacked.parent}/", "")
                print(f"| the same, unpacked | {text} |", flush=True)


if __name__ == "__main__":
    main()
