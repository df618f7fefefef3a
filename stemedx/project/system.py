"""The system matrix of a slice: the only door to ASTRA."""

import astra
import numpy as np
from scipy.sparse import csr_array

from stemedx.arrays import TiltAngles


def system_matrix(tilt_deg: TiltAngles, n_z: int, n_x: int) -> csr_array:
    """Return the matrix that projects a ``(z, x)`` slice at every tilt.

    A point at ``(z, x)``, measured from the centre of the slice, is seen at
    ``x cos(tilt) + z sin(tilt)`` from the centre of the scan line. Rays are
    interpolated linearly between the voxels of the rows or columns they cross.

    Parameters
    ----------
    tilt_deg
        ``(tilt,)`` stage tilts, degrees.
    n_z, n_x
        Thickness and width of the slice, pixels. The scan line has `n_x` too.

    Returns
    -------
    matrix
        Rows ``(tilt, x)``, columns ``(z, x)``, float32, pixels of path.

    References
    ----------
    van Aarle et al. (2016), Opt. Express 24, 25129-25147 (the ASTRA toolbox).
    """
    # ASTRA's second axis points up, our z points down the rows: hence the sign.
    geometry = astra.create_proj_geom("parallel", 1.0, n_x, -np.deg2rad(tilt_deg))
    projector_id = astra.create_projector("linear", geometry, astra.create_vol_geom(n_z, n_x))
    try:
        matrix_id = astra.projector.matrix(projector_id)
        try:
            return csr_array(astra.matrix.get(matrix_id), dtype=np.float32)
        finally:
            astra.matrix.delete(matrix_id)
    finally:
        astra.projector.delete(projector_id)
