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
from collections import Counter

import numpy as np
import pytest

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
)
PICTURES = (
    "vendor/dm/test_STEM_image.dm3",
    "vendor/tia/03_Scanning Preview_1.ser",
    "vendor/tia/03_Scanning Preview.emi",
    "etspy/SerialEM/test_000.mrc",
    "vendor/jeol/Sample/00_View000/View000_0000001.map",
)
PER_FILE = 32  # 320 in all
SECONDS, MEMORY = 3.0, 3 * 2**30
KINDS = ("cut", "flipped", "zeroed", "header")


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
    source = data / name
    if source.suffix == ".emd":
        pytest.importorskip("sparse")
    content, found = source.read_bytes(), Counter()
    paths = [tmp_path / f"{tilt}deg{source.suffix}" for tilt in (-5, 10)]
    row = SheetRow(specimen="s", raw=str(tmp_path), elements="Si")
    with reading_apart(SECONDS, MEMORY) as read:
        shutil.copy(source, paths[0])
        whole = read(paths[0])
        shutil.copy(source, paths[1])
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
    source = data / name
    content, found = source.read_bytes(), Counter()
    path = tmp_path / f"HAADF{source.suffix}"
    if source.suffix == ".emi":
        shutil.copy(source.with_name("03_Scanning Preview_1.ser"), tmp_path / "HAADF_1.ser")
    with reading_apart(SECONDS, MEMORY) as read:
        shutil.copy(source, path)
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
