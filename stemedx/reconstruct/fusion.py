"""The method `fusion`: element maps and HAADF explained together."""

import logging
from dataclasses import replace

import numpy as np

from stemedx.arrays import Series
from stemedx.params import FusionParams
from stemedx.project.blocks import block_to_volumes
from stemedx.project.cropped import Crop, pad, whole
from stemedx.reconstruct.dark import explained
from stemedx.reconstruct.haadf import without_vacuum
from stemedx.reconstruct.measured import (
    Guide,
    Measured,
    Reconstruction,
    binned,
    binned_images,
    without_hot_pixels,
)
from stemedx.reconstruct.mixture import on_finer_grid, with_haadf_refit, with_yields
from stemedx.reconstruct.penalised import (
    Fit,
    coarse_factor,
    dose_scaled_weight,
    fine_box,
    first_fit,
    to_fine,
)
from stemedx.reconstruct.primal_dual import State
from stemedx.reconstruct.problem import SIMPLEX
from stemedx.reconstruct.shares import Level, Settled, Steps, level_of, settled
from stemedx.reconstruct.start import near, phases_in, softened

log = logging.getLogger(__name__)
# Edges of shares cost more than those of elements: the HAADF tells where they are.
TV_FACTOR = 1.5
COARSEST = 2  # the start is sought on maps binned by this at least
COARSE = Steps(plain=3, rising=3, full=3)
FINE = Steps(plain=0, rising=0, full=3)


def reconstruct(measured: Measured, guide: Guide, params: FusionParams) -> Reconstruction:
    """Return the volumes that explain photons and HAADF best.

    Each voxel holds shares of the phases, >= 0 and at most 1 together; the rest is vacuum.
    The photons of an element are proportional to its atoms, the HAADF to a weight of each
    phase, which starts from the atomic numbers and is refitted. Photons are Poisson (hits:
    Bernoulli), the HAADF Gaussian about its model, and the joint total
    variation of the shares is penalised; then voxels are drawn towards pure phases.

    The HAADF is taken as linear in the phases: diffraction contrast and thick specimens
    are not.

    Parameters
    ----------
    measured
        The maps in the measured frame, with what is known of them.
    guide
        HAADF and phases.
    params
        Weights, and when to stop.

    Returns
    -------
    reconstruction
        ``(element, z, y, x)`` photons per voxel at gain 1, in the aligned frame; and what
        was found along.

    Raises
    ------
    ValueError
        If there are no phases, or none that holds one of the elements, or HAADF shows nothing.

    References
    ----------
    Zhong et al. (2017), Ultramicroscopy 174, 35-45 (HAADF as a sum over elements);
    Lellmann & Schnoerr (2011), SIAM J. Imaging Sci. 4, 1049-1096 (total variation of
    shares on the simplex).
    """
    _check(guide)
    measured = without_hot_pixels(measured)
    if not (measured.maps * measured.weight).any():
        return _empty(measured)
    images = without_vacuum(guide.images[None], params.vacuum_px)[0]
    n = max(coarse_factor(measured), COARSEST)
    coarse, crop = binned(measured, n), whole(binned(measured, n).geometry)
    fit = first_fit(coarse)
    weight = params.tv_weight or TV_FACTOR * dose_scaled_weight(coarse, fit, n)
    level = _level(coarse, binned_images(images, n), crop, guide, weight * n**2, params)
    mixture, shares = phases_in(level, fit, guide.elements, guide.phases)
    inside = near(shares) if fit.inside is None else near(shares) | fit.inside
    level = replace(level, inside=inside)
    start = Settled(mixture, State(softened(shares)), np.zeros(len(mixture.names)))
    rough = settled(level, start, COARSE)
    fit = Fit(rough.state, fit.scale, mixture.calibration, [], crop, inside)
    fine = to_fine(fit, measured, n, fine_box(fit, measured, n))
    level = replace(_level(measured, images, fine.crop, guide, weight, params), inside=fine.inside)
    mixture = with_haadf_refit(
        on_finer_grid(rough.mixture, n), level.operator.forward(fine.state.volume), level.images
    )
    # n^3 voxels become one, n^2 pixels of edge
    start = Settled(mixture, State(softened(fine.state.volume)), rough.pull / n)
    found = settled(level, start, FINE)
    level, found, doubts = explained(level, found, fine.crop, n)
    for doubt in doubts:
        log.warning("%s", doubt)
    return _reconstruction(level, found, fine.crop, doubts)


def _check(guide: Guide) -> None:
    if not guide.phases:
        raise ValueError(
            "method 'fusion': expected phases of the specimen, found none. Name them in the column "
            "phases of the sheet."
        )
    if np.ptp(guide.images) == 0:
        raise ValueError(
            "method 'fusion': expected a HAADF series that shows the specimen, found the same "
            "value in all its pixels. Leave the method out for this specimen."
        )
    for element in guide.elements:
        if not any(element in atoms for atoms in guide.phases.values()):
            raise ValueError(
                f"method 'fusion': expected a phase that holds {element}, found only "
                f"{', '.join(guide.phases)}. Name one that does in the column phases of the sheet "
                "(reconstruct.phases defines them)."
            )


def _empty(measured: Measured) -> Reconstruction:
    geometry = measured.geometry
    shape = (len(measured.maps), geometry.n_x, geometry.n_y, geometry.n_x)
    return Reconstruction(np.zeros(shape, np.float32), {})


def _level(
    measured: Measured, images: Series, crop: Crop, guide: Guide, weight: float,
    params: FusionParams,
) -> Level:  # fmt: skip
    return level_of(
        measured, images, crop, n_shares=len(guide.phases), tv_weight=weight,
        constraint=SIMPLEX, params=params,
    )  # fmt: skip


def _reconstruction(level: Level, found: Settled, crop: Crop, said: list[str]) -> Reconstruction:
    geometry, state = level.measured.geometry, found.state
    mixture = with_yields(found.mixture, level.operator.forward(state.volume), level.measured)
    block = pad(mixture.element_volumes(state.volume), crop, geometry)
    facts = {
        "shared_by_halves": "HAADF",
        "tv_weight": level.tv_weight,
        "shares": list(mixture.names),
        "haadf": mixture.haadf.tolist(),
        "haadf_noise": mixture.noise,
        "gain": mixture.calibration.gain.tolist(),
        "background": mixture.calibration.background.tolist(),
        "warnings": said,
    }
    return Reconstruction(block_to_volumes(block), facts)
