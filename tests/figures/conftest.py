"""A small specimen that is off centre, with unequal sides."""

import numpy as np
import pytest
from matplotlib.text import Text

PIXEL_NM = 0.8


@pytest.fixture
def volumes():
    """Two bodies, one inside the other; the larger one off centre in every axis."""
    n_zyx, centre = (24, 30, 26), np.array([9.0, 18.0, 15.0])
    offset = np.indices(n_zyx) - centre[:, None, None, None]
    radius = np.linalg.norm(offset, axis=0)
    return np.stack([0.3 * (radius < 3), 0.7 * (radius < 7)]).astype(np.float32)


@pytest.fixture
def text_of():
    """Every text of a figure, in one string."""

    def find(figure):
        return "\n".join(artist.get_text() for artist in figure.findobj(Text))

    return find
