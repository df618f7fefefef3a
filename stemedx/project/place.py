"""Where the arrays of a solver are: here, in numpy, or in the memory of a device."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from scipy.sparse import csr_array

from stemedx.arrays import Held, HeldAny
from stemedx.project.parallel import for_each
from stemedx.project.products import CutMatrix, gathering, scattering

Item = TypeVar("Item")


@runtime_checkable
class Product(Protocol):
    """A sparse matrix that multiplies wide blocks."""

    def times(self, block: Held, out: Held | None = None) -> Held:
        """Return the product with a ``(row, column)`` block, written to `out` if given."""


@runtime_checkable
class Place(Protocol):
    """What a solver needs besides the arithmetic that arrays of all places have.

    Attributes
    ----------
    name
        Of the kind of device.
    xp
        The library of its arrays, of which only what numpy and torch name alike is used.
    at_once
        Values that are best worked on at a time.
    """

    name: str
    xp: Any
    at_once: int

    def put(self, values: np.ndarray) -> HeldAny:
        """Return an array of numpy as one of this place."""

    def take(self, held: HeldAny) -> np.ndarray:
        """Return an array of this place as one of numpy."""

    def full(self, shape: tuple[int, ...], value: float) -> Held:
        """Return a float32 array of one value."""

    def empty(self, shape: tuple[int, ...]) -> Held:
        """Return a float32 array that will be filled."""

    def copy(self, held: Held) -> Held:
        """Return a contiguous copy."""

    def view(self, held: Held, shape: tuple[int, ...]) -> Held:
        """Return the same memory in another shape, never a copy."""

    def sum(self, held: Held, axes: tuple[int, ...] | None = None) -> Any:
        """Return sums in float64, in numpy."""

    def matrix(self, matrix: csr_array) -> Any:
        """Return a matrix for the operator ``@``."""

    def gathering(self, matrix: csr_array) -> Product:
        """Return a matrix with many rows, each of which gathers a few rows of the block."""

    def scattering(self, matrix: csr_array) -> Product:
        """Return a matrix with many columns."""

    def each(self, work: Callable[[Item], object], items: Iterable[Item], n_values: int) -> None:
        """Call `work` on each item, which leaves the others alone."""


class _Host:
    """Arrays of numpy, work shared among threads."""

    name = "cpu"
    xp: Any = np
    at_once = 2**16  # these stay in the cache

    def put(self, values: np.ndarray) -> HeldAny:
        return values

    def take(self, held: HeldAny) -> np.ndarray:
        return held  # type: ignore[no-any-return]

    def full(self, shape: tuple[int, ...], value: float) -> Held:
        return np.full(shape, value, np.float32)

    def empty(self, shape: tuple[int, ...]) -> Held:
        return np.empty(shape, np.float32)

    def copy(self, held: Held) -> Held:
        return np.array(held, order="C")

    def view(self, held: Held, shape: tuple[int, ...]) -> Held:
        return held.reshape(shape, copy=False)

    def sum(self, held: Held, axes: tuple[int, ...] | None = None) -> Any:
        return held.sum(axis=axes, dtype=np.float64)

    def matrix(self, matrix: csr_array) -> csr_array:
        return matrix

    def gathering(self, matrix: csr_array) -> CutMatrix:
        return gathering(matrix)

    def scattering(self, matrix: csr_array) -> CutMatrix:
        return scattering(matrix)

    def each(self, work: Callable[[Item], object], items: Iterable[Item], n_values: int) -> None:
        for_each(work, items, n_values)


HOST: Place = _Host()
