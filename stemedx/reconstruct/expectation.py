"""Maximum likelihood by expectation maximisation, gain and background in the model."""

import numpy as np

from stemedx.arrays import Block
from stemedx.logs import progress
from stemedx.project.blocks import maps_to_block
from stemedx.project.operators import LinearOperator
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
    counts = maps_to_block(np.asarray(measured.maps, np.float32))
    weight = np.ascontiguousarray(measured.weight.transpose(0, 2, 1)[..., None], np.float32)
    gain = calibration.gain.T[:, None, None].astype(np.float32)
    background = calibration.background.T[:, None, None].astype(np.float32)
    sensitivity = operator.adjoint(np.broadcast_to(weight * gain, operator.range_shape).copy())
    seen = sensitivity > 1e-6 * sensitivity.max()
    volume = _flat(operator, counts * weight) if start is None else start.copy()
    volume[~seen] = 0
    for _ in progress(range(n_iterations), "MLEM iterations", n_iterations):
        expected = gain * operator.forward(volume) + background
        if measured.signal == "hits":
            expected = -np.expm1(-expected)
        update = operator.adjoint(weight * gain * counts / np.maximum(expected, 1e-9))
        volume *= np.divide(update, sensitivity, out=np.zeros_like(update), where=seen)
    return volume


def _flat(operator: LinearOperator, counts: Block) -> Block:
    """Return a constant for each element that projects to its photons."""
    ones = np.ones(operator.domain_shape, np.float32)
    paths = operator.forward(ones)[..., 0].sum(dtype=np.float64)
    return ones * (counts.sum(axis=(0, 1, 2), dtype=np.float64) / paths).astype(np.float32)
