"""The kinds of torch tensor, by name. See arrays.py."""

from jaxtyping import Float32
from torch import Tensor

Patches = Float32[Tensor, "patch channel y x"]  # photons per pixel, or features of them
Scalar = Float32[Tensor, ""]
