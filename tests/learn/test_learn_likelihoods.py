import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stemedx.learn.denoising import mean_loss
from stemedx.learn.likelihoods import Unseen, bernoulli, poisson


def one(value):
    return torch.full((1, 1, 1, 1), value)


def expecting(target, exposure, share=0.0):
    return Unseen(target, one(exposure), one(share), torch.ones_like(target))


factors = st.floats(0.5, 2).filter(lambda factor: abs(factor - 1) > 0.01)


@given(st.floats(0.1, 50), st.floats(0.1, 0.9), factors)
def test_the_loss_of_counts_is_least_at_the_truth(mean, exposure, factor):
    unseen = expecting(torch.full((1, 2, 3, 4), mean * exposure), exposure)
    rates = torch.full_like(unseen.target, mean)
    at_truth, elsewhere = (poisson(f * rates, unseen).mean() for f in (1, factor))
    assert at_truth <= elsewhere + 1e-5 * mean  # float32


@given(st.floats(0.02, 0.45), st.floats(0.3, 0.9), factors)
def test_the_loss_of_hits_is_least_at_the_truth(hit, share, factor):
    """Of pixels in which the share that is seen has none."""
    exposure = 1 - share
    expected = exposure * hit / (1 - share * hit)
    unseen = expecting(torch.full((1, 2, 3, 4), expected), exposure, share)
    rates = torch.full_like(unseen.target, hit)
    at_truth, elsewhere = (bernoulli(f * rates, unseen).mean() for f in (1, factor))
    assert at_truth < elsewhere


def test_losses_at_different_exposures_compare():
    rates = torch.tensor([0.3, 2.0]).view(1, 2, 1, 1)
    losses = [poisson(rates, expecting(e * rates, e)).mean().item() for e in (0.1, 0.7)]
    assert losses[0] == pytest.approx(losses[1])


def test_probabilities_of_0_and_above_1_have_a_finite_loss():
    rates = torch.tensor([[[[0.0, 1.0, 1.5]]]], requires_grad=True)
    for target in (0.0, 1.0):
        losses = bernoulli(rates, expecting(torch.full_like(rates, target), 0.5, 0.5))
        losses.sum().backward()
        assert torch.isfinite(losses).all() and torch.isfinite(rates.grad).all()


def test_pixels_that_are_not_told_do_not_count():
    told = torch.tensor([[[[1.0, 1.0, 0.0]]]])
    losses = [mean_loss(torch.tensor([[[[1.0, 3.0, odd]]]]), told) for odd in (0.0, 100.0)]
    assert losses == [2.0, 2.0]
