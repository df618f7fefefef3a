"""ETSpy's own alignments of a tilt series: run by an interpreter that has ETSpy.

    python bench/etspy_peer.py HAADF.mrc shifts.npz

Writes for each pair of its methods ``(tilt, axis)`` shifts (down, right) and the three
numbers of its tilt axis (rotation, move right, move down).
"""

import sys

import etspy.api as etspy
import numpy as np

REGISTER = ("PC", "StackReg", "COM-CL", "COM")
AXIS = ("CoM", "MaxImage")

stack = etspy.load(sys.argv[1])
found = {}
for method in REGISTER:
    registered = stack.deepcopy().stack_register(method)
    for axis in AXIS:
        aligned = registered.deepcopy().tilt_align(axis)
        told = aligned.metadata.Tomography
        found[f"{method}+{axis}"] = np.concatenate(
            [
                np.asarray(aligned.shifts.data, float).reshape(-1, 2),
                [[told.tiltaxis, np.nan], [told.xshift, told.yshift]],
            ]
        )
np.savez(sys.argv[2], **found)
