"""The kinds of torch tensor, by name. See arrays.py."""

from jaxtyping import Float32
from torch import Tensor

Patches = Float32[Tensor, "patch channel y x"]  # photons per pixel, or features of them
Features = Float32[Tensor, "patch _channel y x"]  # whose number changes on the way
PerMap = Float32[Tensor, "patch channel 1 1"]  # one number for each map
PerPixel = Float32[Tensor, "patch 1 y x"]  # one number for all elements
Shares = Float32[Tensor, "#patch 1 1 1"]  # fractions of the full exposure
Scalar = Float32[Tensor, ""]
VolumePatches = Float32[Tensor, "patch channel z y x"]  # parts of volumes, one channel per element
Logits = Float32[Tensor, "patch 1 _place_y _place_x"]  # of being real, for parts of a map
