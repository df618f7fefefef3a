import numpy as np
import pytest

from stemedx.params import HaadfParams
from stemedx.project.blocks import block_to_maps, block_to_volumes
from stemedx.project.projector import projector
from stemedx.reconstruct.haadf import reconstruct, without_vacuum
from stemedx.reconstruct.simultaneous import sirt


def test_the_level_of_the_detector_is_taken_off_tilt_by_tilt(rng):
    level = np.array([40.0, -3.0])[:, None, None]
    images = level + rng.normal(0, 0.5, (2, 40, 50))
    images[:, 10:25, 20:45] += 12.0
    maps = without_vacuum(images[None], 11)
    # noise of the mean of 121 pixels, and the lowest of some tens of them: 3 of 0.05
    assert maps[0, :, 28:].mean(axis=(1, 2)) == pytest.approx([0, 0], abs=0.2)
    assert maps[0, :, 12:23, 22:43].mean(axis=(1, 2)) == pytest.approx([12, 12], abs=0.3)
    assert maps.min() < 0  # noise is kept as it is


def test_haadf_is_the_sirt_of_what_is_above_vacuum(geometry, volume):
    operator = projector(geometry, 1)
    projected = operator.forward(volume[..., :1].copy())
    images = block_to_maps(projected)
    assert images.min(axis=(0, 2, 3)).max() == 0  # vacuum in view at every tilt
    found = reconstruct(images + 7, geometry, HaadfParams(n_iterations=5, vacuum_px=1))
    expected = block_to_volumes(sirt(operator, projected, 5))
    assert found == pytest.approx(expected, abs=1e-5)  # float32 around 7
