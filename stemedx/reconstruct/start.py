"""Where `fusion` starts from: a rough volume of each share, and what it yields."""

import logging
from dataclasses import replace

import numpy as np
from scipy.linalg import null_space
from scipy.ndimage import uniform_filter

from stemedx.arrays import Block, ByElement, MixingMatrix
from stemedx.params import Phases
from stemedx.project.cropped import cropped_projector, whole
from stemedx.reconstruct.calibration import Calibration
from stemedx.reconstruct.measured import Measured, binned
from stemedx.reconstruct.mixture import Mixture, atoms_of, haadf_of, with_haadf_refit, with_yields
from stemedx.reconstruct.penalised import Fit
from stemedx.reconstruct.shares import Level
from stemedx.reconstruct.simultaneous import sirt

log = logging.getLogger(__name__)
N_SIRT = 30
N_SQUARES = 8  # across the field, in which photons of elements are compared
SOFT_PX = 3
LEAST = 0.05  # of the brightest HAADF; below is noise, whatever the phases


def phases_in(
    level: Level, fit: Fit, elements: tuple[str, ...], phases: Phases
) -> tuple[Mixture, Block]:
    """Return the phases with their yields and HAADF, and where they are, roughly.

    The HAADF tells where there is matter. There, phases that hold mapped elements share
    all space among them: with the space given, the yields are given too. Their common
    factor is found here once and kept, since shares and yields found together drift:
    fewer shares of higher yield have less total variation. Phases without mapped elements
    start from nothing.
    """
    atoms, prior = atoms_of(phases, elements), haadf_of(phases)
    is_mapped = atoms.sum(axis=0) > 0
    filled = occupied(level, prior[is_mapped] / prior.max())
    mixture = Mixture(
        tuple(phases), atoms, fit.scale / np.maximum(atoms.max(axis=1), 1e-30), prior, prior,
        np.zeros(len(level.images)), noise_of(level), fit.calibration,
    )  # fmt: skip
    mixture, mapped = _split(level, fit, filled, mixture, is_mapped)
    shares = np.zeros((*filled.shape, len(prior)), np.float32)
    shares[..., is_mapped] = mapped
    projected = level.operator.forward(shares)
    mixture = replace(with_haadf_refit(mixture, projected, level.images), noise=noise_of(level))
    log.info("photons per voxel: %s", dict(zip(elements, mixture.yields, strict=True)))
    return mixture, shares


def softened(shares: Block) -> Block:
    """Return shares with soft edges, and a little of each everywhere.

    Where a photon is and no matter, its likelihood is so steep that the solver would take
    its first steps too short.
    """
    size = (*(SOFT_PX,) * 3, 1)
    return (0.8 * uniform_filter(shares, size, mode="constant") + 0.02).astype(np.float32)


def _split(
    level: Level, fit: Fit, filled: Block, mixture: Mixture, is_mapped: np.ndarray
) -> tuple[Mixture, Block]:
    """Return yields, and how the phases with mapped elements share the filled space."""
    atoms = mixture.atoms[:, is_mapped]
    shares = nearest(fit.state.volume, atoms) * filled[..., None]
    operator = cropped_projector(level.measured.geometry, atoms.shape[1], fit.crop)
    projected = operator.forward(shares)
    part = replace(
        mixture, atoms=atoms, haadf=mixture.haadf[is_mapped], prior=mixture.prior[is_mapped]
    )
    part = with_yields(part, projected, level.measured)
    few = max(level.measured.geometry.n_x // N_SQUARES, 1)
    coarsest = Calibration(fit.calibration.gain, fit.calibration.background * few**2)
    inverse = inverse_yields(binned(level.measured, few), coarsest, atoms)
    if inverse is None:
        log.info("the stoichiometry does not tell the yields of elements; taken from the volume")
        return replace(mixture, yields=part.yields), shares
    # all phases together fill the space: that tells the factor common to the elements;
    # those with the most photons tell it best
    photons = part.yields * (projected.sum(axis=(0, 1, 2), dtype=np.float64) @ atoms.T)
    of_space = np.linalg.lstsq((atoms * photons[:, None]).T, np.ones(atoms.shape[1]), rcond=None)[0]
    factor = float((of_space * photons**2) @ inverse / projected.sum(dtype=np.float64))
    yields = factor / inverse
    shares = nearest(fit.state.volume * (fit.scale / yields).astype(np.float32), atoms)
    return replace(mixture, yields=yields), shares * filled[..., None]


def inverse_yields(
    measured: Measured, calibration: Calibration, atoms: MixingMatrix
) -> ByElement | None:
    """Return voxels per photon of each element, up to a common factor; None if not told.

    Where elements outnumber phases, the stoichiometry ties them: with ZnSe and ZnS, as
    many Zn atoms are along each ray as Se and S atoms together. The yields are those
    for which the photons of all pixels obey that best. Products of different maps have
    no noise in the mean, and that of squares is the number of photons: it is taken off,
    or the noise would look like more photons of one element.

    Parameters
    ----------
    measured
        Maps with about one photon per pixel or more.
    calibration
        Gain and background of each map.
    atoms
        ``(element, share)`` of the phases that hold mapped elements.
    """
    ties = null_space(atoms.T)
    if not ties.size or (np.abs(ties).max(axis=1) < 1e-6).any():
        return None
    maps, used = measured.maps * measured.weight, measured.weight
    gain = np.maximum(calibration.gain, 1e-6)[:, :, None, None]
    net = ((maps - calibration.background[:, :, None, None] * used) / gain).astype(np.float64)
    net = net.reshape(len(net), -1)
    noise = (maps / gain**2).sum(axis=(1, 2, 3), dtype=np.float64)
    photons = np.maximum(net.sum(axis=1), 1e-30)
    products = (net @ net.T - np.diag(noise)) / np.outer(photons, photons)
    _, vectors = np.linalg.eigh((ties @ ties.T) * products)
    per_photon = vectors[:, 0] * np.sign(vectors[:, 0].sum())
    return per_photon / photons if (per_photon > 0).all() else None


def nearest(volume: Block, atoms: MixingMatrix) -> Block:
    """Return ``(z, x, y, share)`` 1 for the phase whose elements are all most abundant.

    Parameters
    ----------
    volume
        ``(z, x, y, element)`` in units of each element's solid matter.
    atoms
        ``(element, share)``.
    """
    least = [volume[..., column > 0].min(axis=-1) for column in atoms.T]
    return np.eye(len(least), dtype=np.float32)[np.argmax(least, axis=0)]


def occupied(level: Level, brightness: np.ndarray) -> Block:
    """Return ``(z, x, y)`` 1 where there is matter, as the HAADF tells, and 0 elsewhere.

    Parameters
    ----------
    level
        The coarse level.
    brightness
        ``(share)`` of the phases that are looked for, relative to the brightest of all.
    """
    image = haadf_volume(level)[..., 0]
    bright = np.quantile(image[image > 0.3 * image.max()], 0.9) if image.any() else 1.0
    return (image > max(0.5 * brightness.min(), LEAST) * bright).astype(np.float32)


def haadf_volume(level: Level) -> Block:
    """Return ``(z, x, y, 1)`` SIRT of the HAADF."""
    operator = cropped_projector(level.measured.geometry, 1, whole(level.measured.geometry))
    return sirt(operator, np.ascontiguousarray(level.images[..., None]), N_SIRT)


def noise_of(level: Level) -> float:
    """Return the standard deviation of the HAADF's noise, from neighbours along y.

    The specimen is smoother than white noise; a median is not misled by its edges.
    """
    steps = np.abs(np.diff(level.images, axis=-1))
    return max(float(np.median(steps)) / (0.6745 * np.sqrt(2)), 1e-12)
