"""Frames of a 2-D acquisition, once they lie on each other."""

import numpy as np

from stemedx.arrays import CommonFrames, FrameMaps, Scanned


def on_common_field(maps: FrameMaps, scanned: Scanned) -> CommonFrames:
    """Return the part of the field that every frame has scanned.

    Counts outside are left out, those inside are as they were.

    Parameters
    ----------
    maps
        ``(element, frame, y, x)`` counts, moved against drift.
    scanned
        ``(frame, y, x)`` 1 where a frame has scanned; a rectangle each.

    Raises
    ------
    ValueError
        If there is no such part.
    """
    everywhere = scanned.min(axis=0) > 0
    rows, columns = np.flatnonzero(everywhere.any(axis=1)), np.flatnonzero(everywhere.any(axis=0))
    if not len(rows):
        raise ValueError(
            "expected a field that all frames have scanned, found none. Leave out the frames that "
            "drift too far."
        )
    return maps[:, :, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
