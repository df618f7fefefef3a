"""What a detector makes of X-ray lines: peaks with a tail, on a calibrated energy axis."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import BSpline
from scipy.special import erfcx, ndtr

from stemedx.arrays import Columns, Spectrum
from stemedx.maps.lines import Family
from stemedx.maps.windows import FANO_EV, MNKA_EV

FWHM_PER_SIGMA = 2.354820045
N_BACKGROUND = 12
SI_K_EDGE_KEV, TAIL_UP_TO_KEV = 1.839, 3.0
TAIL_ELSEWHERE = 0.6  # share of the tail of photons that are not absorbed near the surface
TAIL_AT_KEV = 2.0
O_KA_KEV = 0.525


@dataclass(frozen=True)
class Response:
    """Energy axis and peak shape of a detector.

    Attributes
    ----------
    offset_keV, scale_keV
        Energy of the centre of channel 0, and width of a channel.
    noise_keV
        Standard deviation of the electronic noise.
    tail_share
        Photons of which part of the charge is lost, per photon of a full peak, for
        energies just above the K edge of silicon.
    tail_keV
        Mean energy that those miss, at 2 keV.
    surface_keV
        By how much O Ka is seen too low: see `seen_keV`.
    """

    offset_keV: float  # noqa: N815
    scale_keV: float  # noqa: N815
    noise_keV: float  # noqa: N815
    tail_share: float = 0.0
    tail_keV: float = 0.1  # noqa: N815
    surface_keV: float = 0.0  # noqa: N815

    @property
    def resolution_eV(self) -> float:  # noqa: N802
        """Full width at half maximum at Mn Ka, eV."""
        return 1e3 * self.sigma_keV(MNKA_EV / 1e3) * FWHM_PER_SIGMA

    def sigma_keV(self, energy_keV: float) -> float:  # noqa: N802, N803
        """Return the standard deviation of a peak: electronic noise, and Fano's of silicon."""
        fano = FANO_EV * 1e-3 / FWHM_PER_SIGMA**2
        return float(np.sqrt(self.noise_keV**2 + fano * energy_keV))

    def seen_keV(self, energy_keV: float) -> float:  # noqa: N802, N803
        """Return where on the axis a line of an energy is seen.

        Photons below the K edge of silicon that are absorbed nearest to the surface lose
        charge there, all of them some: their peak is too low, in proportion to how strongly
        silicon absorbs them, which falls as the third power of the energy.
        """
        if energy_keV > SI_K_EDGE_KEV:
            return energy_keV
        return energy_keV - self.surface_keV * (O_KA_KEV / energy_keV) ** 3

    def energies(self, first: int, end: int) -> Spectrum:
        """Return the energies of the centres of channels, keV."""
        return self.offset_keV + self.scale_keV * np.arange(first, end, dtype=np.float64)


def noise_for(resolution_eV: float) -> float:  # noqa: N803
    """Return the electronic noise (keV) that gives a resolution at Mn Ka."""
    square = max(resolution_eV**2 - FANO_EV * MNKA_EV, 10.0**2)
    return float(np.sqrt(square)) / FWHM_PER_SIGMA / 1e3


def line_columns(families: Sequence[Family], response: Response, first: int, end: int) -> Columns:
    """Return ``(channel, family)`` shares of the photons of each family by channel."""
    edges = response.offset_keV + response.scale_keV * (np.arange(first, end + 1) - 0.5)
    columns = [
        sum(share * np.diff(_below(edges, energy, response)) for energy, share in family.lines)
        for family in families
    ]
    return np.stack(columns, axis=1) if columns else np.zeros((end - first, 0))


def _below(edges: Spectrum, energy_keV: float, response: Response) -> Spectrum:  # noqa: N803
    """Return the share of the photons of a line that are seen below each energy.

    A Gaussian, plus an exponential tail towards low energies convolved with it
    (incomplete collection of charge): Campbell & Wang (1991), X-Ray Spectrom. 20,
    191-197. Photons just above the K edge of silicon are absorbed nearest to the
    surface, where charge is lost: other lines have 0.6 of their share of tail.
    """
    sigma = response.sigma_keV(energy_keV)
    at = (edges - response.seen_keV(energy_keV)) / sigma
    peak = ndtr(at)
    is_near = SI_K_EDGE_KEV < energy_keV < TAIL_UP_TO_KEV
    lost = response.tail_share * (1.0 if is_near else TAIL_ELSEWHERE)
    if lost == 0:
        return peak
    length = response.tail_keV * np.sqrt(energy_keV / TAIL_AT_KEV)
    # erfcx overflows at -26.7: the tail ends 36 sigma below the line
    inner = np.clip((at + sigma / length) / np.sqrt(2), -26, None)
    tail = peak + 0.5 * np.exp(-0.5 * at**2) * erfcx(inner)
    return (peak + lost * tail) / (1 + lost)


def background_columns(energies: Spectrum) -> Columns:
    """Return ``(channel, 12)`` cubic B-splines, equally spaced in the root of the energy.

    Wide as they are (the narrowest is three times as wide as a line at 0.5 keV), they
    follow bremsstrahlung and the detector's efficiency but no line.
    """
    root = np.sqrt(np.maximum(energies, 0.0))
    inner = np.linspace(root[0], root[-1], N_BACKGROUND - 2)
    knots = np.concatenate([[inner[0]] * 3, inner, [inner[-1]] * 3])
    splines = BSpline.design_matrix(np.clip(root, inner[0], inner[-1]), knots, 3).toarray()
    return splines / splines.sum(axis=0)
