"""A linear operator given by two functions."""

from collections.abc import Callable
from dataclasses import dataclass

from stemedx.arrays import Block


@dataclass(frozen=True)
class LinearOperator:
    """A linear map and its exact transpose.

    Parameters
    ----------
    forward
        Maps an array of `domain_shape` to one of `range_shape`.
    adjoint
        Maps back; ``<forward(x), y> == <x, adjoint(y)>``.
    domain_shape, range_shape
        Shapes on either side.
    """

    forward: Callable[[Block], Block]
    adjoint: Callable[[Block], Block]
    domain_shape: tuple[int, ...]
    range_shape: tuple[int, ...]
