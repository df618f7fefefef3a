"""A core that gives no mapped photons, taken for what surrounds it: it must stand out."""

from dataclasses import replace

import numpy as np
import pytest

from stemedx.params import FusionParams, PhantomParams
from stemedx.project.cropped import whole
from stemedx.project.geometry import Geometry
from stemedx.reconstruct.calibration import Calibration
from stemedx.reconstruct.dark import STANDS_OUT, UNLISTED, explained, lacking, with_dark
from stemedx.reconstruct.measured import Measured
from stemedx.reconstruct.mixture import Mixture, atoms_of, haadf_of
from stemedx.reconstruct.primal_dual import State
from stemedx.reconstruct.problem import SIMPLEX
from stemedx.reconstruct.shares import Settled, level_of
from stemedx.simulate.phantoms import Specimen, acquire, make_specimen, truth_volumes

N = 32
PHASES = {
    "ZnSe": {"Zn": 1.0, "Se": 1.0},
    "ZnS": {"Zn": 1.0, "S": 1.0},
    "InP": {"In": 1.0, "P": 1.0},
}
LISTED = {name: PHASES[name] for name in ("ZnSe", "ZnS")}
PHANTOM = PhantomParams(shape="core_shell", size_px=N, peak=1.5, tilts="-60:60:15")


def dot(has_core: bool) -> Specimen:
    """A dot with a core of InP of 2.65 pixels in ZnSe, or one of ZnSe through and through."""
    specimen = make_specimen(PHANTOM, np.random.default_rng(4))
    if has_core:
        return specimen
    shape = specimen.body.shape
    full = replace(specimen.body, shape=lambda points: np.where(
        shape(points) == 1, np.uint8(2), shape(points)))  # fmt: skip
    return replace(specimen, body=full)


def filled_with_znse(specimen, phases, signal="counts"):
    """Level, and true shares and mixture, but for the core, which is taken for ZnSe."""
    recorded = acquire(specimen, np.random.default_rng(5))
    counts = recorded.counts.clip(max=1) if signal == "hits" else recorded.counts
    n_tilts = len(specimen.tilt_deg)
    none = np.zeros((3, n_tilts))
    measured = Measured(counts, Geometry(specimen.tilt_deg, N, N), signal, none + 1, none,
                        np.ones((n_tilts, N, N), np.float32))  # fmt: skip
    level = level_of(measured, recorded.haadf, whole(measured.geometry), n_shares=len(phases),
                     tv_weight=0.6, constraint=SIMPLEX, params=FusionParams())  # fmt: skip
    background = none + PHANTOM.background * PHANTOM.peak
    mixture = Mixture(
        tuple(phases), atoms_of(phases, specimen.elements), specimen.yields.max(axis=1),
        specimen.haadf_weights[[1, 2, 0]][: len(phases)], haadf_of(phases), np.zeros(n_tilts),
        float(recorded.haadf.max()) / PHANTOM.haadf_snr, Calibration(none + 1, background),
    )  # fmt: skip
    inp, znse, zns = truth_volumes(replace(specimen, yields=np.eye(3)))
    shares = np.stack([znse + inp, zns, 0 * inp], -1)[..., : len(phases)].transpose(0, 2, 1, 3)
    state = State(np.ascontiguousarray(shares))
    return level, Settled(mixture, state, np.zeros(len(phases))), inp.transpose(0, 2, 1)


@pytest.mark.parametrize("signal", ["counts", "hits"])
def test_a_core_without_photons_stands_out(signal):
    level, found, core = filled_with_znse(dot(has_core=True), LISTED, signal)
    off = lacking(level, found, whole(level.measured.geometry), 1)
    assert off.max() > STANDS_OUT
    middle = np.array([(axis * core).sum() / core.sum() for axis in np.indices(core.shape)])
    assert np.unravel_index(off.argmax(), off.shape) == pytest.approx(middle, abs=2.5)


@pytest.mark.parametrize("signal", ["counts", "hits"])
def test_a_dot_of_the_listed_phases_has_nothing_that_stands_out(signal):
    level, found, _ = filled_with_znse(dot(has_core=False), LISTED, signal)
    crop = whole(level.measured.geometry)
    assert lacking(level, found, crop, 1).max() < STANDS_OUT
    assert explained(level, found, crop, 1)[1:] == (found, [])


def test_a_core_that_was_found_does_not_stand_out():
    level, found, core = filled_with_znse(dot(has_core=True), PHASES)
    found.state.volume[..., 0] -= core
    found.state.volume[..., 2] += core
    assert lacking(level, found, whole(level.measured.geometry), 1).max() < STANDS_OUT


@pytest.mark.parametrize(("phases", "filler"), [(PHASES, "InP"), (LISTED, UNLISTED)])
def test_what_stands_out_is_filled_with_what_gives_no_photons(phases, filler):
    level, found, core = filled_with_znse(dot(has_core=True), phases)
    off = lacking(level, found, whole(level.measured.geometry), 1)
    start = with_dark(found, off)
    assert start.mixture.names[2] == filler
    shares = start.state.volume
    assert shares.sum(axis=-1).max() <= 1 + 1e-6
    assert shares[..., 2][core > 0.9].mean() > 0.9
    # edges are given back: less for a larger ball
    assert start.pull[2] == pytest.approx(
        -2 * 2**0.5 / (3 / (4 * np.pi) * shares[..., 2].sum()) ** (1 / 3), rel=1e-4
    )


def test_a_phase_that_is_missing_from_the_list_is_told_and_made_up_for():
    level, found, core = filled_with_znse(dot(has_core=True), LISTED)
    crop = whole(level.measured.geometry)
    off = lacking(level, found, crop, 1)
    level, again, (said,) = explained(level, found, crop, 1)
    assert "HAADF is not that of ZnSe, ZnS (" in said
    assert said.endswith("seems to be missing from the column phases")
    z, y, x = (int(said.split(f"{axis} ")[1].split()[0].strip(",")) for axis in ("z", "y", "x"))
    assert off[z, x, y] == off.max()
    assert again.mixture.names == ("ZnSe", "ZnS", UNLISTED)
    assert again.state.volume[..., 2][core > 0.9].mean() > 0.5
    assert lacking(level, again, crop, 1).max() < 0.7 * off.max()
