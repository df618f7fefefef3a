import numpy as np
import pytest
from scipy import ndimage

from stemedx.align.doubts import repeated, turned_axis, wrong_signs
from stemedx.align.refine import Views
from tests.align.ellipsoids import CHAIN, DOT, TILTS, project_ellipsoids

LEVEL = np.zeros((len(TILTS), 2))
# Not a mirror image of itself: seen from +tilt and from -tilt it differs.
LOPSIDED = (*CHAIN, ((9.0, 5.0, 9.0), (4.0, 4.0, 4.0), 1.5))


@pytest.fixture
def images(rng):
    shifts = rng.uniform(-3, 3, LEVEL.shape)
    return ndimage.gaussian_filter(project_ellipsoids(CHAIN, shifts), (0, 1, 1)).astype(np.float32)


def test_an_axis_along_x_is_told(images):
    turned = np.ascontiguousarray(np.rot90(images, axes=(1, 2)))
    assert turned_axis(images, TILTS, 10.0) is None
    assert "set tilt_axis_deg to 90 in the sheet" in turned_axis(turned, TILTS, 10.0)


@pytest.mark.parametrize("negated", [(), (1,), (6, 7)])
def test_tilts_of_the_wrong_sign_are_named(negated):
    tilt_deg = TILTS + 2.0  # so that no tilt is the negative of another
    images = project_ellipsoids(LOPSIDED, LEVEL, tilts=tilt_deg).astype(np.float32)
    said = tilt_deg.copy()
    said[list(negated)] *= -1
    views = Views(images[None], 1, np.ones_like(images), said, np.zeros(len(said)))
    told = wrong_signs(views, LEVEL)
    if not negated:
        assert told is None
    else:
        named = ", ".join(f"{said[n]:g}" for n in negated)
        assert f"fit better with the other sign: {named} deg" in told


def test_a_tilt_that_is_there_twice_and_a_copied_map_are_told(rng):
    maps = rng.poisson(1.0, (2, 4, 5, 6)).astype(np.uint16)
    assert repeated(maps, np.array([-10.0, 0.0, 10.0, 20.0])) == []
    (told,) = repeated(maps, np.array([-10.0, 0.0, 0.0, 20.0]))
    assert "these tilts are there twice: 0 deg. Both maps are used" in told
    maps[:, 3] = maps[:, 1]
    (told,) = repeated(maps, np.array([-10.0, 0.0, 10.0, 20.0]))
    assert "the maps at 0 and 20 deg are the same, photon for photon" in told
    maps[1, 3, 2, 2] += 1
    assert repeated(maps, np.array([-10.0, 0.0, 10.0, 20.0])) == []


def test_a_round_dot_tells_no_signs():
    views = Views(
        project_ellipsoids(DOT[:1], LEVEL).astype(np.float32)[None],
        1,
        np.ones((9, 50, 44), np.float32),
        TILTS,
        np.zeros(9),
    )
    assert wrong_signs(views, LEVEL) is None
