"""Negative log-likelihoods of measured maps: value, slope, conjugate, proximal step.

Each is a function of the expected photons q of a pixel, times the pixel's weight w.
``poisson``: ``q - y log q``. ``bernoulli``, of hits clipped to 0 or 1: q where there was
none, ``-log(1 - exp(-q))`` where there was one. ``gaussian``: ``(q - y)^2 / 2``. Of arrays
of numpy or of torch alike, but for the steps: those are compiled for numpy.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, no_type_check

import numpy as np
from numba import njit
from scipy.special import xlogy

from stemedx.arrays import HeldAny

compiled = njit(nogil=True, cache=True, error_model="numpy")
N_NEWTON = 3  # from a start that is right to second order: down to rounding in float32
TINY = 1e-12


@dataclass(frozen=True)
class Likelihood:
    """One of the three.

    Attributes
    ----------
    value, slope
        Of expected photons, counts and weight, pixel by pixel.
    conjugate
        Of a slope, counts and weight: the largest ``slope q - value(q)`` over q.
    step_plane
        Compiled proximal step of the conjugate on one tilt, see `_stepper`.
    n_images
        How many of the last elements are not photons but values of an image.
    """

    value: Callable[[HeldAny, HeldAny, HeldAny], HeldAny]
    slope: Callable[[HeldAny, HeldAny, HeldAny], HeldAny]
    conjugate: Callable[[HeldAny, HeldAny, HeldAny], HeldAny]
    step_plane: Callable[..., None]
    n_images: int = 0


def _library_of(held: HeldAny) -> Any:
    """Return numpy, or torch if that is where an array comes from: both name things alike."""
    return np if isinstance(held, np.ndarray) else sys.modules["torch"]


def _at_least_tiny(held: HeldAny) -> HeldAny:
    return _library_of(held).clip(held, TINY, None)


def _xlogy(factor: HeldAny, held: HeldAny) -> HeldAny:
    """Return ``factor log(held)``, 0 where the factor is."""
    library = _library_of(held)
    return xlogy(factor, held) if library is np else library.xlogy(factor, held)


def _poisson_value(expected: HeldAny, counts: HeldAny, weight: HeldAny) -> HeldAny:
    return weight * (expected - _xlogy(counts, _at_least_tiny(expected)))


def _poisson_slope(expected: HeldAny, counts: HeldAny, weight: HeldAny) -> HeldAny:
    return weight * (1 - counts / _at_least_tiny(expected))


def _poisson_conjugate(slope: HeldAny, counts: HeldAny, weight: HeldAny) -> HeldAny:
    at = counts * weight
    return _xlogy(at, at / _at_least_tiny(weight - slope)) - at


def _bernoulli_value(expected: HeldAny, counts: HeldAny, weight: HeldAny) -> HeldAny:
    xp = _library_of(expected)
    hit = -xp.log(-xp.expm1(-_at_least_tiny(expected)))
    return weight * xp.where(counts > 0, hit, expected)


def _bernoulli_slope(expected: HeldAny, counts: HeldAny, weight: HeldAny) -> HeldAny:
    xp = _library_of(expected)
    hit = -1 / xp.expm1(_at_least_tiny(expected))
    return weight * xp.where(counts > 0, hit, 1)


def _bernoulli_conjugate(slope: HeldAny, counts: HeldAny, weight: HeldAny) -> HeldAny:
    xp, down = _library_of(slope), _at_least_tiny(-slope)
    hit = -down * xp.log1p(weight / down) - weight * xp.log1p(down / _at_least_tiny(weight))
    return xp.where((counts > 0) & (weight > 0), hit, 0)


def _gaussian_value(expected: HeldAny, counts: HeldAny, weight: HeldAny) -> HeldAny:
    return weight * (expected - counts) ** 2 / 2


def _gaussian_slope(expected: HeldAny, counts: HeldAny, weight: HeldAny) -> HeldAny:
    return weight * (expected - counts)


def _gaussian_conjugate(slope: HeldAny, counts: HeldAny, weight: HeldAny) -> HeldAny:
    return slope**2 / (2 * _at_least_tiny(weight)) + slope * counts


@compiled
@no_type_check
def _poisson_step(v, y, w, sigma):
    return 0.5 * (v + w - np.sqrt((v - w) ** 2 + 4 * sigma * w * y))


@compiled
@no_type_check
def _bernoulli_step(v, y, w, sigma):
    if y == 0:
        return min(v, w)
    # 1 / (exp(q) - 1) is 1/q - 1/2 to second order: a quadratic equation; then Newton,
    # from the side where a step cannot overshoot
    a = v - 0.5 * w
    q = max((a + np.sqrt(a * a + 4 * sigma * w)) / (2 * sigma), 1e-9)
    for _ in range(N_NEWTON):
        grown = np.expm1(q)
        q -= (sigma * q - v - w / grown) / (sigma + w * (grown + 1) / (grown * grown))
    return -w / np.expm1(q)


@compiled
@no_type_check
def _gaussian_step(v, y, w, sigma):
    return (v - sigma * y) * w / (w + sigma)


def _stepper(step, step_of_last):  # type: ignore[no-untyped-def] # compiled, they have no type
    """Return the compiled step of the dual of tilt t; the last element may have its own.

    `dual` moves to the proximal point of the conjugate at ``dual + sigma q`` with
    ``sigma = strength / (factor * path)``, relaxed. Pixels that no voxel projects to
    keep their dual; `of_volume` follows the relaxed volume, by linearity, from the
    projection of the extrapolated one.
    """

    @njit(nogil=True, error_model="numpy")
    @no_type_check
    def step_plane(t, dual, of_volume, projected, given, steps):  # noqa: PLR0913
        counts, weight, background, factor, path = given
        strength, relaxation = steps
        _, n_x, n_y, n_elements = dual.shape
        for x in range(n_x):
            for y in range(n_y):
                for e in range(n_elements):
                    length = factor[t, e] * path[t, x, y]
                    if length <= 0 or weight[t, x, y] <= 0:
                        continue
                    here = projected[t, x, y, e] * factor[t, e]
                    before = of_volume[t, x, y, e]
                    of_volume[t, x, y, e] = before + relaxation * 0.5 * (here - before)
                    sigma = strength[e] / length
                    old = dual[t, x, y, e]
                    v = old + sigma * (here + background[t, e])
                    if e == n_elements - 1:
                        new = step_of_last(v, counts[t, x, y, e], weight[t, x, y], sigma)
                    else:
                        new = step(v, counts[t, x, y, e], weight[t, x, y], sigma)
                    dual[t, x, y, e] = old + relaxation * (new - old)

    return step_plane


POISSON = Likelihood(
    _poisson_value, _poisson_slope, _poisson_conjugate, _stepper(_poisson_step, _poisson_step)
)
BERNOULLI = Likelihood(
    _bernoulli_value,
    _bernoulli_slope,
    _bernoulli_conjugate,
    _stepper(_bernoulli_step, _bernoulli_step),
)
GAUSSIAN = Likelihood(
    _gaussian_value, _gaussian_slope, _gaussian_conjugate, _stepper(_gaussian_step, _gaussian_step)
)


def _joined(
    of_photons: Callable[..., HeldAny], of_image: Callable[..., HeldAny]
) -> Callable[..., HeldAny]:
    """Return a function of pixels whose last element is that of an image."""

    def both(values: HeldAny, counts: HeldAny, weight: HeldAny) -> HeldAny:
        photons = of_photons(values[..., :-1], counts[..., :-1], weight)
        image = of_image(values[..., -1:], counts[..., -1:], weight)
        return _library_of(values).concatenate((photons, image), axis=-1)

    return both


def _with_image(counted: Likelihood, step_plane: Callable[..., None]) -> Likelihood:
    """Return the likelihood of photons, and Gaussian of the last element."""
    return Likelihood(
        _joined(counted.value, GAUSSIAN.value),
        _joined(counted.slope, GAUSSIAN.slope),
        _joined(counted.conjugate, GAUSSIAN.conjugate),
        step_plane,
        n_images=1,
    )


POISSON_AND_IMAGE = _with_image(POISSON, _stepper(_poisson_step, _gaussian_step))
BERNOULLI_AND_IMAGE = _with_image(BERNOULLI, _stepper(_bernoulli_step, _gaussian_step))
