"""Damaged files: refused in one line, or read; never a crash, a hang or a full memory.

What can be asked of a reader depends on what a file tells of itself. Most formats have no
checksum: a bit that flips within the counts is a count like any other, and nobody can
tell. So: (1) a file that was cut short is refused, or reads the same, or its doubt is
told; (2) of any other damage axes, units, shape and tilt come out right, or are refused by
the comparison with the other files of the series; (3) what is not seen changes counts
alone. How many files are of which kind is printed.
"""

import logging
import resource
import shutil
import zipfile
from collections import Counter
from contextlib import contextmanager
from time import perf_counter

import numpy as np
import pytest
import tifffile

from stemedx.ingest.apart import reading_apart
from stemedx.ingest.gather import gather
from stemedx.ingest.haadf import read_pictures
from stemedx.sheet import SheetRow

log = logging.getLogger(__name__)
SPECTRA = (
    "vendor/bruker/test_TEM.bcf",
    "vendor/bruker/over16bit.bcf",
    "vendor/hspy/core_shell.hspy",
    "vendor/velox/fei_emd_si.emd",
    "vendor/velox/Test SI 16x16 215 kx.emd",
    "vendor/jeol/Sample/00_View000/View000_0000006.pts",
    "vendor/jeol/rawdata.ASW",
    "vendor/edax/EDAX_EDS_files.zip",
)
PICTURES = (
    "vendor/dm/test_STEM_image.dm3",
    "vendor/tia/03_Scanning Preview_1.ser",
    "vendor/tia/03_Scanning Preview.emi",
    "etspy/SerialEM/test_000.mrc",
    "vendor/jeol/Sample/00_View000/View000_0000001.map",
    "exported.tif",
)
PER_FILE = 32  # 448 in all
SECONDS, MEMORY = 3.0, 3 * 2**30
TILTS = (-5, 10)
KINDS = ("cut", "flipped", "zeroed", "header")


def first_frames(pts, n_frames):
    """Return a JEOL file of photons cut after its first frames, as if no more had been made."""
    (at,) = np.frombuffer(pts[28:32], "<u4")
    stream = np.frombuffer(pts[at:], "<u2")
    lines = np.flatnonzero(stream & 0xF000 == 0x9000)
    starts = lines[1:][np.diff((stream[lines] & 0xFFF).astype(int)) < 0]
    found = bytearray(pts[: at + 2 * starts[n_frames - 1]])
    marker = b"Sweep\0\2\0\0\0\2\0\0\0"
    places = [n for n in range(at) if found.startswith(marker, n)]
    for place in places:
        found[place + len(marker) : place + len(marker) + 2] = int(n_frames).to_bytes(2, "little")
    assert places
    found[32:36] = (len(found) - int(at)).to_bytes(4, "little")
    return bytes(found)


def small_edax(archive, folder):
    """Return an EDAX map of 4 rows (the whole is 236 MB), its pixels made square.

    What belongs to it is left in a folder, for files named after -5 and 10 degrees.
    """
    with zipfile.ZipFile(archive) as whole:
        names = {name.rsplit(".", 1)[1]: name for name in whole.namelist()}
        image = bytearray(whole.read(names["ipr"]))
        for tilt in TILTS:
            (folder / f"{tilt}deg.spc").write_bytes(whole.read(names["spc"]))
        with whole.open(names["spd"]) as stream:
            spectra = bytearray(stream.read(1068 + 4 * 256 * 2000 * 2))
    image[68:72] = image[64:68]  # height and width of a pixel
    (folder / "Live Map 1_Img.ipr").write_bytes(image)
    spectra[20:32] = np.array([4 * 256, 256, 4], "<u4").tobytes()
    return bytes(spectra)


def undamaged(data, name, folder):
    """Return the content of a file and its extension; leave in a folder what belongs to it."""
    source = data / name
    if name == "exported.tif":
        maps = np.random.default_rng(0).poisson(3.0, (3, 40, 50)).astype(np.uint16)
        tifffile.imwrite(folder / "whole.tif", maps, imagej=True, metadata={"axes": "ZYX"})
        content = (folder / "whole.tif").read_bytes()
        (folder / "whole.tif").unlink()
        return content, ".tif"
    if source.suffix == ".zip":
        return small_edax(source, folder), ".spd"
    content = source.read_bytes()
    if source.suffix == ".pts":
        content = first_frames(content, 2)
    elif source.suffix == ".ASW":
        shutil.copytree(source.parent / "Sample", folder / "Sample")
        (photons,) = folder.rglob("*.pts")
        photons.chmod(0o600)
        photons.write_bytes(first_frames(photons.read_bytes(), 2))
    elif source.suffix == ".emi":
        shutil.copy(source.with_name("03_Scanning Preview_1.ser"), folder / "HAADF_1.ser")
    return content, source.suffix


def damaged(content, seed):
    """Cut a file, flip bits of it, zero a block, or overwrite bytes of its header."""
    rng = np.random.default_rng(seed)
    found = np.frombuffer(content, np.uint8).copy()
    kind = KINDS[seed % 4]
    if kind == "cut":
        return found[: rng.integers(1, len(found))].tobytes()
    if kind == "flipped":
        for place in rng.integers(len(found), size=rng.integers(1, 20)):
            found[place] ^= 1 << rng.integers(8)
    elif kind == "zeroed":
        first = rng.integers(len(found))
        found[first : first + rng.integers(1, 4096)] = 0
    else:
        places = rng.integers(min(len(found), 4096), size=8)
        found[places] = rng.integers(256, size=8)
    return found.tobytes()


@contextmanager
def reading_soon(read_whole):
    """Lend a reader that may take ten times as long as an undamaged file does, and 3 s.

    How long a reader needs depends on the machine, and at the first file numba compiles.
    """
    with reading_apart() as read:
        read_whole(read)
        begun = perf_counter()
        read_whole(read)
        seconds = SECONDS + 10 * (perf_counter() - begun)
    with reading_apart(seconds, MEMORY) as read:
        yield read


def outcome(series, good, kind):
    """Return what became of a damaged file in a series; refuse what must not be."""
    assert series.shape == good.shape
    assert series.pixel_nm == pytest.approx(good.pixel_nm, rel=0.005)  # the tolerance of ingest
    assert series.tilt_deg.tolist() == good.tilt_deg.tolist()
    content, known = series.content, good.content
    assert content.axis.n_channels == known.axis.n_channels
    last = content.axis.n_channels - 1
    for channel in (0, last):
        energy = content.axis.offset_keV + channel * content.axis.scale_keV
        wanted = known.axis.offset_keV + channel * known.axis.scale_keV
        assert abs(energy - wanted) < known.axis.scale_keV / 2
    if len(content.counts) == len(known.counts) and all(
        (getattr(content, n) == getattr(known, n)).all() for n in ("counts", "channels", "ends")
    ):
        return "same"
    if any("damaged" in row["warnings"] for row in series.manifest):
        return "doubted"
    assert kind != "cut", "a file that was cut short reads as another one in silence"
    return "other counts"


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("name", SPECTRA)
def test_damaged_spectrum_images(data, tmp_path, name):
    """Two tilts, one of them damaged."""
    if name.endswith(".emd") or "jeol" in name:
        pytest.importorskip("sparse")
    (content, suffix), found = undamaged(data, name, tmp_path), Counter()
    paths = [tmp_path / f"{tilt}deg{suffix}" for tilt in TILTS]
    row = SheetRow(specimen="s", raw=str(tmp_path), elements="Si")
    paths[0].write_bytes(content)
    with reading_soon(lambda read: read(paths[0])) as read:
        whole = read(paths[0])
        paths[1].write_bytes(content)
        good = gather(paths, row, 0.2, read)

        def read_once(path):
            return whole if path == paths[0] else read(path)

        for seed in range(PER_FILE):
            kind = KINDS[seed % 4]
            paths[1].write_bytes(damaged(content, seed))
            try:
                series = gather(paths, row, 0.2, read_once)
            except ValueError as refusal:
                text = str(refusal)
                assert str(tmp_path) in text, (seed, text)
                assert "\n" not in text, (seed, text)
                slow = "did not end" in text
                found[kind, "stopped" if slow else "refused"] += 1
            else:
                found[kind, outcome(series, good, kind)] += 1
    log.info("%s: %s", name, {" ".join(key): n for key, n in sorted(found.items())})
    assert found["cut", "refused"] + found["cut", "stopped"] > 0
    # the children's peak too: no memory beyond the bound
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 < MEMORY


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("name", PICTURES)
def test_damaged_pictures(data, tmp_path, name):
    """HAADF and maps: as many images of the same shape, or a line that names the file."""
    (content, suffix), found = undamaged(data, name, tmp_path), Counter()
    path = tmp_path / f"HAADF{suffix}"
    path.write_bytes(content)
    with reading_soon(lambda read: read_pictures(str(path), read)) as read:
        good = read_pictures(str(path), read)
        for seed in range(PER_FILE):
            kind = KINDS[seed % 4]
            path.write_bytes(damaged(content, seed))
            try:
                pictures = read_pictures(str(path), read)
            except ValueError as refusal:
                assert str(tmp_path) in str(refusal), (seed, refusal)
                assert "\n" not in str(refusal), (seed, refusal)
                found[kind, "refused"] += 1
                continue
            shapes = {one.values.shape for one in pictures} | {one.values.shape for one in good}
            alike = len(pictures) == len(good) and len(shapes) == 1
            values = alike and all(
                np.array_equal(one.values, other.values)
                for one, other in zip(pictures, good, strict=True)
            )
            found[kind, "same" if values else "other values" if alike else "other shape"] += 1
    log.info("%s: %s", name, {" ".join(key): n for key, n in sorted(found.items())})
    assert found["cut", "other values"] == 0
