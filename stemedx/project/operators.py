"""A linear operator given by two functions."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from stemedx.arrays import Block, Held
from stemedx.project.place import HOST, Place


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
    place
        Where it is computed.
    on_place
        The same of arrays that are there already; None if those of numpy are.
    """

    forward: Callable[..., Held]
    adjoint: Callable[..., Held]
    domain_shape: tuple[int, ...]
    range_shape: tuple[int, ...]
    place: Place = field(default=HOST, kw_only=True)
    on_place: "LinearOperator | None" = field(default=None, kw_only=True)

    @property
    def resident(self) -> "LinearOperator":
        """The same of arrays of its place: nothing is moved."""
        return self.on_place or self


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
        Its exact transpose. These three take arrays of the place.
    """

    aligned: LinearOperator
    warp: Callable[[Held], None]
    unwarp: Callable[[Held], None]


Operator = TypeVar("Operator", bound=LinearOperator)


def of_numpy(operator: Operator) -> Operator:
    """Return the same of arrays of numpy, which are moved to its place and back."""
    place = operator.place
    if place is HOST:
        return operator

    def moving(apply: Callable[..., Held]) -> Callable[..., Block]:
        def moved(block: Block, out: Block | None = None) -> Block:
            found = place.take(apply(place.put(block)))
            if out is None:
                return found
            out[:] = found
            return out

        return moved

    forward, adjoint = moving(operator.forward), moving(operator.adjoint)
    return replace(operator, forward=forward, adjoint=adjoint, on_place=operator)
