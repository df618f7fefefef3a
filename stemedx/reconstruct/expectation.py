"""Maximum likelihood by expectation maximisation, gain and background in the model."""

import numpy as np

from stemedx.arrays import Block, Held, PerMap
from stemedx.logs import progress
from stemedx.project.blocks import maps_to_block
from stemedx.project.operators import LinearOperator
from stemedx.project.place import Place
from stemedx.reconstruct.calibration import Calibration
from stemedx.reconstruct.measured import Measured


def mlem(
    operator: LinearOperator,
    measured: Measured,
    calibration: Calibration,
    *,
    start: Block | None,
    n_iterations: int,
) -> Block:
    """Raise the likelihood of the photons by multiplicative updates.

    The volume stays non-negative, and voxels that no weighted pixel sees are 0. Without
    background, its projection holds as many photons as were measured after each update.
    Of clipped hits, the photons behind them are expected in each update.

    Parameters
    ----------
    operator
        From volumes to maps, warps included.
    measured
        The maps and their weights.
    calibration
        Gain and background of each map.
    start
        ``(z, x, y, element)`` >= 0; flat if None.
    n_iterations
        Number of updates; the noise grows with it.

    Returns
    -------
    volume
        ``(z, x, y, element)`` per voxel at gain 1.

    References
    ----------
    Shepp & Vardi (1982), IEEE Trans. Med. Imaging 1, 113-122.
    """
    operator, place = operator.resident, operator.place
    counts = place.put(maps_to_block(np.asarray(measured.maps, np.float32)))
    weight = np.ascontiguousarray(measured.weight.transpose(0, 2, 1)[..., None], np.float32)
    gain, weight = _per_map(calibration.gain, place), place.put(weight)
    background = _per_map(calibration.background, place)
    volume = _flat(operator, counts * weight) if start is None else place.copy(place.put(start))
    sensitivity = operator.adjoint(weight * gain)
    is_unseen = sensitivity <= 1e-6 * sensitivity.max()
    volume[is_unseen], sensitivity[is_unseen] = 0, np.inf
    for _ in progress(range(n_iterations), "MLEM iterations", n_iterations):
        expected = gain * operator.forward(volume) + background
        if measured.signal == "hits":
            expected = -place.xp.expm1(-expected)
        expected = place.xp.clip(expected, 1e-9, None)
        volume *= operator.adjoint(weight * gain * counts / expected) / sensitivity
    return place.take(volume)


def _per_map(values: PerMap, place: Place) -> Held:
    """Return ``(tilt, 1, 1, element)`` numbers, to multiply or add to maps."""
    return place.put(values.T[:, None, None].astype(np.float32))


def _flat(operator: LinearOperator, counts: Held) -> Held:
    """Return a constant for each element that projects to its photons."""
    place = operator.place
    ones = place.full(operator.domain_shape, 1.0)
    paths = place.sum(operator.forward(ones)[..., 0])
    return ones * place.put((place.sum(counts, (0, 1, 2)) / paths).astype(np.float32))
