"""X-ray spectra of simulated maps: at which energy each photon is detected.

The counts of a map are the photons of one line per element, spread by the resolution
of the detector: of a Gaussian, a window of +- one full width at half maximum holds
98.1 %. What else a detector sees is added outside the windows of these lines: other
lines of the same elements, the zero peak, and bremsstrahlung (the bremsstrahlung
below the lines is the `background` of the phantom, drawn with the counts).
"""

import numpy as np

from stemedx.arrays import ElementCounts, Profile, Spectra

N_CHANNELS = 1024
OFFSET_KEV = -0.2
SCALE_KEV = 0.02
RESOLUTION_MNKA_EV = 135.0
MNKA_KEV = 5.8987
FWHM_PER_SIGMA = 2.3548

# energy of the line that is counted; others of the same element: (energy, weight)
LINES = {
    "Se": (1.3791, ((11.222, 0.3), (12.4959, 0.04))),
    "S": (2.3072, ()),
    "Zn": (8.6389, ((1.0116, 0.5), (9.572, 0.126))),
    "Au": (9.713, ((2.1229, 0.8), (11.4425, 0.4), (13.3816, 0.084))),
}
ZERO_PEAK_PER_PIXEL = 0.5
ZERO_PEAK_SIGMA_KEV = 0.03
CONTINUUM_PER_PIXEL = 0.2
CONTINUUM_FROM_KEV = 0.3
FREE_FWHM = 2.5  # no continuum closer to a counted line than this many widths


def draw_spectra(
    counts: ElementCounts, elements: tuple[str, ...], rng: np.random.Generator
) -> Spectra:
    """Return a spectrum image whose lines hold the given counts.

    Parameters
    ----------
    counts
        ``(element, y, x)`` photons of the counted line of each element.
    elements
        Symbols, keys of `LINES`.
    rng
        Source of the energies.

    Returns
    -------
    spectra
        ``(y, x, energy)`` photons per channel.
    """
    n_pixels = counts[0].size
    pixels, energies = [], []
    for element, of_element in zip(elements, counts.reshape(len(elements), n_pixels), strict=True):
        energy, others = LINES[element]
        photons = [(energy, of_element)]
        photons += [(other, rng.poisson(weight * of_element)) for other, weight in others]
        for centre, number in photons:
            pixels.append(np.repeat(np.arange(n_pixels), number))
            sigma = fwhm_keV(centre) / FWHM_PER_SIGMA
            energies.append(rng.normal(centre, sigma, len(pixels[-1])))
    for drawn in (_zero_peak(n_pixels, rng), _continuum(n_pixels, elements, rng)):
        energies.append(drawn)
        pixels.append(rng.integers(n_pixels, size=len(drawn)))
    return _histogram(np.concatenate(pixels), np.concatenate(energies), counts.shape[1:])


def fwhm_keV(energy_keV: float) -> float:  # noqa: N802, N803
    """Return the full width at half maximum of a line, keV.

    Goldstein et al. (2003), Scanning Electron Microscopy and X-ray Microanalysis,
    3rd ed.: ``FWHM^2 = FWHM_Mn^2 + 2.5 (E - E_Mn)`` in eV.
    """
    square_eV = RESOLUTION_MNKA_EV**2 + 2.5e3 * (energy_keV - MNKA_KEV)  # noqa: N806
    return float(np.sqrt(square_eV)) / 1e3


def _zero_peak(n_pixels: int, rng: np.random.Generator) -> Profile:
    """Return the energies of the detector's noise, which falls off far below 0.2 keV."""
    number = rng.poisson(ZERO_PEAK_PER_PIXEL * n_pixels)
    return rng.normal(0.0, ZERO_PEAK_SIGMA_KEV, number)


def _continuum(n_pixels: int, elements: tuple[str, ...], rng: np.random.Generator) -> Profile:
    """Return energies that fall off as 1/E, none near a counted line."""
    number = rng.poisson(CONTINUUM_PER_PIXEL * n_pixels)
    last = OFFSET_KEV + SCALE_KEV * N_CHANNELS
    energies = CONTINUUM_FROM_KEV * (last / CONTINUUM_FROM_KEV) ** rng.random(number)
    for element in elements:
        centre = LINES[element][0]
        energies = energies[np.abs(energies - centre) > FREE_FWHM * fwhm_keV(centre)]
    return energies


def _histogram(pixels: np.ndarray, energies: np.ndarray, shape: tuple[int, ...]) -> Spectra:
    """Count photons by pixel and channel; those beyond the axis are lost."""
    channels = np.rint((energies - OFFSET_KEV) / SCALE_KEV).astype(np.int64)
    is_seen = (channels >= 0) & (channels < N_CHANNELS)
    places = pixels[is_seen] * N_CHANNELS + channels[is_seen]
    filled, number = np.unique(places, return_counts=True)
    spectra = np.zeros(shape[0] * shape[1] * N_CHANNELS, np.uint16)
    spectra[filled] = number
    return spectra.reshape(*shape, N_CHANNELS)
