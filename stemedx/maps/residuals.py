"""Peaks of a spectrum that a fit leaves over, and which lines they may be."""

import numpy as np

from stemedx.arrays import Spectrum
from stemedx.maps.lines import lines_near
from stemedx.maps.response import FWHM_PER_SIGMA
from stemedx.maps.spectrum_fit import SpectrumFit

CERTAIN = 10.0  # standard deviations of Poisson noise
RELATIVE = 0.3  # of the expectation: the model itself is no better than a few per cent
MOST_TOLD = 5
REMEDY = "Add the element to element_maps.extra_elements"
NO_LINE = "no element has a main line there: it may be an escape or a sum peak"


def unexplained(counts: Spectrum, fit: SpectrumFit) -> list[str]:
    """Return the peaks that the families of a fit do not explain, the greatest first.

    Parameters
    ----------
    counts
        ``(channel)`` photons that were fitted.
    fit
        Of them.
    """
    model = fit.model
    energies = model.response.energies(model.first, model.end)
    left = counts[model.first : model.end] - fit.expected
    width = model.response.sigma_keV(float(energies.mean())) * FWHM_PER_SIGMA
    box = np.ones(max(1, round(width / model.response.scale_keV)))
    excess = np.convolve(left, box, mode="same")
    expected = np.convolve(fit.expected, box, mode="same")
    is_peak = (excess > CERTAIN * np.sqrt(expected)) & (excess > RELATIVE * expected)
    texts: list[str] = []
    score = np.where(is_peak, excess / np.sqrt(expected), 0.0)
    while score.max(initial=0.0) > 0 and len(texts) < MOST_TOLD:
        n = int(score.argmax())
        energy = float(energies[n])
        names = ", ".join(lines_near(energy, width / 3)[:4])
        texts.append(
            f"a peak at {energy:.2f} keV ({excess[n]:.0f} counts) is none of the elements that are "
            f"fitted; {f'near it: {names}. {REMEDY}' if names else NO_LINE}"
        )
        score[np.abs(energies - energy) < width] = 0.0
    return texts
