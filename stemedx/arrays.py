"""The kinds of array the library passes around, by name.

Axis names, in storage order: ``element tilt frame detector z y x energy``. The beam travels
along +z, the tilt axis is y. See docs/conventions.md.
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Float64, Integer, Real, Shaped, UInt8

TiltAngles = Float64[np.ndarray, " tilt"]  # degrees
PerTilt = Float64[np.ndarray, " tilt"]
Rows = Float64[np.ndarray, "tilt y"]  # one number per row of each image
Shifts = Float64[np.ndarray, "tilt 2"]  # (y, x), pixels
Counts = Integer[np.ndarray, "*axes"]  # detected photons, never rescaled
Rate = Float32[np.ndarray, "*axes"]  # expected photons
ElementMaps = Integer[np.ndarray, "element tilt y x"]  # photons per pixel
MeasuredMaps = Real[np.ndarray, "element tilt y x"]  # counts, or intensities
Rates = Float32[np.ndarray, "element tilt y x"]  # expected photons per pixel
PatchArray = Real[np.ndarray, "patch channel rows columns"]  # of one batch
RatesPerMap = Float64[np.ndarray, "element tilt #y #x"]  # or one number per map
ByElement = Float64[np.ndarray, " element"]
ByShare = Float64[np.ndarray, " share"]  # of a voxel, by phase
MixingMatrix = Float64[np.ndarray, "seen share"]  # what of each share each map sees
Series = Real[np.ndarray, "tilt y x"]  # one image per tilt
Image = Real[np.ndarray, "y x"]
Blocks = Real[np.ndarray, "block_y block_x"]  # sums over parts of an image
Frames = Real[np.ndarray, "frame y x"]  # of one 2-D acquisition
WiderFrameMaps = Real[np.ndarray, "element frame wide_y wide_x"]  # of all frames' fields
WiderFrames = Real[np.ndarray, "frame wide_y wide_x"]
FrameShifts = Float64[np.ndarray, "frame 2"]  # (y, x), pixels
WholeShifts = Integer[np.ndarray, "frame 2"]  # (y, x), pixels
PerFrame = Float64[np.ndarray, " frame"]
Profile = Float[np.ndarray, " n"]
Angles = Float64[np.ndarray, " angle"]  # degrees
Modes = np.ndarray  # complex (channel, wave, mode), see align/one_specimen.py
Kernels = Float64[np.ndarray, "*channel wave mode mode"]
Spread = np.ndarray  # real, axes said where it is used
ShellCounts = Integer[np.ndarray, " shell"]  # Fourier coefficients
Volume = Float32[np.ndarray, "z y x"]  # count/nm, or count per voxel in solvers
CoarseVolume = Float32[np.ndarray, "coarse_z coarse_y coarse_x"]  # means over cubes
Volumes = Float32[np.ndarray, "element z y x"]
Points = Float32[np.ndarray, "3 point"]  # (z, y, x) from the centre, pixels
Labels = UInt8[np.ndarray, " point"]  # number of a material, 0 is vacuum
MaterialShares = Float64[np.ndarray, "material tilt y x"]  # path in each, pixels
Gains = Float64[np.ndarray, "element tilt"]  # factors on expected photons
Places = Integer[np.ndarray, " place"]  # numbers of entries of a flat array
Mask = np.ndarray  # boolean, axes said where it is used
ElementCounts = Integer[np.ndarray, "element y x"]  # photons of one tilt
Spectra = Integer[np.ndarray, "y x energy"]  # photons per channel
SparseValues = Integer[np.ndarray, " entry"]  # what a sparse matrix stores
SparseEnds = Integer[np.ndarray, " row"]  # where the entries of each row end
FrameCounts = Integer[np.ndarray, "element frame detector"]  # photons of one tilt
ByFrame = Real[np.ndarray, " _frame"]  # as many as a tilt has
SphereMap = Float[np.ndarray, "theta phi"]  # one value per direction
Point = Float64[np.ndarray, " 3"]  # (z, y, x), voxels
Pixels = Real[np.ndarray, "..."]  # one value per pixel, of any number of maps
Block = Float32[np.ndarray, "..."]  # solver layout, see project/blocks.py
Held = Float32[Any, "..."]  # the same where a solver holds it, see project/place.py
HeldAny = Shaped[Any, "..."]  # of any type, such as masks
PixelPairs = Float[np.ndarray, "pixel pixel"]  # of all tilts of one slice
Pictures = Real[np.ndarray, "element down across"]  # the same place in every element
PictureRGB = Float64[np.ndarray, "down across 3"]  # 0 to 1
Corners = Float32[np.ndarray, "corner 3"]  # of the triangles of a surface, (z, y, x), nm
Triangles = Integer[np.ndarray, "triangle 3"]  # numbers of their corners
Spectrum = Real[np.ndarray, " channel"]  # photons, or energies, by channel
Columns = Float64[np.ndarray, "channel column"]  # shares of photons by channel
PerColumn = Float64[np.ndarray, " column"]
Covariance = Float64[np.ndarray, "column column"]
OfResponse = Float64[np.ndarray, "number number"]
PerElement = Float64[np.ndarray, " element"]
PerMap = Float64[np.ndarray, "element tilt"]  # one number per map
Ties = Float64[np.ndarray, "tie column"]
Shares = Float64[np.ndarray, "element family"]  # of the photons of a family
ChannelWeights = Float64[np.ndarray, "channel element"]
TiltSpectra = Real[np.ndarray, "tilt channel"]  # photons, all pixels of a tilt
FrameMaps = Real[np.ndarray, "element frame y x"]  # of one 2-D acquisition
Bootstrapped = Float32[np.ndarray, "bootstrap element y x"]  # means of some frames
CommonFrames = Real[np.ndarray, "element frame common_y common_x"]  # where all have scanned
Layers = Float32[np.ndarray, "layer _rows _columns"]  # of the same place
Scanned = Integer[np.ndarray, "frame y x"]  # 1 where a frame has scanned
ElementImages = Real[np.ndarray, "element y x"]  # photons of one map of each element
ElementRates = Float32[np.ndarray, "element y x"]  # expected photons of the same
MapShape = tuple[int, ...]  # (tilt, y, x)
Guides = Float32[np.ndarray, "guide tilt y x"]  # images seen beside element maps
StackedFrames = Real[np.ndarray, "element_frame 1 y x"]  # all frames of an element side by side
