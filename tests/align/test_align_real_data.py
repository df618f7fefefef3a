"""Against alignments that others made by hand, on real measurements."""

import json

import numpy as np
import pytest
from rsciio import bruker, hspy
from skimage.registration import phase_cross_correlation

from stemedx.align.automatic import align, align_by_hand
from stemedx.align.by_hand import parse_by_hand
from stemedx.align.drift import find_drift, to_frame_source
from stemedx.align.source import to_source
from stemedx.params import AlignParams
from stemedx.project.geometry import least_shifts

pytestmark = [pytest.mark.slow, pytest.mark.data]
PARAMS = AlignParams()


def test_haadf_larger_than_the_field(data):
    """L2083: entry i of the manual shifts belongs to tilt -50 + 5 i; rows -y, columns +x."""
    tilts = np.arange(-40.0, 31.0, 10.0)
    files = [data / "l2083" / f"{tilt:.0f}.bcf" for tilt in tilts]
    images = [bruker.file_reader(file, select_type="image")[0]["data"] for file in files]
    haadf = np.stack(images).astype(np.float32)
    entries = json.loads((data / "l2083/TomVizAlignments.json").read_text())
    x, y = np.array([entries[round((tilt + 50) / 5)] for tilt in tilts], np.float64).T
    by_hand = least_shifts(np.stack([-y, x], axis=1), tilts)
    source = to_source(haadf[None], haadf, tilts, PARAMS)
    found = align(source, tilts, PARAMS, None)
    difference = np.median(np.abs(found.shift_px - by_hand), axis=0)
    assert difference[0] < 0.5  # the manual shifts are whole pixels
    assert difference[1] < 1.5  # the project's aim
    manual = align_by_hand(source, tilts, PARAMS, np.zeros(len(tilts)), by_hand)
    assert found.residual.mean() < manual.residual.mean()


def test_hits_of_quantum_dots(data):
    """sQD1: the others predict each map better than with the manual alignment."""
    tilts = np.arange(-60.0, 61.0, 10.0)
    folder = data / "han2021/sQD1"
    maps = np.stack([hspy.file_reader(folder / f"{e}.hspy")[0]["data"] for e in ("Se", "S", "Zn")])
    source = to_source(maps, None, tilts, PARAMS)
    found = align(source, tilts, PARAMS, None)
    text = (folder / "manual_alignment.json").read_text()
    rotation, shift = parse_by_hand(text, len(tilts), "manual_alignment.json")
    manual = align_by_hand(source, tilts, PARAMS, rotation, least_shifts(shift, tilts))
    assert found.residual.mean() < manual.residual.mean()
    # The two agree to 3 px everywhere but at the noisiest tilts.
    difference = np.abs(found.shift_px - least_shifts(shift, tilts))
    assert np.median(difference) < 2.0


def test_drift_of_frames(data):
    """frames_6 against scikit-image, in the part of the field that all frames show."""
    haadf = hspy.file_reader(data / "han2021/frames_6/HAADF.hspy")[0]["data"].astype(np.float32)
    source = to_frame_source(haadf[None], haadf, 1.0)
    shift_px = find_drift(source, 20.0).shift_px
    whole = np.rint(shift_px).astype(int)
    (top, left), (bottom, right) = whole.max(axis=0), whole.min(axis=0)
    common = [
        one[top - y : 256 + bottom - y, left - x : 256 + right - x]
        for one, (y, x) in zip(haadf, whole, strict=True)
    ]
    peer = whole + [
        phase_cross_correlation(common[7], one, upsample_factor=20, normalization=None)[0]
        for one in common
    ]
    difference = shift_px - peer
    assert np.abs(difference - difference.mean(axis=0)).max() < 0.5  # the project's aim
