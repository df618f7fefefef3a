"""Where each kind of number that describes maps of bodies stands in one vector."""

import numpy as np

from stemedx.align.bodies import N_NUMBERS
from stemedx.arrays import Spread

N_BODIES = 2  # a shell and its core


class Layout:
    """The vector of all numbers, in parts."""

    def __init__(self, n_channels: int, n_tilts: int) -> None:
        self.shapes = {
            "turn": (1,),
            "shift": (n_tilts, 2),
            "body": (N_BODIES, N_NUMBERS),
            "density": (n_channels, N_BODIES),
            "gain": (n_channels, n_tilts),
            "offset": (n_channels, n_tilts),
        }
        sizes = [int(np.prod(shape)) for shape in self.shapes.values()]
        ends = np.cumsum(sizes)
        self.size = int(ends[-1])
        self.at = {
            name: np.arange(end - size, end).reshape(shape)
            for (name, shape), size, end in zip(self.shapes.items(), sizes, ends, strict=True)
        }

    def vector(self, **parts: Spread) -> Spread:
        """Return a vector with these parts; the rest is 0."""
        found = np.zeros(self.size)
        for name, values in parts.items():
            found[self.at[name]] = values
        return found
