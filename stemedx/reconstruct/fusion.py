"""The method `fusion`: element maps and HAADF explained together."""

import logging
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from stemedx.arrays import ByShare, Series, Shifts
from stemedx.params import FusionParams
from stemedx.project.blocks import block_to_volumes
from stemedx.project.cropped import Crop, pad
from stemedx.reconstruct import guided
from stemedx.reconstruct.dark import explained
from stemedx.reconstruct.displaced import asked_shifts, told
from stemedx.reconstruct.haadf import without_vacuum
from stemedx.reconstruct.measured import (
    Guide,
    Measured,
    Reconstruction,
    binned,
    binned_images,
    without_hot_pixels,
)
from stemedx.reconstruct.mixture import haadf_of, on_finer_grid, with_haadf_refit, with_yields
from stemedx.reconstruct.overlapping import convergence
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
from stemedx.reconstruct.shares import Level, Settled, Steps, cost, level_of, settled
from stemedx.reconstruct.start import near, phases_in, softened

log = logging.getLogger(__name__)
# Edges of shares cost more than those of elements: the HAADF tells where they are.
TV_FACTOR = 1.5
N_ROUNDS = 3  # of moving tilts
COARSEST = 2  # the start is sought on maps binned by this at least
# Voxels are drawn to a phase while edges cost half: thin shells and cores then do not vanish first.
LIGHT = 0.5
# The HAADF weight of each phase in turn is begun with so much of what its atoms tell.
WEAKER = 0.8
SOUGHT = Steps(plain=3, rising=3, full=1)
COARSE = Steps(plain=0, rising=0, full=3)
FINE = Steps(plain=0, rising=0, full=3)


def reconstruct(measured: Measured, guide: Guide, params: FusionParams) -> Reconstruction:
    """Return the volumes that explain photons and HAADF best.

    Each voxel holds shares of the phases, >= 0 and at most 1 together; the rest is vacuum.
    The photons of an element are proportional to its atoms, the HAADF to a weight of each
    phase, which starts from the atomic numbers and is refitted. Photons are Poisson (hits:
    Bernoulli), the HAADF Gaussian about its model, and the joint total
    variation of the shares is penalised; then voxels are drawn towards pure phases.

    The HAADF is taken as linear in the phases: diffraction contrast and thick specimens
    are not. Without phases, only its edges guide: see `guided`.

    Parameters
    ----------
    measured
        The maps in the measured frame, with what is known of them.
    guide
        HAADF, and phases if they are known.
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
        If no phase holds one of the elements, or HAADF shows nothing.

    References
    ----------
    Zhong et al. (2017), Ultramicroscopy 174, 35-45 (HAADF as a sum over elements);
    Lellmann & Schnoerr (2011), SIAM J. Imaging Sci. 4, 1049-1096 (total variation of
    shares on the simplex).
    """
    if np.ptp(guide.images) == 0:
        raise ValueError(
            "method 'fusion': expected a HAADF series that shows the specimen, found the same "
            "value in all its pixels. Leave the method out for this specimen."
        )
    if not guide.phases:
        return guided.reconstruct(measured, guide, params)
    _check(guide)
    measured = without_hot_pixels(measured)
    if not (measured.maps * measured.weight).any():
        return _empty(measured)
    images = without_vacuum(guide.images[None], params.vacuum_px)[0]
    n = max(coarse_factor(measured), COARSEST)
    rough = well_weighted(well_placed(measured, images, guide, n, params), guide)
    measured, mixture, inside = rough.measured, rough.found.mixture, rough.level.inside
    shares = State(rough.found.state.volume)  # duals are not asked for on the full grid
    fit = Fit(shares, np.ones(1), mixture.calibration, [], rough.fit.crop, inside)
    fine = to_fine(fit, measured, n, fine_box(fit, measured, n))
    weight = rough.level.tv_weight / n**2
    level = replace(_level(measured, images, fine.crop, guide, weight, params), inside=fine.inside)
    mixture = with_haadf_refit(
        on_finer_grid(mixture, n), level.operator.forward(fine.state.volume), level.images
    )
    # n^3 voxels become one, n^2 pixels of edge
    start = Settled(mixture, State(softened(fine.state.volume)), rough.found.pull / n)
    found = settled(level, start, FINE)
    level, found, doubts = explained(level, found, fine.crop, n)
    said = [*told(rough.moved_px), *doubts]
    for text in said:
        log.warning("%s", text)
    moves = {"moved_px": rough.moved_px.tolist()} if rough.moved_px.any() else {}
    return _reconstruction(level, found, fine.crop, {**moves, "warnings": said})


@dataclass(frozen=True, eq=False)
class Rough:
    """The solution on a coarse grid.

    Attributes
    ----------
    measured
        Maps of the full grid, with the geometry that was found.
    moved_px
        ``(tilt, axis)`` what was added to the shifts of the alignment.
    fit
        Of photons alone, where it started from.
    level, found
        What was solved on the coarse grid.
    """

    measured: Measured
    moved_px: Shifts
    fit: Fit
    level: Level
    found: Settled


def well_placed(
    measured: Measured, images: Series, guide: Guide, n: int, params: FusionParams
) -> Rough:
    """Return a coarse solution whose projections are where the HAADF shows them.

    Where the alignment left displacements, they are put into the geometry, and it is begun
    anew: what was a compromise between tilts is no start. Kept only if HAADF fits better.
    """
    best = _rough(measured, np.zeros((measured.geometry.n_tilts, 2)), images, guide, n, params)
    for _ in range(N_ROUNDS):
        asked = asked_shifts(best.level, best.found)
        if not asked.stands_out:
            break
        moved_px = best.moved_px + n * asked.shift_px
        found = _rough(measured, moved_px, images, guide, n, params)
        before, after = best.found.mixture.noise, found.found.mixture.noise
        log.info("tilts moved by up to %.2f px: HAADF misfit %.4g -> %.4g",
                 np.abs(moved_px).max(), before, after)  # fmt: skip
        if after >= before:
            break
        best = found
    return best


def _rough(
    measured: Measured, moved_px: Shifts, images: Series, guide: Guide, n: int,
    params: FusionParams,
) -> Rough:  # fmt: skip
    """Return the solution on maps binned by n, tilts moved first."""
    measured = replace(measured, geometry=measured.geometry.moved(moved_px))
    coarse = binned(measured, n)
    fit = first_fit(coarse)
    weight = params.tv_weight or TV_FACTOR * dose_scaled_weight(coarse, fit, n)
    level = _level(coarse, binned_images(images, n), fit.crop, guide, weight * n**2, params)
    return Rough(measured, moved_px, fit, *_begun(level, fit, guide, haadf_of(guide.phases)))


def _begun(level: Level, fit: Fit, guide: Guide, prior: ByShare) -> tuple[Level, Settled]:
    """Return where matter may be, and the solution there, begun with HAADF weights."""
    mixture, shares = phases_in(level, fit, guide, prior)
    inside = near(shares) if fit.inside is None else near(shares) | fit.inside
    level = replace(level, inside=inside)
    start = Settled(mixture, State(softened(shares)), np.zeros(len(mixture.names)))
    return level, sought(level, start)


def well_weighted(rough: Rough, guide: Guide) -> Rough:
    """Return the coarse solution of clearly least objective, HAADF weights begun otherwise, too.

    Shares that are wrong for wrong weights hold these where they are: a refit goes only half
    of the way. So the weight of each phase with mapped elements is lowered once, which with
    the common factor free raises the others. Phases without any start from nothing. Objectives
    are known to within the gap of the solver: what is not lower by that is not preferred.
    """
    prior, is_mapped = rough.found.mixture.prior, rough.found.mixture.is_mapped
    tried = [rough]
    if np.count_nonzero(is_mapped) > 1:  # of one alone, the weight is the common factor
        weaker = prior * np.where(np.eye(len(prior)), WEAKER, 1)[is_mapped]
        begun = [_begun(rough.level, rough.fit, guide, one) for one in weaker]
        tried += [replace(rough, level=level, found=found) for level, found in begun]
    costs = [cost(one.level, one.found) for one in tried]
    log.info("objectives with the HAADF weight of each phase lower: %s", costs)
    photons = float((rough.level.measured.maps * rough.level.measured.weight).sum())
    costs[0] -= rough.level.params.gap * photons
    return tried[int(np.argmin(costs))]


def sought(level: Level, start: Settled) -> Settled:
    """Return shares that were drawn to phases under less total variation, then under all of it.

    The weight of what draws voxels to phases stays.
    """
    params = level.params.model_copy(update={"purity": level.params.purity / LIGHT})
    light = replace(level, tv_weight=LIGHT * level.tv_weight, params=params)
    found = settled(light, start, SOUGHT)
    return settled(level, Settled(found.mixture, State(found.state.volume), LIGHT * found.pull),
                   COARSE)  # fmt: skip


def _check(guide: Guide) -> None:
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


def _reconstruction(
    level: Level, found: Settled, crop: Crop, along: dict[str, Any]
) -> Reconstruction:
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
        "convergence": convergence([found.checks]),
        **along,
    }
    return Reconstruction(block_to_volumes(block), facts)
