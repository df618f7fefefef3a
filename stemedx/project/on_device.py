"""The memory of a device, of which torch has the arrays."""

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from stemedx.arrays import Held, HeldAny
from stemedx.project.place import Item


class OnDevice:
    """Tensors of torch on one device. See `stemedx.project.place.Place`.

    Parameters
    ----------
    device
        Of torch.
    """

    xp: Any = torch
    at_once = 2**62  # a device has no use for parts

    def __init__(self, device: torch.device) -> None:
        self.device, self.name = device, device.type

    def put(self, values: np.ndarray) -> HeldAny:
        """Return a copy of an array of numpy on the device."""
        return torch.tensor(values, device=self.device)

    def take(self, held: HeldAny) -> np.ndarray:
        """Return a tensor as an array of numpy."""
        return held.cpu().numpy()  # type: ignore[no-any-return]

    def full(self, shape: tuple[int, ...], value: float) -> Held:
        """Return a float32 tensor of one value."""
        return torch.full(shape, value, dtype=torch.float32, device=self.device)

    def empty(self, shape: tuple[int, ...]) -> Held:
        """Return a float32 tensor that will be filled."""
        return torch.empty(shape, dtype=torch.float32, device=self.device)

    def copy(self, held: Held) -> Held:
        """Return a contiguous copy."""
        return held.clone(memory_format=torch.contiguous_format)

    def view(self, held: Held, shape: tuple[int, ...]) -> Held:
        """Return the same memory in another shape, never a copy."""
        return held.view(shape)

    def sum(self, held: Held, axes: tuple[int, ...] | None = None) -> Any:
        """Return sums in float64, in numpy."""
        return held.sum(dim=axes, dtype=torch.float64).cpu().numpy()

    def matrix(self, matrix: csr_array) -> Tensor:
        """Return a matrix for the operator ``@``."""
        tidy = matrix.copy()
        tidy.sum_duplicates()  # and in order of columns, as torch wants them
        rows, columns, values = map(self.put, (tidy.indptr, tidy.indices, tidy.data))
        with warnings.catch_warnings():
            # that sparse tensors are in beta state; products with dense ones are all that is used
            warnings.simplefilter("ignore", UserWarning)
            return torch.sparse_csr_tensor(
                rows, columns, values, size=matrix.shape, check_invariants=True
            )

    def gathering(self, matrix: csr_array) -> "DeviceMatrix":
        """Return a matrix that multiplies wide blocks."""
        return DeviceMatrix(self.matrix(matrix))

    scattering = gathering

    def each(self, work: Callable[[Item], object], items: Iterable[Item], n_values: int) -> None:
        """Call `work` on each item, one after the other: each fills the device."""
        for item in items:
            work(item)


class DeviceMatrix:
    """A sparse matrix on a device.

    Parameters
    ----------
    matrix
        In CSR layout, float32.
    """

    def __init__(self, matrix: Tensor) -> None:
        self._matrix = matrix

    def times(self, block: Held, out: Held | None = None) -> Held:
        """Return the product with a ``(row, column)`` block, written to `out` if given."""
        return torch.mm(self._matrix, block, out=out)
