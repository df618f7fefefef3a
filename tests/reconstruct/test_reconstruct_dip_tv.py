"""The network that is fitted to one specimen: its likelihood, its penalty, where it stops."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

from stemedx.params import DipTvParams
from stemedx.project.blocks import volumes_to_block
from stemedx.project.cropped import cropped_projector, whole
from stemedx.project.geometry import Geometry
from stemedx.project.projector import project
from stemedx.reconstruct import kernels
from stemedx.reconstruct.dip_tv import Scene, reconstruct, total_variation
from stemedx.reconstruct.likelihoods import BERNOULLI, POISSON
from stemedx.reconstruct.measured import Measured
from stemedx.reconstruct.penalised import first_fit

TILT_DEG = np.arange(-60, 61, 20.0)
PARAMS = DipTvParams(
    base_channels=4, learning_rate=0.01, tv_weight=0.5, patience=30, max_updates=150
)


@pytest.fixture
def truth():
    """Two halves of a ball, off centre, of different yield; no side is a multiple of 4."""
    z, y, x = np.mgrid[:18, :13, :18] - np.array([10, 6, 7])[:, None, None, None]
    ball = np.sqrt(z**2 + y**2 + x**2) < 5.2
    return np.stack([0.6 * (ball & (x < 0)), 1.5 * (ball & (x >= 0))]).astype(np.float32)


@pytest.fixture
def measured(truth, rng):
    expected = project(truth, TILT_DEG) + 0.05
    zeros, weight = np.zeros((2, 7)), np.ones((7, 13, 18), np.float32)
    geometry = Geometry(TILT_DEG, 13, 18)
    return Measured(rng.poisson(expected), geometry, "counts", zeros + 1, zeros, weight)


def scene_of(measured):
    fit = first_fit(measured)
    operator = cropped_projector(measured.geometry, 2, whole(measured.geometry))
    return Scene(measured, fit, operator, torch.device("cpu")), fit, operator


def test_it_finds_shape_and_yield(measured, truth):
    found, fit = reconstruct(measured, PARAMS, "cpu"), first_fit(measured)
    guess = (fit.state.volume * fit.scale).transpose(3, 0, 2, 1)
    for volume, before, true in zip(found.volumes, guess, truth, strict=True):
        assert np.corrcoef(volume.ravel(), true.ravel())[0, 1] > 0.85
        assert np.linalg.norm(volume - true) < 0.95 * np.linalg.norm(before - true)
        assert volume.sum() == pytest.approx(true.sum(), rel=0.1)
        assert volume.min() >= 0
    assert found.facts["device"] == "cpu"
    assert found.facts["tv_weight"] == 0.5


def test_it_stops_where_photons_set_aside_tell_and_takes_the_best(measured, caplog):
    with caplog.at_level(logging.INFO):
        looks = reconstruct(measured, PARAMS, "cpu").facts["looks"]["rows"]
    worth = [nat for _, nat in looks]
    best = looks[int(np.argmax(worth))]
    assert f"{best[0]:.0f} updates, {best[1]:.4f} nat per photon set aside" in caplog.text
    assert looks[-1][0] - best[0] == PARAMS.patience
    assert max(worth) > worth[0]
    assert "s for each update on cpu: 150 take" in caplog.text


def test_updates_that_do_not_suffice_are_told(measured, caplog):
    reconstruct(measured, PARAMS.model_copy(update={"max_updates": 20}), "cpu")
    assert "photons set aside may still become more likely after 20 updates" in caplog.text


def test_two_runs_agree_to_the_last_bit_and_the_seed_matters(measured):
    few = PARAMS.model_copy(update={"max_updates": 20})
    first = reconstruct(measured, few, "cpu").volumes
    torch.rand(3)  # whoever else draws
    again = reconstruct(measured, few, "cpu").volumes
    assert np.array_equal(first, again)
    other = reconstruct(measured, few.model_copy(update={"seed": 1}), "cpu").volumes
    assert not np.allclose(first, other, rtol=1e-3)


@pytest.mark.parametrize(("signal", "likelihood"), [("counts", POISSON), ("hits", BERNOULLI)])
def test_the_likelihood_is_that_of_the_solvers(measured, signal, likelihood):
    """At a share of 1; and of a share of hits, by the chance that a hit falls to it."""
    maps = np.minimum(measured.maps, 1) if signal == "hits" else measured.maps
    weight = np.random.default_rng(0).random(measured.weight.shape).astype(np.float32)
    about = replace(measured, maps=maps, signal=signal, weight=weight)
    scene, fit, operator = scene_of(about)
    projected = operator.forward(fit.state.volume) * fit.scale.astype(np.float32)
    rate = projected.transpose(3, 0, 2, 1) * fit.calibration.gain[..., None, None]
    rate += fit.calibration.background[..., None, None]
    expected = likelihood.value(rate, maps, weight).sum()
    found = scene.unlikely(scene.guess, scene.tensor(maps), 1.0)
    assert float(found) == pytest.approx(expected, rel=1e-4)
    share = float(scene.unlikely(scene.guess, scene.tensor(maps), 0.3))
    if signal == "hits":
        chance = -0.3 * np.expm1(-rate)
        pixels = -np.where(maps > 0, np.log(chance), np.log1p(-chance))
    else:
        pixels = 0.3 * rate - maps * np.log(0.3 * rate)
    assert share == pytest.approx((weight * pixels).sum(), rel=1e-4)


@pytest.mark.parametrize("signal", ["counts", "hits"])
def test_what_the_penalty_takes_is_no_reason_to_stop(measured, signal):
    """Photons set aside like half the volume as much as the whole, once it is as bright."""
    maps = np.minimum(measured.maps, 1) if signal == "hits" else measured.maps
    scene, _, _ = scene_of(replace(measured, maps=maps, signal=signal))
    counts = scene.tensor(maps)
    faint = scene.as_bright(0.5 * scene.guess, counts, 1.0)
    found = scene.expected(faint, 1.0).sum((1, 2, 3)).numpy()
    # a factor on the volume is one on the hits only where they are few
    assert found == pytest.approx(maps.sum(axis=(1, 2, 3)), rel=0.01 if signal == "counts" else 0.1)
    assert not scene.as_bright(0 * scene.guess, 0 * counts, 1.0).any()


def test_the_penalty_is_that_of_the_solvers(rng):
    volumes = rng.random((2, 5, 4, 6), np.float32)
    block = volumes_to_block(volumes)
    expected = sum(kernels.tv_plane(z, block, np.array([0, 0])) for z in range(5))
    assert float(total_variation(torch.from_numpy(volumes))) == pytest.approx(expected, rel=1e-4)


def test_spoilt_data_give_no_nan(measured):
    few = PARAMS.model_copy(update={"max_updates": 10})
    spoilt = measured.maps.copy()
    spoilt[0] = 0
    spoilt[:, 2] = 0
    spoilt[1, 3, 11, 15] = 60000
    weight = measured.weight.copy()
    weight[4] = 0
    for maps, used in ((spoilt, weight), (0 * spoilt, weight), (spoilt, 0 * weight)):
        found = reconstruct(replace(measured, maps=maps, weight=used), few, "cpu")
        assert np.isfinite(found.volumes).all()
        assert np.isfinite(found.facts["gain"]).all()
