"""The geometry of the projector against real measurements: the gold nanorod."""

import h5py
import numpy as np
import pytest

from stemedx.params import SirtParams
from stemedx.project.blocks import maps_to_block
from stemedx.project.geometry import Geometry
from stemedx.project.projector import projector
from stemedx.reconstruct.filters import box_mean
from stemedx.reconstruct.simultaneous import sirt

pytestmark = [pytest.mark.slow, pytest.mark.data]
TILT_DEG = np.arange(-60, 61, 10.0)
PARAMS = SirtParams()


@pytest.fixture
def maps(data):
    """Filtered maps around the rod, every fourth row, aligned by their authors."""
    with h5py.File(data / "han2021/Au_nanorod/Au.hspy") as file:
        signal = next(iter(file["Experiments"].values()))
        tilt = signal["axis-0"].attrs
        assert np.array_equal(tilt["offset"] + tilt["scale"] * np.arange(13), TILT_DEG)
        measured = signal["data"][:, 32:224, 64:192].astype(np.float32)
    return maps_to_block(box_mean(measured[None], PARAMS.filter_px)[:, :, ::4])


def held_out_misfit(maps, tilt_deg, off_px=0.0):
    """Leave each third tilt out in turn, and predict it from the others."""
    _, n_x, n_y, _ = maps.shape
    misfit = 0.0
    for first in range(3):
        unseen = np.arange(first, len(tilt_deg), 3)
        seen = np.setdiff1d(np.arange(len(tilt_deg)), unseen)
        fit, check = (
            projector(Geometry(tilt_deg[n], n_y, n_x, None, np.tile([0, off_px], (len(n), 1))), 1)
            for n in (seen, unseen)
        )
        volume = sirt(fit, maps[seen], PARAMS.n_iterations)
        misfit += np.sum((check.forward(volume) - maps[unseen]) ** 2, dtype=np.float64)
    return misfit


def test_a_wrong_geometry_predicts_worse(maps):
    """The rod is nearly round: a few per cent are all that the tilts can tell."""
    pairs = TILT_DEG[[1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 12]]
    wrong = {
        "halves swapped": (np.roll(TILT_DEG, 6),),
        "pairs swapped": (pairs,),
        "scale 0.8": (0.8 * TILT_DEG,),
        "scale 1.2": (1.2 * TILT_DEG,),
        "centre off to the left": (TILT_DEG, -2.0),
        "centre off to the right": (TILT_DEG, 2.0),
    }
    right = held_out_misfit(maps, TILT_DEG)
    ratios = {name: held_out_misfit(maps, *geometry) / right for name, geometry in wrong.items()}
    assert min(ratios.values()) > 1.005, ratios
    # No projection can tell the hand of a specimen: only the file can. Rounding of
    # float32 over a hundred iterations.
    mirrored = held_out_misfit(maps, -TILT_DEG)
    assert mirrored == pytest.approx(right, rel=1e-3)
