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
        Maps an array of `domain_shape` to one of `range_shape`: a new one, or the
        contiguous one given as `out`. Fresh memory costs more than the product itself.
    adjoint
        Maps back, likewise; ``<forward(x), y> == <x, adjoint(y)>``.
    domain_shape, range_shape
        Shapes on either side.
    """

    forward: Callable[..., Block]
    adjoint: Callable[..., Block]
    domain_shape: tuple[int, ...]
    range_shape: tuple[int, ...]


@dataclass(frozen=True)
class Projector(LinearOperator):
    """The projector of a tilt series, and the two that it is made of.

    Parameters
    ----------
    aligned
        From volumes to aligned maps: what treats slices alike, and apart.
    warp
        Changes aligned maps, in place, into what the scan would have measured.
    unwarp
        Its exact transpose.
    """

    aligned: LinearOperator
    warp: Callable[[Block], None]
    unwarp: Callable[[Block], None]
