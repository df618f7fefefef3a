"""One sparse matrix times a wide block, shared among threads."""

from typing import TypeVar

import numpy as np
from scipy.sparse import csc_array, csr_array

from stemedx.arrays import Block
from stemedx.project.parallel import WORTH_A_THREAD, for_each, n_threads

Layout = TypeVar("Layout", csr_array, csc_array)


class CutMatrix:
    """A sparse matrix cut by rows, one piece for each thread.

    Each value of a product is summed in the same order whatever the cut, so that
    results do not depend on the number of threads.

    Parameters
    ----------
    matrix
        The whole, float32.
    layout
        What a piece is stored as. `csr_array` gathers rows of the block for each row
        of the product: for matrices with many rows. `csc_array` reads the block once,
        in order, and scatters it: for those with many columns.
    """

    def __init__(self, matrix: csr_array, layout: type[Layout]) -> None:
        n_pieces = n_threads() if matrix.nnz >= WORTH_A_THREAD else 1
        edges = np.linspace(0, matrix.shape[0], n_pieces + 1).round().astype(int)
        cuts = [slice(a, b) for a, b in zip(edges, edges[1:], strict=False) if b > a]
        self._pieces = [(rows, layout(matrix[rows])) for rows in cuts]
        self._n_rows = matrix.shape[0]

    def __matmul__(self, block: Block) -> Block:
        """Return the product with a ``(row, column)`` block."""
        if len(self._pieces) == 1:
            return self._pieces[0][1] @ block
        product = np.empty((self._n_rows, block.shape[1]), np.float32)

        def fill(piece: tuple) -> None:
            product[piece[0]] = piece[1] @ block

        for_each(fill, self._pieces, product.size)
        return product
