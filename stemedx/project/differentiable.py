"""Projection inside a torch computation: its gradient is the exact transpose."""

from typing import Any, no_type_check

import torch
from torch import Tensor

from stemedx.project.blocks import (
    block_to_maps,
    block_to_volumes,
    maps_to_block,
    volumes_to_block,
)
from stemedx.project.operators import LinearOperator


class _Projection(torch.autograd.Function):
    """The sparse product on the CPU, wherever the volumes are."""

    @staticmethod
    @no_type_check
    def forward(context: Any, volumes: Tensor, operator: LinearOperator) -> Tensor:
        context.operator = operator
        maps = operator.forward(volumes_to_block(volumes.detach().cpu().numpy()))
        return torch.from_numpy(block_to_maps(maps)).to(volumes.device)

    @staticmethod
    @no_type_check
    def backward(context: Any, slope: Tensor) -> tuple[Tensor, None]:
        back = context.operator.adjoint(maps_to_block(slope.cpu().numpy()))
        return torch.from_numpy(block_to_volumes(back)).to(slope.device), None


def project_tensor(volumes: Tensor, operator: LinearOperator) -> Tensor:
    """Return the projections of volumes, with a gradient.

    Parameters
    ----------
    volumes
        ``(element, z, y, x)`` float32, on any device.
    operator
        From ``(z, x, y, element)`` to ``(tilt, x, y, element)``.

    Returns
    -------
    maps
        ``(element, tilt, y, x)`` on the same device.
    """
    return _Projection.apply(volumes, operator)  # type: ignore[no-any-return, no-untyped-call]
