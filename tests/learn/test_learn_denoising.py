import numpy as np
import pytest
import torch
from torch import nn

from stemedx.counts import unclip, unclipped_rates
from stemedx.learn.denoising import (
    make_denoiser,
    predict_rates,
    train,
    typical_rates,
)
from stemedx.learn.thinning import CLIPPED, THINNING, left_out_copies, thinned_copies
from stemedx.params import DenoiseParams, TrainDenoiserParams
from stemedx.reconstruct.filters import box_mean

CPU = torch.device("cpu")
SMALL = TrainDenoiserParams(
    min_updates=1, n_epochs=4, batch=2, base_channels=4, n_levels=2, crop_px=16
)


class Flat(nn.Module):
    """The simplest denoiser: the same rate everywhere."""

    def __init__(self):
        super().__init__()
        self.log_rate = nn.Parameter(torch.zeros(()))
        self.seen = []

    def forward(self, seen, shares):
        self.seen.append((seen.sum().item(), shares.mean().item()))
        return torch.exp(self.log_rate).expand_as(seen)


class Scaled(nn.Module):
    """The unbiased estimate of each pixel: what was seen, over its share."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(()))
        self.extents = set()

    def forward(self, seen, shares):
        self.extents.add(tuple(seen.shape[2:]))
        return seen / shares


def none(counts):
    return np.zeros((0, *counts.shape[1:]), np.float32)


def predict(network, counts, rng, tile_px=256, **params):
    copies = thinned_copies(counts, DenoiseParams(**params), rng)
    return predict_rates(network, copies, guides=none(counts), tile_px=tile_px)


def shells(rng, peak=1.0):
    """Counts and truth: a core and its shell, off centre, seen at five tilts."""
    y, x = np.mgrid[:24, :32]
    truth = np.full((2, 5, 24, 32), 0.02 * peak, np.float32)
    for tilt in range(5):
        distance2 = (y - 10.0) ** 2 + (x - 14.0 - tilt) ** 2
        inner, outer = (np.sqrt(np.maximum(r**2 - distance2, 0)) for r in (4.0, 8.0))
        truth[0, tilt] += peak * inner / 8
        truth[1, tilt] += peak * (outer - inner) / 7
    return rng.poisson(truth).astype(np.uint16), truth


def test_training_recovers_the_rate_of_a_flat_image(rng):
    network = Flat()
    counts = rng.poisson(5.0, size=(2, 3, 16, 20)).astype(np.uint16)
    params = TrainDenoiserParams(min_updates=1, n_epochs=300, batch=6, learning_rate=0.05)
    table = train(network, counts, params, split=THINNING, guides=none(counts), rng=rng)
    rate = float(torch.exp(network.log_rate.detach()))
    # 5 standard errors of the mean of what was left of 1920 pixels
    assert rate == pytest.approx(counts.mean(), abs=5 * np.sqrt(5.0 / 1920))
    assert list(table) == ["step", "loss", "held_out_loss"]
    assert table["held_out_loss"].iloc[-1] < table["held_out_loss"].iloc[0]


def test_what_is_held_out_is_never_shown(rng):
    network = Flat()
    counts = np.full((1, 1, 16, 20), 3, np.uint16)
    params = TrainDenoiserParams(
        min_updates=1, n_epochs=20, batch=1, held_out=0.5, share_min=0.98, share_max=0.98
    )
    train(network, counts, params, split=THINNING, guides=none(counts), rng=rng)
    photons, shares = np.array(network.seen).T
    # of 960 photons half, and 5 standard deviations of the draw
    assert photons.max() <= 480 + 5 * np.sqrt(240)
    assert photons.mean() / shares.mean() == pytest.approx(960, rel=0.17)  # the same 5


def test_few_maps_are_seen_more_often(rng):
    """One map, seen four times, is two updates: nothing would be learned."""
    counts = rng.poisson(5.0, size=(2, 1, 16, 20)).astype(np.uint16)
    params = SMALL.model_copy(update={"crop_px": 32, "min_updates": 7})
    table = train(Flat(), counts, params, split=THINNING, guides=none(counts), rng=rng)
    assert table["step"].iloc[-1] == 7


def test_trainings_with_one_seed_agree_bit_for_bit(rng):
    counts, _ = shells(rng)
    weights, tables = [], []
    for _ in range(2):
        network = make_denoiser(counts, SMALL, CPU)
        tables.append(
            train(
                network,
                counts,
                SMALL,
                split=THINNING,
                guides=none(counts),
                rng=np.random.default_rng(7),
            )
        )
        weights.append(network.state_dict())
    assert tables[0].equals(tables[1])
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    other = make_denoiser(counts, SMALL.model_copy(update={"seed": 1}), CPU)
    assert not torch.equal(
        other.unet.last.weight, make_denoiser(counts, SMALL, CPU).unet.last.weight
    )


def test_the_average_over_thinnings_is_unbiased(rng):
    counts = rng.poisson(3.0, size=(2, 3, 5, 8)).astype(np.uint16)
    rates = predict(Scaled(), counts, rng, n_thinnings=400, share=0.5)
    # 5 standard deviations of 400 binomial draws at a share of one half
    assert np.all(np.abs(rates - counts) <= 5 * np.sqrt(counts / 400))


def test_mirrored_copies_are_turned_back(rng):
    counts = rng.integers(1000, 2000, size=(2, 3, 5, 8)).astype(np.uint16)
    rates = predict(Scaled(), counts, rng, n_thinnings=4, share=0.999)
    # 5 standard deviations of 4 draws: neighbours differ by hundreds
    assert np.abs(rates - counts).max() <= 5 * np.sqrt(2000 * 0.001 / 4)


def test_maps_larger_than_the_patches_are_seen_in_tiles(rng):
    counts = rng.integers(1000, 2000, size=(2, 3, 21, 34)).astype(np.uint16)
    network = Scaled()
    rates = predict(network, counts, rng, tile_px=16, n_thinnings=2, share=0.999)
    assert network.extents == {(16, 16)}
    # 5 standard deviations of 2 draws
    assert np.abs(rates - counts).max() <= 5 * np.sqrt(2000 * 0.001 / 2)


def test_denoising_beats_the_box_mean_and_keeps_the_photons(rng):
    counts, truth = shells(rng)
    params = TrainDenoiserParams(
        min_updates=1, n_epochs=150, batch=5, base_channels=8, learning_rate=4e-3
    )
    network = make_denoiser(counts, params, CPU)
    train(network, counts, params, split=THINNING, guides=none(counts), rng=rng)
    rates = predict(network, counts, rng, n_thinnings=4)
    errors = [
        np.mean((maps - truth) ** 2, axis=(1, 2, 3)) for maps in (rates, box_mean(counts, 11))
    ]
    assert np.all(errors[0] < errors[1])
    assert errors[0].sum() < errors[1].sum() / 2  # 3 dB
    # the thinned copies hold the photons up to 5 standard errors, the prior one more per map
    found, kept = counts.sum((1, 2, 3)), rates.sum((1, 2, 3))
    assert kept == pytest.approx(found, rel=0.03)


def test_an_element_without_photons_stays_empty_and_harms_no_other(rng):
    counts, _ = shells(rng)
    counts[0] = 0
    network = make_denoiser(counts, SMALL, CPU)
    train(network, counts, SMALL, split=THINNING, guides=none(counts), rng=rng)
    rates = predict(network, counts, rng)
    assert not rates[0].any()
    assert rates[1].min() > 0
    assert np.isfinite(rates).all()


def test_a_series_without_any_photon_is_zero(rng):
    counts = np.zeros((2, 3, 8, 12), np.uint16)
    network = make_denoiser(counts, SMALL, CPU)
    table = train(network, counts, SMALL, split=THINNING, guides=none(counts), rng=rng)
    assert not predict(network, counts, rng).any()
    assert np.isfinite(table.to_numpy()).all()


class Guided(nn.Module):
    """A denoiser that notes whether photons lie where its guide is bright."""

    def __init__(self):
        super().__init__()
        self.log_rate = nn.Parameter(torch.zeros(()))
        self.is_on_guide = []

    def forward(self, seen, shares):
        photons, guide = seen.split(1, 1)
        self.is_on_guide.append(bool((guide[photons > 0] == 1).all() and guide.any()))
        return torch.exp(self.log_rate).expand_as(photons)


def test_a_guide_lies_on_the_photons_in_training_and_after(rng):
    guide = (rng.random((1, 3, 20, 24)) < 0.3).astype(np.float32)
    counts = rng.poisson(4.0 * guide).astype(np.uint16)
    params = SMALL.model_copy(update={"n_epochs": 30})
    network = Guided()
    train(network, counts, params, split=THINNING, guides=guide, rng=rng)
    n_trained = len(network.is_on_guide)
    predict_rates(network, thinned_copies(counts, DenoiseParams(), rng), guides=guide, tile_px=16)
    assert all(network.is_on_guide) and len(network.is_on_guide) > n_trained > 20


def test_typical_rates_are_those_of_the_specimen_and_not_of_the_vacuum():
    counts = np.zeros((2, 3, 60, 80), np.uint16)
    counts[0, :, 10:40, 30:60] = 4
    # the blurred rim of the square, 2 of 15 pixels from its middle, takes a part
    assert typical_rates(counts) == pytest.approx([4.0, 0.0], rel=0.2)


@pytest.mark.parametrize("likelihood", ["bernoulli", "poisson"])
def test_clipped_hits_leave_no_holes_in_the_rate(likelihood, rng):
    """Trained on bare hits as if they were counts, it predicts less where a hit was seen."""
    hits = np.minimum(rng.poisson(0.7, size=(1, 6, 32, 48)), 1).astype(np.uint16)
    params = TrainDenoiserParams(
        min_updates=1, n_epochs=60, batch=2, base_channels=4, n_levels=2, crop_px=32
    )
    split, counts = {
        "bernoulli": (CLIPPED, hits),
        "poisson": (THINNING, unclip(hits, rng)),
    }[likelihood]
    network = make_denoiser(counts, params, CPU)
    train(network, counts, params, split=split, guides=none(counts), rng=rng)
    copies = left_out_copies(counts, DenoiseParams(), rng)
    rates = predict_rates(network, copies, guides=none(counts), tile_px=48)
    if likelihood == "bernoulli":
        rates = unclipped_rates(rates)
    at_hits, elsewhere = rates[hits > 0].mean(), rates[hits == 0].mean()
    assert at_hits == pytest.approx(elsewhere, rel=0.06)  # bare hits: 0.7 of it
    # 5 standard errors are 0.06, and the rate of a share of hits is not linear
    assert rates.mean() == pytest.approx(0.7, rel=0.1)
