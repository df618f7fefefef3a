"""Find the tilt axis and the shift of each tilt from the maps or from HAADF."""

import logging
from dataclasses import replace

import numpy as np

from stemedx.align import one_body, one_specimen
from stemedx.align.agreement import Agreement, agreement
from stemedx.align.alignment import Alignment
from stemedx.align.coarse import axis_angle, moved, shifts_inside, shifts_of_neighbours
from stemedx.align.doubts import turned_axis, wrong_signs
from stemedx.align.refine import Match, Views, match, reduced, refine
from stemedx.align.source import Source
from stemedx.align.tilt_errors import find_tilt_errors
from stemedx.align.weights import weights_of
from stemedx.align.window import window_of
from stemedx.arrays import Angles, PerTilt, Rate, Shifts, TiltAngles
from stemedx.params import AlignParams
from stemedx.project.geometry import least_shifts

log = logging.getLogger(__name__)
AXIS_WIDTH_PX = 64
UNRELATED = 0.6
POOR = 0.5
OUTLYING = 2.0
COVERED = 0.5  # a pixel of less weight is foreign
UNSURE_PX = 3.0
SURE_DEG = 1.5  # an angle of the axis with a larger error is not told
STEP_DEG = 3.0


def align(
    source: Source, tilt_deg: TiltAngles, params: AlignParams, tilt_axis_deg: float | None
) -> Alignment:
    """Return the alignment of a tilt series.

    A specimen inside the field is aligned by its row sums and its centre of mass, then by
    the likelihood that all maps show one specimen, or as one body if it is one; that tells
    the angle of the tilt axis too. A larger one is aligned by its neighbours; then both by
    projection matching. Where something is seen that not all tilts see, that is left out of
    account and the matching repeated. Errors of the tilts are looked for last, if asked for.
    Where the maps tell nothing of each other nothing is moved.

    Parameters
    ----------
    source
        From `to_source`.
    tilt_deg
        ``(tilt,)`` degrees, rising.
    params
        Reach of the search, number of rounds, errors that tilts may have.
    tilt_axis_deg
        Angle of the tilt axis from image y, counter-clockwise; None: searched for.
    """
    start = _first(source, tilt_deg, params, tilt_axis_deg)
    rotation = np.full(len(tilt_deg), start.rotation_deg)
    views = source.views(tilt_deg, rotation)
    unmoved = match(views, np.zeros((len(tilt_deg), 2)))
    found = match(views, least_shifts(start.shift_px, tilt_deg))
    log.info(
        "residual unmoved %.4f, after the first estimate %.4f",
        *(unmoved.residual.mean(), found.residual.mean()),
    )
    found = min(found, unmoved, key=lambda one: float(one.residual.mean()))
    found = refine(views, found, params.n_refinements)
    if found.residual.mean() >= UNRELATED:
        return _nothing(source, views, unmoved, tilt_axis_deg)
    views = _weighted(views, found)
    if views.weight.min() < COVERED:
        found = refine(views, match(views, found.shift_px), params.n_refinements)
        views = _weighted(views, found)
    errors = None
    if params.tilt_error_deg > 0:
        rounds = params.tilt_error_deg, params.n_refinements
        views, found, errors = find_tilt_errors(views, found, *rounds)
    doubts = _doubts(source, views, found, params)
    if np.isinf(start.error_deg):
        doubts.append(
            "the maps do not tell the angle of the tilt axis: it is taken to lie along image y. "
            "Set tilt_axis_deg in the sheet if it does not"
        )
    alignment = judged(source, views, found, doubts)
    return replace(alignment, axis_error_deg=start.error_deg, tilt_errors=errors)


def _doubts(source: Source, views: Views, found: Match, params: AlignParams) -> list[str]:
    """Return what speaks against the tilt axis and the tilts."""
    if not source.is_inside:
        return []  # what enters at one side only looks like a wrong sign
    told = [wrong_signs(views, found.shift_px)]
    if not views.rotation_deg.any():
        told.append(_axis_along_x(views, found, params))
    return [doubt for doubt in told if doubt]


def _axis_along_x(views: Views, found: Match, params: AlignParams) -> str | None:
    """Return a warning if sums of columns agree better, and so do maps once turned."""
    doubt = turned_axis(views.images, views.tilt_deg, params.max_shift_px)
    if doubt is None:
        return None
    channels = np.ascontiguousarray(np.rot90(views.channels, axes=(2, 3)))
    turned = replace(views, channels=channels, weight=np.ones_like(channels[0]))
    start = turned.images, turned.tilt_deg, turned.rotation_deg, params.max_shift_px
    shift_px = least_shifts(shifts_inside(*start), turned.tilt_deg)
    other = refine(turned, match(turned, shift_px), params.n_refinements)
    log.info("residual with the axis along x %.4f", other.residual.mean())
    return doubt if other.residual.mean() < found.residual.mean() else None


def _weighted(views: Views, found: Match) -> Views:
    """Return the views with weights that suit the shifts found."""
    weight = weights_of(views.images, views.tilt_deg, views.rotation_deg, found.shift_px)
    return replace(views, weight=weight)


def _nothing(
    source: Source, views: Views, unmoved: Match, tilt_axis_deg: float | None
) -> Alignment:
    """Return that nothing is moved, and why."""
    warning = "the maps tell nothing of each other: nothing was moved"
    still = np.zeros_like(views.tilt_deg) if tilt_axis_deg is None else views.rotation_deg
    unknown = np.full_like(unmoved.shift_px, np.nan)
    return _told(
        Alignment(
            still, unmoved.shift_px, unmoved.residual, unknown, views.weight,
            (*source.warnings, warning),
        )
    )  # fmt: skip


def align_by_hand(
    source: Source,
    tilt_deg: TiltAngles,
    params: AlignParams,
    rotation_deg: PerTilt,
    shift_px: Shifts,
) -> Alignment:
    """Return a given alignment, with its residuals, errors and weights."""
    views = source.views(tilt_deg, rotation_deg)
    views = replace(views, weight=weights_of(views.images, tilt_deg, rotation_deg, shift_px))
    found = match(views, shift_px)
    return judged(source, views, found, _doubts(source, views, found, params))


def _first(
    source: Source, tilt_deg: TiltAngles, params: AlignParams, tilt_axis_deg: float | None
) -> Agreement:
    """Return the angle of the axis and the shifts before projection matching.

    The error of the angle is infinite where the maps were asked for it and did not tell, and
    not a number where it was given, not asked for, or told by the row sums alone.
    """
    angle = 0.0 if tilt_axis_deg is None else -tilt_axis_deg
    if not source.is_inside:
        return Agreement(angle, np.nan, _of_neighbours(source, tilt_deg, angle, params))
    if tilt_axis_deg is not None or params.axis_within_deg == 0:
        return replace(_agreed(source, tilt_deg, params, np.array([angle])), error_deg=np.nan)
    n_steps = int(np.ceil(params.axis_within_deg / STEP_DEG))
    angles = np.linspace(-params.axis_within_deg, params.axis_within_deg, 2 * n_steps + 1)
    found = min(
        _as_one_body(source, tilt_deg, params),
        _agreed(source, tilt_deg, params, angles),
        key=lambda one: one.error_deg,
    )
    if found.error_deg <= SURE_DEG:
        return found
    factor = -(-source.images.shape[2] // AXIS_WIDTH_PX)
    reach = params.max_shift_px / factor
    by_rows = axis_angle(reduced(source.images, factor), tilt_deg, reach, params.axis_within_deg)
    log.info("the row sums ask for a rotation by %.1f deg (0: not told)", by_rows)
    error = np.nan if by_rows else np.inf
    return replace(_agreed(source, tilt_deg, params, np.array([by_rows])), error_deg=error)


def _agreed(
    source: Source, tilt_deg: TiltAngles, params: AlignParams, angles_deg: Angles
) -> Agreement:
    """Return where maps agree best, started from row sums and centres of mass."""
    start, level = _rough(source, tilt_deg, params, float(angles_deg[len(angles_deg) // 2]))
    window = window_of(level, one_specimen.N_X, one_specimen.RADIUS, one_specimen.BLUR_PX)
    found = agreement(source.channels, tilt_deg, start, angles_deg, window)
    log.info("maps agree best rotated by %.2f +- %.2f deg", found.rotation_deg, found.error_deg)
    return found


def _as_one_body(source: Source, tilt_deg: TiltAngles, params: AlignParams) -> Agreement:
    """Return what one body tells, if it lies within the search; from the same start."""
    start, level = _rough(source, tilt_deg, params, 0.0)
    window = window_of(level, one_body.N_X, one_body.RADIUS, one_body.BORDER_PX)
    found = one_body.one_body(
        source.channels, tilt_deg, start, 0.0, window, n_images=source.n_images
    )
    log.info("one body rotated by %.2f +- %.2f deg", found.rotation_deg, found.error_deg)
    if abs(found.rotation_deg) > params.axis_within_deg:
        return replace(found, error_deg=np.inf)
    return found


def _rough(
    source: Source, tilt_deg: TiltAngles, params: AlignParams, angle_deg: float
) -> tuple[Shifts, Rate]:
    """Return shifts by row sums and centres of mass, and the images so moved."""
    rotation = np.full(len(tilt_deg), angle_deg)
    shift_px = shifts_inside(source.images, tilt_deg, rotation, params.max_shift_px)
    return shift_px, moved(source.images, tilt_deg, rotation, shift_px)[0]


def _of_neighbours(
    source: Source, tilt_deg: TiltAngles, angle: float, params: AlignParams
) -> Shifts:
    rotation = np.full(len(tilt_deg), angle)
    upright, _ = moved(source.images, tilt_deg, rotation, np.zeros((len(tilt_deg), 2)))
    return shifts_of_neighbours(upright, tilt_deg, params.max_shift_px)


def judged(source: Source, views: Views, found: Match, doubts: list[str]) -> Alignment:
    """Return an alignment with its errors and what speaks against it."""
    warnings = [*source.warnings, *doubts]
    typical = float(np.median(found.residual))
    if typical > POOR:
        warnings.append(f"the maps predict each other poorly: median residual {typical:.2f}")
    # The outermost tilts have neighbours on one side only: twice the rest is usual.
    if (outlying := found.residual > max(POOR, OUTLYING * typical)).any():
        tilts = ", ".join(f"{tilt:g}" for tilt in views.tilt_deg[outlying])
        warnings.append(f"the others predict these tilts poorly: {tilts} deg")
    error_px = np.hypot(found.error_px, found.asked_px)
    if (unsure := error_px.max(axis=1) > UNSURE_PX).any():
        tilts = ", ".join(f"{tilt:g}" for tilt in views.tilt_deg[unsure])
        warnings.append(f"shifts are uncertain by more than {UNSURE_PX:g} px at {tilts} deg")
    return _told(
        Alignment(
            views.rotation_deg, found.shift_px, found.residual, error_px, views.weight,
            tuple(warnings),
        )
    )  # fmt: skip


def _told(alignment: Alignment) -> Alignment:
    for warning in alignment.warnings:
        log.warning("alignment: %s", warning)
    return alignment
