"""The method `mlem`: maximum likelihood of the photons, stopped early."""

from stemedx.params import MlemParams
from stemedx.project.blocks import block_to_volumes
from stemedx.project.projector import projector
from stemedx.reconstruct.calibration import first_calibration
from stemedx.reconstruct.expectation import mlem
from stemedx.reconstruct.measured import Measured, Reconstruction, without_hot_pixels


def reconstruct(measured: Measured, params: MlemParams) -> Reconstruction:
    """Return volumes after a few multiplicative updates of the likelihood, from a flat start.

    Gain and background are those that the data tell before there is a volume.

    Parameters
    ----------
    measured
        The maps in the measured frame, with what is known of them.
    params
        Number of updates.

    Returns
    -------
    reconstruction
        ``(element, z, y, x)`` photons per voxel at gain 1, in the aligned frame.
    """
    measured = without_hot_pixels(measured)
    operator = projector(measured.geometry, len(measured.maps), measured.place)
    calibration = first_calibration(measured)
    volume = mlem(operator, measured, calibration, start=None, n_iterations=params.n_iterations)
    known = {
        "gain": calibration.gain.tolist(),
        "background": calibration.background.tolist(),
    }
    return Reconstruction(block_to_volumes(volume), known)
