"""The system matrix of a slice: the only door to ASTRA."""

import astra
import numpy as np
from scipy.sparse import csc_array, csr_array

from stemedx.arrays import Block, TiltAngles
from stemedx.project.parallel import for_each, n_threads


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


class SlicePair:
    """A matrix and its transpose, each laid out for a product with wide blocks.

    Both products read every row of the wide operand of voxels once, in order: the
    forward one scatters it (columns of the matrix), the adjoint one gathers it
    (rows of the transpose). The matrix is cut by output rows, one piece per thread;
    each output is summed in the same order whatever the cut.

    Parameters
    ----------
    matrix
        Rows ``(tilt, x)``, columns ``(z, x)``.
    """

    def __init__(self, matrix: csr_array) -> None:
        self.shape = matrix.shape
        self._pieces = [(rows, csc_array(matrix[rows])) for rows in _cuts(matrix.shape[0])]
        transpose = csr_array(matrix.T)
        self._transposed = [(rows, transpose[rows]) for rows in _cuts(matrix.shape[1])]

    def forward(self, block: Block) -> Block:
        """Return the matrix times ``(z x, column)`` as ``(tilt x, column)``."""
        return _product(self._pieces, block, self.shape[0])

    def adjoint(self, block: Block) -> Block:
        """Return the transpose times ``(tilt x, column)`` as ``(z x, column)``."""
        return _product(self._transposed, block, self.shape[1])


def _cuts(n_rows: int) -> list[slice]:
    edges = np.linspace(0, n_rows, n_threads() + 1).round().astype(int)
    return [slice(a, b) for a, b in zip(edges, edges[1:], strict=False) if b > a]


def _product(pieces: list, block: Block, n_rows: int) -> Block:
    if len(pieces) == 1:
        return pieces[0][1] @ block
    product = np.empty((n_rows, block.shape[1]), np.float32)

    def fill(piece: tuple) -> None:
        product[piece[0]] = piece[1] @ block

    for_each(fill, pieces)
    return product
