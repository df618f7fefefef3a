"""What the primal-dual solver minimises: maps, likelihood, penalty, constraint."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from stemedx.arrays import Held, Mask
from stemedx.project.operators import LinearOperator
from stemedx.reconstruct import kernels
from stemedx.reconstruct.likelihoods import Likelihood

LARGEST = 10.0  # volumes are scaled so that solid matter is about 1


@dataclass(frozen=True)
class Constraint:
    """Where the values of a voxel may lie.

    Attributes
    ----------
    move_plane, unmet_plane
        Compiled: the step of a plane into the set; what the set takes from the bound.
    largest
        Of one value in a box, of their sum in a simplex.
    """

    move_plane: Callable[..., None]
    unmet_plane: Callable[..., float]
    largest: float


BOX = Constraint(kernels.primal_plane, kernels.unmet_plane, LARGEST)
SIMPLEX = Constraint(kernels.simplex_plane, kernels.unmet_of_simplex_plane, 1.0)


@dataclass(frozen=True, eq=False)
class Problem:
    """Maps, what is known of how they came about, and the penalty.

    The expected photons of a pixel are ``factor * (A x) + background``; x is the
    volume in units of `scale`, so that elements of any yield have edges of one height.

    Parameters
    ----------
    operator
        The A, from ``(z, x, y, element)`` to ``(tilt, x, y, element)``. It may mix the
        elements, as long as ones project to the same path length in each.
    counts
        ``(tilt, x, y, element)`` float32 photons, hits or rates.
    weight
        ``(tilt, x, y)`` from 0, not to be used, to 1.
    factor, background
        ``(tilt, element)`` float32: gain times scale, and photons per pixel, > 0.
    likelihood
        Of the counts.
    tv_weight
        Nat per unit of total variation.
    group
        ``(element)`` integers: elements of a group share the edges.
    constraint
        On the values of each voxel.
    slope
        ``(z, x, y, element)`` of a linear term, nat; None for no such term.
    inside
        ``(z, x, y)`` voxels that may differ from 0; None for all.
    edges
        ``(axis, z, x, y)`` vectors shorter than 1 across edges that are known: of steps to
        the next voxels, what lies along one costs less, by its square. 0 along an axis
        where there is no next voxel. None for no edges.
    """

    operator: LinearOperator
    counts: Held
    weight: Held
    factor: Held
    background: Held
    likelihood: Likelihood
    tv_weight: float
    group: np.ndarray
    constraint: Constraint = BOX
    slope: Held | None = None
    inside: Mask | None = None
    edges: Held | None = None

    @property
    def photons(self) -> float:
        """How many photons the maps hold."""
        n = self.counts.shape[-1] - self.likelihood.n_images
        return float((self.counts[..., :n] * self.weight[..., None]).sum(dtype=np.float64))

    def at_its_place(self) -> "Problem":
        """Return the same with the arrays where the operator works."""
        place, operator = self.operator.place, self.operator.resident
        names = ("counts", "weight", "factor", "background", "slope", "edges")
        given = {name: getattr(self, name) for name in names}
        moved = {name: place.put(each) for name, each in given.items() if each is not None}
        return replace(self, operator=operator, **moved)
