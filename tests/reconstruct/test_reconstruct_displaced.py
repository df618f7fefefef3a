"""Tilts that the alignment left displaced: found by HAADF, and put into the geometry."""

from dataclasses import replace

import numpy as np
import pytest

from stemedx.params import FusionParams, PhantomParams
from stemedx.project.cropped import cropped_projector, whole
from stemedx.project.geometry import Geometry, least_shifts
from stemedx.reconstruct import fusion
from stemedx.reconstruct.calibration import Calibration
from stemedx.reconstruct.displaced import Asked, asked_shifts, told
from stemedx.reconstruct.measured import Guide, Measured
from stemedx.reconstruct.mixture import Mixture, atoms_of, haadf_of
from stemedx.reconstruct.primal_dual import State
from stemedx.reconstruct.problem import SIMPLEX
from stemedx.reconstruct.shares import Settled, level_of
from stemedx.simulate.phantoms import acquire, make_specimen, truth_volumes

N = 32
PHASES = {
    "ZnSe": {"Zn": 1.0, "Se": 1.0},
    "ZnS": {"Zn": 1.0, "S": 1.0},
    "InP": {"In": 1.0, "P": 1.0},
}
PHANTOM = PhantomParams(shape="core_shell", size_px=N, peak=1.0, tilts="-60:60:15")
QUICK = FusionParams(gap=0.2)


def dot(shift_px=0.0):
    """A specimen and what was recorded, each tilt displaced at random."""
    phantom = PHANTOM.model_copy(update={"shift_px": shift_px})
    specimen = make_specimen(phantom, np.random.default_rng(3))
    return specimen, acquire(specimen, np.random.default_rng(5))


def measured(specimen, recorded, geometry=None):
    none = np.zeros(recorded.counts.shape[:2])
    return Measured(recorded.counts, geometry or Geometry(specimen.tilt_deg, N, N), "counts",
                    none + 1, none, np.ones(recorded.haadf.shape, np.float32))  # fmt: skip


def true_solution(specimen, maps, images):
    """Level and shares as they are, tilts where the maps say."""
    level = level_of(maps, images, whole(maps.geometry), n_shares=3, tv_weight=0.6,
                     constraint=SIMPLEX, params=FusionParams())  # fmt: skip
    n_tilts = len(specimen.tilt_deg)
    none = np.zeros((3, n_tilts))
    mixture = Mixture(
        tuple(PHASES), atoms_of(PHASES, specimen.elements), specimen.yields.max(axis=1),
        specimen.haadf_weights[[1, 2, 0]], haadf_of(PHASES), np.zeros(n_tilts), 1.0,
        Calibration(none + 1, none + 0.01),
    )  # fmt: skip
    inp, znse, zns = truth_volumes(replace(specimen, yields=np.eye(3)))
    shares = np.ascontiguousarray(np.stack([znse, zns, inp], -1).transpose(0, 2, 1, 3))
    return level, Settled(mixture, State(shares), np.zeros(3))


def test_shifts_are_those_by_which_tilts_were_displaced():
    specimen, recorded = dot(shift_px=1.0)
    maps = measured(specimen, recorded)
    asked = asked_shifts(*true_solution(specimen, maps, recorded.haadf))
    wanted = -least_shifts(recorded.shifts_px, specimen.tilt_deg)
    assert np.sqrt(np.mean(wanted**2)) > 0.4
    assert asked.stands_out
    assert asked.shift_px == pytest.approx(wanted, abs=0.15)
    off = (asked.shift_px - wanted) / asked.error_px
    assert 0.3 < np.sqrt(np.mean(off**2)) < 2  # errors are as large as is told


def test_shifts_follow_the_rotation_of_the_maps():
    specimen, recorded = dot()
    tilts, turn = specimen.tilt_deg, np.full(9, 35.0)
    shift = least_shifts(np.random.default_rng(2).normal(0, 0.5, (9, 2)), tilts)
    level, found = true_solution(
        specimen, measured(specimen, recorded, Geometry(tilts, N, N, turn)), recorded.haadf
    )
    where = cropped_projector(Geometry(tilts, N, N, turn, shift), 3, whole(level.measured.geometry))
    images = where.forward(found.state.volume) @ found.mixture.haadf.astype(np.float32)
    asked = asked_shifts(replace(level, images=images.astype(np.float32)), found)
    assert asked.shift_px == pytest.approx(shift, abs=0.1)


def test_aligned_tilts_ask_for_no_more_than_chance():
    specimen, recorded = dot()
    level, found = true_solution(specimen, measured(specimen, recorded), recorded.haadf)
    asked = asked_shifts(level, found)
    assert not asked.stands_out
    assert np.sqrt(np.mean((asked.shift_px / asked.error_px) ** 2)) < 2


def test_a_tilt_without_pixels_tells_nothing():
    specimen, recorded = dot()
    level, found = true_solution(specimen, measured(specimen, recorded), recorded.haadf)
    level.measured.weight[4] = 0
    asked = asked_shifts(level, found)
    assert np.isinf(asked.error_px[4]).all()
    assert np.isfinite(asked.shift_px).all()
    assert np.isfinite(np.delete(asked.error_px, 4, axis=0)).all()


def test_an_image_that_is_not_of_the_specimen_moves_nothing():
    specimen, recorded = dot()
    images = recorded.haadf.copy()
    images[4, :, 20:] += 9 * images.max()  # its specimen is far away
    asked = asked_shifts(*true_solution(specimen, measured(specimen, recorded), images))
    assert np.isinf(asked.error_px[4]).all()
    assert not asked.stands_out
    assert np.abs(asked.shift_px).max() < 0.2


def roughly(specimen, recorded):
    guide = Guide(recorded.haadf, specimen.elements, PHASES)
    return fusion.well_placed(measured(specimen, recorded), recorded.haadf, guide, 2, QUICK)


def test_displaced_tilts_are_moved():
    specimen, recorded = dot(shift_px=1.5)
    rough = roughly(specimen, recorded)
    assert np.sqrt(np.mean(recorded.shifts_px**2)) > 0.6
    wanted = -least_shifts(recorded.shifts_px, specimen.tilt_deg)
    assert np.sqrt(np.mean((rough.moved_px - wanted) ** 2)) < 0.15
    assert np.array_equal(rough.measured.geometry.shift_px, rough.moved_px)


def test_moves_by_which_haadf_does_not_fit_better_are_not_kept(monkeypatch):
    specimen, recorded = dot()
    asked = []

    def nonsense(level, found):
        asked.append(np.random.default_rng(1).normal(0, 2, (9, 2)))
        return Asked(asked[-1], np.full((9, 2), 0.01))

    monkeypatch.setattr(fusion, "asked_shifts", nonsense)
    rough = roughly(specimen, recorded)
    assert len(asked) == 1
    assert not rough.moved_px.any()
    assert rough.measured.geometry.shift_px is None


def test_what_is_told_of_moves():
    assert told(np.zeros((3, 2))) == []
    moves = np.array([[0.0, 0.6], [-0.9, 0.0], [0.3, 0.0]])
    (text,) = told(moves)
    assert text == (
        "the alignment left tilts displaced by 0.46 px rms (up to 0.90 px along an axis), as HAADF "
        "shows: they were moved for this volume"
    )


@pytest.mark.slow
def test_a_volume_tells_how_its_tilts_were_moved():
    specimen, recorded = dot(shift_px=1.5)
    guide = Guide(recorded.haadf, specimen.elements, PHASES)
    found = fusion.reconstruct(measured(specimen, recorded), guide, QUICK)
    left = np.array(found.facts["moved_px"]) + least_shifts(recorded.shifts_px, specimen.tilt_deg)
    assert np.sqrt(np.mean(left**2)) < 0.15
    assert "the alignment left tilts displaced by 0." in found.facts["warnings"][0]
