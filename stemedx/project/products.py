"""One sparse matrix times a wide block, shared among threads.

Each value of a product is summed in the same order wherever the matrix is cut, so
that results do not depend on the number of threads.
"""

import numpy as np
from scipy.sparse import csc_array, csr_array

from stemedx.arrays import Block
from stemedx.project.parallel import for_each, n_threads

# So many rows of a few hundred columns stay in the cache until they are copied out.
ROWS_AT_ONCE = 512


class CutMatrix:
    """A sparse matrix cut into pieces of some of its rows.

    Parameters
    ----------
    pieces
        The rows of each piece, and the piece, float32.
    n_rows
        Rows of the whole.
    """

    def __init__(self, pieces: list[tuple[slice, csr_array | csc_array]], n_rows: int) -> None:
        self._pieces = pieces
        self._n_rows = n_rows

    def times(self, block: Block, out: Block | None = None) -> Block:
        """Return the product with a ``(row, column)`` block, written to `out` if given."""
        product = np.empty((self._n_rows, block.shape[1]), np.float32) if out is None else out
        for_each(lambda piece: _fill(product, *piece, block), self._pieces, product.size)
        return product

    def add_times(self, block: Block, out: Block) -> None:
        """Add the product with a ``(row, column)`` block to `out`."""
        for_each(lambda piece: _add(out, *piece, block), self._pieces, out.size)


def gathering(matrix: csr_array) -> CutMatrix:
    """Return a matrix with many rows, each of which gathers a few rows of the block."""
    cuts = _cuts(matrix.shape[0], -(-matrix.shape[0] // ROWS_AT_ONCE))
    return CutMatrix([(rows, matrix[rows]) for rows in cuts], matrix.shape[0])


def scattering(matrix: csr_array) -> CutMatrix:
    """Return a matrix with many columns, one piece per thread.

    Each piece reads the block once, in order, and scatters its rows: gathering them
    along the rays would read it again for every ray.
    """
    cuts = _cuts(matrix.shape[0], n_threads())
    return CutMatrix([(rows, csc_array(matrix[rows])) for rows in cuts], matrix.shape[0])


def _fill(product: Block, rows: slice, piece: csr_array | csc_array, block: Block) -> None:
    product[rows] = piece @ block


def _add(product: Block, rows: slice, piece: csr_array | csc_array, block: Block) -> None:
    product[rows] += piece @ block


def _cuts(n_rows: int, n_pieces: int) -> list[slice]:
    edges = np.linspace(0, n_rows, n_pieces + 1).round().astype(int)
    return [slice(a, b) for a, b in zip(edges, edges[1:], strict=False) if b > a]
