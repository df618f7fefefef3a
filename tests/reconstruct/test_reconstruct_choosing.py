from dataclasses import replace

import numpy as np
import pytest

from stemedx.params import PoissonTvParams
from stemedx.project.geometry import Geometry
from stemedx.project.projector import project
from stemedx.reconstruct.choosing import beyond, choose_weights
from stemedx.reconstruct.measured import Measured
from stemedx.reconstruct.penalised import Penalty
from stemedx.reconstruct.poisson_tv import reconstruct

TILT_DEG = np.arange(-60, 61, 20.0)
PENALTY = Penalty(0.5, (0, 0), 0.05, 200)


@pytest.fixture
def measured(rng):
    z, y, x = np.mgrid[:20, :14, :20] - np.array([11, 6, 9])[:, None, None, None]
    ball = np.sqrt(z**2 + y**2 + x**2) < 5.2
    truth = np.stack([0.2 * (ball & (x < 0)), 0.5 * (ball & (x >= 0))]).astype(np.float32)
    zeros, weight = np.zeros((2, 7)), np.ones((7, 14, 20), np.float32)
    maps = rng.poisson(project(truth, TILT_DEG) + 0.02)
    return Measured(maps, Geometry(TILT_DEG, 14, 20), "counts", zeros + 1, zeros, weight)


def choose(measured, start, seed=0, group=(0, 0)):
    penalty = replace(PENALTY, tv_weight=start, group=group)
    return choose_weights(measured, penalty, 1, n_splits=1, rng=np.random.default_rng(seed))


def test_each_element_takes_the_weight_that_its_own_held_out_photons_like_best(measured):
    weights, trials = choose(measured, 0.5)
    tried = [trial.tv_weight for trial in trials]
    for element, weight in enumerate(weights):
        best = max(trials, key=lambda trial: trial.nat_per_photon[element])
        # the neighbours on either side were asked, and are worse: between them is the top
        assert {best.tv_weight / 2, best.tv_weight * 2} <= set(tried)
        assert best.tv_weight / 1.5 < weight < best.tv_weight * 3
    assert weights[0] != weights[1]


def test_an_element_without_photons_takes_the_weight_of_the_others(measured):
    maps = np.concatenate((measured.maps, 0 * measured.maps[:1]))
    zeros = np.zeros((3, 7))
    more = replace(measured, maps=maps, gain=zeros + 1, background=zeros)
    weights = choose(more, 0.5, group=(0, 0, 0))[0]
    assert weights[2] == pytest.approx(np.sqrt(weights[0] * weights[1]))


def test_hits_of_several_photons_want_no_larger_weight(measured):
    """Half of the pixels within the ball hold more than one photon."""
    clipped = np.minimum(measured.maps, 1)
    hits = replace(measured, maps=clipped, signal="hits")
    assert (choose(hits, 0.5)[0] < 2 * choose(measured, 0.5)[0]).all()


def likely_of(tops, noise=0.0):
    """Three steps, two splits, ten pixels that add up to `tops`; the last errs pixel by pixel."""
    tried = {step: [np.full(10, top / 10) for _ in "ab"] for step, top in enumerate(tops, -1)}
    tried[1] = [one + noise * np.tile([1.0, -1.0], 5) for one in tried[1]]
    return tried


def test_where_photons_tell_the_weights_the_top_is_taken():
    assert beyond(likely_of([-1.0, 0.0, -1.0]), 0) == pytest.approx(0.316, abs=1e-3)
    assert beyond(likely_of([-100.0, 0.0, -100.0], noise=1e-3), 0) == pytest.approx(0.316, abs=1e-3)


def test_where_photons_cannot_tell_the_larger_weight_is_taken():
    few, many = (likely_of([-0.1, 0.0, -0.1], noise=noise) for noise in (0.01, 0.1))
    assert 0.3 < beyond(few, 0) < beyond(many, 0)
    # never more than one step
    assert beyond(likely_of([-0.1, 0.0, -0.1], noise=9.0), 0) == pytest.approx(1)
    # nothing is known of what was not asked
    assert beyond({0: few[0], 1: few[1]}, 0) == 0.0


def test_a_start_that_is_far_off_is_left(measured):
    weights, trials = choose(measured, 8.0)
    assert weights.max() < 5
    assert len(trials) > 3


def test_the_seed_chooses_the_photons_that_are_set_aside(measured):
    first, again, other = (choose(measured, 0.5, seed)[1] for seed in (0, 0, 1))
    assert first == again
    assert first[0].nat_per_photon != other[0].nat_per_photon


def test_the_method_tells_what_it_tried(measured):
    params = PoissonTvParams(n_splits=1, gap=0.05, max_iterations=200)
    facts = reconstruct(measured, params).facts
    tried = [weight for weight, *_ in facts["trials"]]
    assert [len(row) for row in facts["trials"]] == [3] * len(tried)
    assert all(min(tried) < weight < max(tried) for weight in facts["tv_weight"])
    by_dose = reconstruct(measured, params.model_copy(update={"n_splits": 0})).facts
    assert "trials" not in by_dose
    assert min(by_dose["tv_weight"]) > 0
