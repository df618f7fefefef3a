"""How far each pixel shows nothing but what all tilts see."""

import numpy as np
from scipy import ndimage

from stemedx.align.coarse import moved
from stemedx.align.images import fills_the_field
from stemedx.align.refine import reduced, supported, weighted
from stemedx.arrays import Mask, PerTilt, Rate, Series, Shifts, TiltAngles, Volume
from stemedx.project.blocks import block_to_maps, maps_to_block
from stemedx.project.geometry import Geometry
from stemedx.project.projector import projector
from stemedx.reconstruct.simultaneous import sirt

WIDEST_PX = 64
EDGE = 1 / 16  # width of the soft edge, of the field
N_ITERATIONS = 40
SEEN = 0.5
BRIGHT = 95.0  # percentile of what the specimen projects to
FAINT = 0.2  # of the specimen: neighbours and noise below this count little
CLEAN = 0.4  # up to this share of a pixel may be foreign
COVERED = 0.7  # from this share on it has no weight


def weights_of(
    images: Rate, tilt_deg: TiltAngles, rotation_deg: PerTilt, shift_px: Shifts
) -> Series:
    """Return the weight of each measured pixel in a misfit, 0 to 1.

    The maps are reconstructed on a field twice as wide. What lies where not all tilts
    look (a neighbour that enters at high tilt, the ends of a specimen larger than the
    field) is projected: where it shines into a map, the weight falls to 0.

    Parameters
    ----------
    images
        ``(tilt, y, x)`` without background.
    tilt_deg, rotation_deg
        ``(tilt,)`` degrees.
    shift_px
        ``(tilt, axis)`` that align them.

    Returns
    -------
    weights
        ``(tilt, y, x)`` float32 in the measured frame, soft-edged.
    """
    factor = -(-images.shape[2] // WIDEST_PX)
    small = reduced(images, factor)
    n_x = small.shape[2]
    side = n_x // 2
    wide = np.pad(small, ((0, 0), (0, 0), (side, side)))
    aligned, coverage = _aligned(wide, side, tilt_deg, rotation_deg, shift_px / factor)
    seen = coverage > SEEN
    common = _seen_by_all(coverage, tilt_deg)
    own = _explained(aligned * seen, seen, common, tilt_deg)
    # What all tilts see comes first: a ray cannot tell where along it something lies.
    alien = _explained(np.maximum(aligned - own, 0) * seen, seen, 1 - common, tilt_deg)
    bright = np.percentile(own[own > 0], BRIGHT) if (own > 0).any() else 1.0
    share = alien / (own + alien + FAINT * bright)
    ramp = np.clip((share - CLEAN) / (COVERED - CLEAN), 0, 1)
    ramp = ndimage.gaussian_filter(ndimage.maximum_filter(ramp, (0, 5, 5)), (0, 1, 1))
    clean = 1 - ramp**2 * (3 - 2 * ramp)
    geometry = Geometry(tilt_deg, wide.shape[1], wide.shape[2], rotation_deg, shift_px / factor)
    measured = _measured(clean.astype(np.float32), geometry)
    weights = _enlarged(measured[:, :, side : side + n_x], images.shape, factor)
    _, n_y, n_x = images.shape
    whole = Geometry(tilt_deg, n_y, n_x, rotation_deg, shift_px)
    return np.minimum(weights, _of_a_plane(images, whole))


def _of_a_plane(images: Rate, geometry: Geometry) -> Series:
    """Return 1 where a plane that fills the field is seen by all tilts, 0 beyond.

    Tilted, a plane shrinks by the cosine, and what lay beyond the field enters it, which
    nothing else tells. Ones if the specimen does not fill the field from left to right.
    """
    if not fills_the_field(images[int(np.abs(geometry.tilt_deg).argmin())]):
        return np.ones_like(images)
    n_y, n_x = geometry.n_y, geometry.n_x
    cosine = np.maximum(np.cos(np.deg2rad(geometry.tilt_deg)), EDGE)
    places = [_aligned_x(geometry, tilt) / cosine[tilt] for tilt in range(geometry.n_tilts)]
    # At the height of the middle row: rotations are small.
    first = max(place[n_y // 2].min() for place in places)
    last = min(place[n_y // 2].max() for place in places)
    inside = [np.minimum(place - first, last - place) / (EDGE * n_x) for place in places]
    ramp = np.clip(np.stack(inside), 0, 1)
    return (ramp**2 * (3 - 2 * ramp)).astype(np.float32)


def _aligned_x(geometry: Geometry, tilt: int) -> np.ndarray:
    """Return where each measured pixel lies across the tilt axis, ``(y, x)``."""
    rotation, shift = geometry.motion(tilt)
    y, x = np.indices((geometry.n_y, geometry.n_x))
    centre_y, centre_x = (geometry.n_y - 1) / 2, (geometry.n_x - 1) / 2
    return rotation[1, 0] * (y - centre_y) + rotation[1, 1] * (x - centre_x) + shift[1]


def _aligned(
    wide: Rate, side: int, tilt_deg: TiltAngles, rotation_deg: PerTilt, shift_px: Shifts
) -> tuple[Rate, Series]:
    """Return maps in the aligned frame, and how far each pixel of it was measured."""
    field = np.zeros_like(wide)
    field[:, :, side:-side] = 1
    aligned, _ = moved(wide, tilt_deg, rotation_deg, shift_px)
    coverage, _ = moved(field, tilt_deg, rotation_deg, shift_px)
    filled = np.divide(aligned, coverage, np.zeros_like(aligned), where=coverage > SEEN)
    return filled, coverage


def _explained(maps: Rate, seen: Mask, support: Volume, tilt_deg: TiltAngles) -> Rate:
    """Return what a volume that is 0 outside a support projects to, fitted to maps."""
    operator = projector(Geometry(tilt_deg, maps.shape[1], maps.shape[2]), 1)
    inside = supported(operator, maps_to_block(support[None]))
    data, rays = (maps_to_block(one[None].astype(np.float32)) for one in (maps, seen))
    volume = sirt(weighted(inside, rays), data, N_ITERATIONS)
    return block_to_maps(inside.forward(volume))[0]


def _seen_by_all(coverage: Series, tilt_deg: TiltAngles) -> Volume:
    """Return 1 where every tilt looks, 0 where one does not, ``(z, y, x)``."""
    n_x = coverage.shape[2]
    columns = np.arange(n_x)
    z, x = np.indices((n_x, n_x)) - (n_x - 1) / 2
    common = np.ones((coverage.shape[1], n_x, n_x))
    for tilt, field in zip(np.deg2rad(tilt_deg), coverage, strict=True):
        at = x * np.cos(tilt) + z * np.sin(tilt) + (n_x - 1) / 2
        looked = np.stack([np.interp(at, columns, row, 0, 0) for row in field])
        np.minimum(common, looked, out=common)
    return common.transpose(1, 0, 2).astype(np.float32)


def _measured(maps: Rate, geometry: Geometry) -> Rate:
    """Return maps of the aligned frame as the scan sees them."""
    back = np.empty_like(maps)
    centre = (np.array([geometry.n_y, geometry.n_x]) - 1) / 2
    for tilt, image in enumerate(maps):
        rotation, shift = geometry.motion(tilt)
        offset = shift + centre - rotation @ centre
        back[tilt] = ndimage.affine_transform(image, rotation, offset, order=1, mode="nearest")
    return back


def _enlarged(small: Rate, shape: tuple[int, ...], factor: int) -> Series:
    """Return images on the fine grid that `reduced` made them from."""
    sizes = zip(shape[1:], small.shape[1:], strict=True)
    offset = [0, *(((m - 1) - (n - 1) / factor) / 2 for n, m in sizes)]
    scale = [1, 1 / factor, 1 / factor]
    fine = ndimage.affine_transform(small, scale, offset, shape, order=1, mode="nearest")
    return fine.clip(0, 1)
