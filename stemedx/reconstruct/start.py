"""Where `fusion` starts from: a rough volume of each share, and what it yields."""

import logging
from dataclasses import replace

import numpy as np
from scipy.linalg import null_space
from scipy.ndimage import binary_dilation, gaussian_filter, uniform_filter

from stemedx.arrays import Block, ByElement, ByShare, Mask, MixingMatrix
from stemedx.project.cropped import cropped_projector, whole
from stemedx.reconstruct.calibration import Calibration
from stemedx.reconstruct.measured import Guide
from stemedx.reconstruct.mixture import (
    Mixture,
    atoms_of,
    haadf_misfit,
    noise_of,
    with_haadf_refit,
    with_yields,
)
from stemedx.reconstruct.penalised import Fit
from stemedx.reconstruct.shares import Level
from stemedx.reconstruct.simultaneous import sirt

log = logging.getLogger(__name__)
N_SIRT = 30
SOFT_PX = 3
MARGIN_PX = 2  # around matter that HAADF shows, voxels may hold some
SMOOTH_PX = 1.0  # standard deviation by which the HAADF's volume is smoothed
THRESHOLDS = np.arange(0.1, 0.75, 0.04)  # of bright HAADF, out of which one is taken


def phases_in(level: Level, fit: Fit, guide: Guide, prior: ByShare) -> tuple[Mixture, Block]:
    """Return the phases with their yields and HAADF, and where they are, roughly.

    The HAADF tells where there is matter. There, phases that hold mapped elements share
    all space among them: with the space given, the yields are given too. Their common
    factor is found here once and kept, since shares and yields found together drift:
    fewer shares of higher yield have less total variation. Phases without mapped elements
    start from nothing.
    """
    atoms = atoms_of(guide.phases, guide.elements)
    is_mapped = atoms.sum(axis=0) > 0
    mixture = Mixture(
        tuple(guide.phases), atoms, fit.scale / np.maximum(atoms.max(axis=1), 1e-30), prior, prior,
        np.zeros(len(level.images)), noise_of(level.images), fit.calibration,
    )  # fmt: skip
    labels = np.zeros((*fit.state.volume.shape[:-1], len(prior)), np.float32)
    labels[..., is_mapped] = nearest(fit.state.volume, atoms[:, is_mapped])
    filled = occupied(level, mixture, labels)
    mixture, mapped = _split(level, fit, filled, mixture, is_mapped)
    shares = np.zeros((*filled.shape, len(prior)), np.float32)
    shares[..., is_mapped] = mapped
    projected = level.operator.forward(shares)
    mixture = replace(
        with_haadf_refit(mixture, projected, level.images), noise=noise_of(level.images)
    )
    log.info("photons per voxel: %s", dict(zip(guide.elements, mixture.yields, strict=True)))
    return mixture, shares


def softened(shares: Block) -> Block:
    """Return shares with soft edges, and a little of each everywhere.

    Where a photon is and no matter, its likelihood is so steep that the solver would take
    its first steps too short.
    """
    size = (*(SOFT_PX,) * 3, 1)
    return (0.8 * uniform_filter(shares, size, mode="constant") + 0.02).astype(np.float32)


def near(shares: Block) -> Mask:
    """Return ``(z, x, y)`` where there is matter, or close by."""
    around = np.ones((3, 3, 3), bool)
    return binary_dilation(shares.any(axis=-1), around, iterations=MARGIN_PX)


def _split(
    level: Level, fit: Fit, filled: Block, mixture: Mixture, is_mapped: np.ndarray
) -> tuple[Mixture, Block]:
    """Return yields, and how the phases with mapped elements share the filled space."""
    atoms = mixture.atoms[:, is_mapped]
    shares = nearest(fit.state.volume, atoms) * filled[..., None]
    measured = level.measured
    operator = cropped_projector(measured.geometry, atoms.shape[1], fit.crop, measured.place)
    projected = operator.forward(shares)
    part = replace(
        mixture, atoms=atoms, haadf=mixture.haadf[is_mapped], prior=mixture.prior[is_mapped]
    )
    part = with_yields(part, projected, level.measured)
    inverse = inverse_yields(level, fit.calibration, atoms)
    if inverse is None or not filled.any():
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


def inverse_yields(level: Level, calibration: Calibration, atoms: MixingMatrix) -> ByElement | None:
    """Return voxels per photon of each element, up to a common factor; None if not told.

    Where elements outnumber phases, the stoichiometry ties them: with ZnSe and ZnS, as
    many Zn atoms are along each ray as Se and S atoms together. The yields are those
    for which the photons obey that in sums over pixels, weighted by powers of the HAADF:
    it tells the phases' places apart, and its noise is not that of the photons.

    Parameters
    ----------
    level
        Maps and HAADF.
    calibration
        Gain and background of each map.
    atoms
        ``(element, share)`` of the phases that hold mapped elements.

    References
    ----------
    Reiersoel (1945), Ark. Mat. Astron. Fys. 32A, no. 4 (instrumental variables, for
    quantities that all have errors).
    """
    ties = null_space(atoms.T)
    if not ties.size or (np.abs(ties).max(axis=1) < 1e-6).any():
        return None
    measured, smooth = level.measured, gaussian_filter(level.images, (0, SMOOTH_PX, SMOOTH_PX))
    used = measured.weight * (calibration.gain.min(axis=0)[:, None, None] > 0)
    gain = np.maximum(calibration.gain, 1e-6)[:, :, None, None]
    net = (measured.maps - calibration.background[:, :, None, None]) * used / gain
    bright = (smooth / max(smooth.max(), 1e-30)).transpose(0, 2, 1)
    powers = np.arange(1, atoms.shape[1] + 1)[:, None, None, None]
    sums = np.einsum("ptyx,etyx->pe", bright**powers, net.astype(np.float64))
    photons = np.maximum(net.sum(axis=(1, 2, 3), dtype=np.float64), 1e-30)
    rows = (ties.T[:, None] * (sums / photons)).reshape(-1, len(photons))
    per_photon = np.linalg.svd(rows)[2][-1]
    per_photon *= np.sign(per_photon.sum())
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


def occupied(level: Level, mixture: Mixture, labels: Block) -> Block:
    """Return ``(z, x, y)`` 1 where there is matter, as the HAADF tells, and 0 elsewhere.

    Of several thresholds on the smoothed SIRT the one whose matter, projected, explains
    the images best: how large the specimen is decides on all yields, and a threshold that
    suits one noise is off by a quarter of the volume for another.

    Parameters
    ----------
    level
        The coarse level.
    mixture
        Its HAADF weights are refitted for each threshold.
    labels
        ``(z, x, y, share)`` what a voxel is made of where there is matter.

    References
    ----------
    Van Aarle, Batenburg & Sijbers (2011), IEEE Trans. Med. Imaging 30, 980-989 (thresholds
    by the distance of projections).
    """
    image = gaussian_filter(haadf_volume(level)[..., 0], SMOOTH_PX)
    bright = np.quantile(image[image > 0.3 * image.max()], 0.9) if image.any() else 1.0

    def misfit(threshold: float) -> float:
        paths = level.operator.forward(labels * (image > threshold * bright)[..., None])
        return haadf_misfit(with_haadf_refit(mixture, paths, level.images), paths, level.images)

    return (image > min(THRESHOLDS, key=misfit) * bright).astype(np.float32)


def haadf_volume(level: Level) -> Block:
    """Return ``(z, x, y, 1)`` SIRT of the HAADF."""
    geometry, place = level.measured.geometry, level.measured.place
    operator = cropped_projector(geometry, 1, whole(geometry), place)
    return sirt(operator, np.ascontiguousarray(level.images[..., None]), N_SIRT)
