"""The projector inside a torch computation."""

import numpy as np
import torch

from stemedx.project.blocks import block_to_maps, block_to_volumes, maps_to_block, volumes_to_block
from stemedx.project.differentiable import project_tensor
from stemedx.project.geometry import Geometry
from stemedx.project.projector import projector

GEOMETRY = Geometry(
    np.array([-50.0, 10.0, 35.0]),
    4,
    7,
    np.array([0.0, 12.0, -5.0]),
    np.array([(0.3, 0), (0, -0.7), (0, 0.4)]),
)


def test_its_gradient_is_the_transpose(rng):
    operator = projector(GEOMETRY, 2)
    volumes = rng.random((2, 7, 4, 7), np.float32)
    slope = rng.standard_normal((2, 3, 4, 7), np.float32)
    given = torch.from_numpy(volumes).requires_grad_()
    maps = project_tensor(given, operator)
    (maps * torch.from_numpy(slope)).sum().backward()
    expected = block_to_maps(operator.forward(volumes_to_block(volumes)))
    assert np.array_equal(maps.detach().numpy(), expected)
    back = block_to_volumes(operator.adjoint(maps_to_block(slope)))
    assert given.grad is not None
    assert np.array_equal(given.grad.numpy(), back)


def test_finite_differences_agree(rng):
    operator = projector(GEOMETRY, 1)
    volumes = torch.from_numpy(rng.random((1, 7, 4, 7), np.float32) + 0.5).requires_grad_()
    step = torch.from_numpy(rng.standard_normal((1, 7, 4, 7), np.float32))

    def loss(at):
        return project_tensor(at, operator).square().sum()

    loss(volumes).backward()
    change = (loss(volumes.detach() + 0.01 * step) - loss(volumes.detach() - 0.01 * step)) / 0.02
    # exact for a square but for rounding: sums of some 100 in float32, over 0.02
    assert float((volumes.grad * step).sum()) == np.float32(change) or np.isclose(
        float((volumes.grad * step).sum()), float(change), rtol=1e-2
    )
