"""Filtered back-projection."""

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

from stemedx.arrays import Rate, Rates, TiltAngles, Volumes
from stemedx.project.backproject import backproject
from stemedx.project.blocks import block_to_volumes, maps_to_block
from stemedx.project.geometry import Geometry
from stemedx.project.warp import align_maps

TILTS_AT_ONCE = 30


def fbp(maps: Rates, tilt_deg: TiltAngles) -> Volumes:
    """Reconstruct aligned maps by filtered backprojection.

    What the tilts saw keeps its amplitude (a full circle gives gain 1); what falls
    into the wedge that no tilt saw is missing, not replaced by a larger gain.

    Parameters
    ----------
    maps
        ``(element, tilt, y, x)`` aligned rates.
    tilt_deg
        ``(tilt,)`` degrees, in any order and spacing.

    Returns
    -------
    volumes
        ``(element, z, y, x)`` per voxel, as many planes as columns; it can be negative.

    References
    ----------
    Kak & Slaney (1988), Principles of Computerized Tomographic Imaging, ch. 3.
    """
    n_elements, _, n_y, n_x = maps.shape
    direction_deg = _direction(tilt_deg)
    all_deg = np.unique(direction_deg)
    weights = np.deg2rad(angular_weights(all_deg)).astype(np.float32)
    block = np.zeros((n_x, n_x, n_y, n_elements), np.float32)
    for first in range(0, len(all_deg), TILTS_AT_ONCE):
        some = slice(first, first + TILTS_AT_ONCE)
        views = np.isin(direction_deg, all_deg[some])
        filtered = _filter(_fold(maps[:, views], tilt_deg[views])) * weights[some, None, None]
        backproject(maps_to_block(filtered), all_deg[some], block)
    return block_to_volumes(block)


def _direction(tilt_deg: TiltAngles) -> TiltAngles:
    """Return the tilts within half a circle: from behind the same rays are seen."""
    return np.round(tilt_deg, 6) % 180


def _fold(maps: Rates, tilt_deg: TiltAngles) -> Rate:
    """Return the mean of the maps of each direction, those from behind mirrored."""
    directions, of_view, n_views = np.unique(
        _direction(tilt_deg), return_inverse=True, return_counts=True
    )
    is_behind = np.round((tilt_deg - directions[of_view]) / 180) % 2 == 1
    folded = np.zeros((len(maps), len(directions), *maps.shape[2:]), np.float32)
    for view, direction in enumerate(of_view):
        seen = maps[:, view, :, ::-1] if is_behind[view] else maps[:, view]
        folded[:, direction] += seen / np.float32(n_views[direction])
    return folded


def limited_fbp(rates: Rates, geometry: Geometry) -> Volumes:
    """Return the filtered backprojection of denoised maps, per voxel, never below 0.

    What T sees. Han et al. (2021) took an unwindowed ramp, sampled half a pixel off,
    with a third of the amplitude; this one has neither fault.

    Parameters
    ----------
    rates
        ``(element, tilt, y, x)`` in the measured frame.
    geometry
        Tilts, and how each map is aligned.
    """
    aligned, _ = align_maps(rates, geometry)
    return np.maximum(fbp(aligned, geometry.tilt_deg), 0)


def angular_weights(tilt_deg: TiltAngles) -> np.ndarray:
    """Return the share of the half circle that each tilt stands for, degrees.

    Half of the gaps to the neighbouring directions; a direction seen from both sides
    (tilts 180 degrees apart) is shared. A gap of more than twice the median one is a
    wedge: the tilts at its edges stand for as much on that side as on the other.

    Parameters
    ----------
    tilt_deg
        ``(tilt,)`` degrees, in any order.

    Returns
    -------
    weights
        ``(tilt,)`` degrees; they add up to 180 where there is no wedge.
    """
    direction = np.round(tilt_deg, 6) % 180
    order = np.argsort(direction, kind="stable")
    gaps = np.diff(direction[order], append=direction[order[0]] + 180)
    before, after = np.roll(gaps, 1), gaps
    wedge = 2 * np.median(gaps[gaps > 0])
    weights = np.empty(len(tilt_deg))
    weights[order] = (
        np.where(before > wedge, after, before) + np.where(after > wedge, before, after)
    ) / 2
    return weights


def _filter(maps: Rates) -> Rates:
    """Return maps filtered along x by the Hann-windowed ramp, without wrapping round."""
    n_x = maps.shape[-1]
    n = next_fast_len(2 * n_x, real=True)
    return irfft(rfft(maps, n) * _ramp(n), n)[..., :n_x]


def _ramp(n: int) -> np.ndarray:
    """Return the response at the ``n // 2 + 1`` frequencies of a real transform.

    Made from the impulse response of the band-limited ramp: sampling the ramp in
    Fourier space instead would set the mean of the volume to zero.
    """
    distance = np.minimum(np.arange(n), n - np.arange(n))
    impulse = np.zeros(n)
    odd = distance % 2 == 1
    impulse[odd] = -1 / (np.pi * distance[odd]) ** 2
    impulse[0] = 0.25
    hann = 0.5 * (1 + np.cos(2 * np.pi * rfftfreq(n)))
    return (rfft(impulse).real * hann).astype(np.float32)
