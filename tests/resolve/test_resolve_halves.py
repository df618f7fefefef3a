"""No resolution may come out of noise, whatever the noise went through."""

import numpy as np
import pytest
from scipy import ndimage

from stemedx.params import ResolutionParams
from stemedx.project.blocks import block_to_volumes, maps_to_block
from stemedx.project.geometry import Geometry
from stemedx.project.projector import projector
from stemedx.reconstruct.filters import box_mean
from stemedx.reconstruct.simultaneous import sirt
from stemedx.resolve.fsc import shell_correlation
from stemedx.resolve.halves import FIRST_SHELLS, compare_halves, significance
from stemedx.resolve.masks import apply_mask, effective_share, soft_mask

PARAMS = ResolutionParams()
N_SEEDS = 20
SHAPE = (32, 36, 32)
TILTS = np.arange(-60.0, 61.0, 10.0)


def reconstructed(rng):
    """SIRT of box-filtered counts of an even background, as the baseline does."""
    counts = rng.poisson(0.05, (2 * N_SEEDS, len(TILTS), *SHAPE[1:]))
    operator = projector(Geometry(TILTS, *SHAPE[1:]), len(counts))
    return block_to_volumes(sirt(operator, maps_to_block(box_mean(counts, 11)), 10))


def white(rng):
    return rng.standard_normal((2 * N_SEEDS, *SHAPE), np.float32)


def clipped(rng):
    return np.maximum(white(rng), 0)


def correlated(rng):
    return np.maximum(ndimage.uniform_filter(white(rng), (1, 11, 11, 11)), 0)


@pytest.mark.parametrize("noise", [white, clipped, correlated, reconstructed])
def test_noise_is_not_resolved(rng, noise):
    """Masks, filters and x >= 0 correlate noise with itself, not one half with the other.

    Four standard deviations let one of 30000 pass if the noise is Gaussian, and then
    only where the curve happens to stay above the threshold beyond the first shells.
    """
    for a, b in noise(rng).reshape(N_SEEDS, 2, 1, *SHAPE):
        (found,) = compare_halves(a, b, PARAMS)
        assert found.frequency == {0.5: None, 0.143: None}


def test_the_significance_of_noise_is_that_of_a_gaussian(rng):
    mask = soft_mask(white(rng)[0], threshold=0.25, dilation_px=3.0, edge_px=8.0)
    pairs = clipped(rng).reshape(N_SEEDS, 2, *SHAPE)
    share = effective_share(mask)
    curves = [shell_correlation(apply_mask(a, mask), apply_mask(b, mask)) for a, b in pairs]
    found = np.array([significance(curve, share, 0.3) for curve in curves])
    assert abs(found.mean()) < 4 / np.sqrt(N_SEEDS)  # standard errors
    assert found.std() == pytest.approx(1, abs=4 / np.sqrt(2 * N_SEEDS))  # standard errors


def test_a_background_that_both_share_is_not_resolved(rng):
    """The same structure at every y is how a method renders an even background."""
    columns = rng.uniform(0, 1, (SHAPE[0], 1, SHAPE[2])).astype(np.float32)
    a, b = (columns + 0.05 * rng.standard_normal((1, *SHAPE), np.float32) for _ in "ab")
    (found,) = compare_halves(a, b, PARAMS)
    assert found.curve.fsc.min() > 0.9
    assert found.frequency == {0.5: None, 0.143: None}


def particle(rng, cutoff, shape=(48, 44, 46)):
    """A textured ball without anything finer than `cutoff` cycles per pixel."""
    offset = np.indices(shape) - np.array([25, 20, 21])[:, None, None, None]
    inside = np.linalg.norm(offset, axis=0) < 15
    texture = np.fft.fftn(inside * (1 + rng.standard_normal(shape)))
    radius = np.sqrt(sum(f**2 for f in np.meshgrid(*map(np.fft.fftfreq, shape), indexing="ij")))
    return np.fft.ifftn(texture * (radius < cutoff)).real.astype(np.float32)


@pytest.mark.parametrize("cutoff", [0.15, 0.25])
def test_the_resolution_of_a_known_object(rng, cutoff):
    truth = particle(rng, cutoff)
    a, b = (truth + 0.3 * rng.standard_normal(truth.shape, np.float32) for _ in "ab")
    (found,) = compare_halves(a[None], b[None], PARAMS)
    assert found.frequency[0.5] == pytest.approx(cutoff, abs=1 / 44)  # a shell


def test_without_noise_the_pixel_is_the_limit(rng):
    truth = particle(rng, 1.0)
    (found,) = compare_halves(truth[None], truth[None], PARAMS)
    assert found.frequency == {0.5: 0.5, 0.143: 0.5}


def test_what_only_the_first_shells_hold_is_not_resolved(rng):
    truth = particle(rng, (FIRST_SHELLS - 0.5) / 44)
    a, b = (truth + 3 * rng.standard_normal(truth.shape, np.float32) for _ in "ab")
    (found,) = compare_halves(a[None], b[None], PARAMS)
    assert found.curve.fsc[0] > 0.9
    assert found.frequency[0.5] is None


def test_each_element_has_its_own_resolution(rng):
    fine, coarse = particle(rng, 0.3), particle(rng, 0.15)
    halves = [
        np.stack([coarse, fine]) + 0.1 * rng.standard_normal((2, *fine.shape), np.float32)
        for _ in "ab"
    ]
    found = compare_halves(*halves, PARAMS)
    assert found[1].frequency[0.5] > 1.4 * found[0].frequency[0.5]
