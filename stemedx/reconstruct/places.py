"""Where a problem is solved: on the CPU by compiled kernels, or on a GPU by torch."""

import ctypes
import logging
from collections.abc import Callable
from typing import TypeVar

from stemedx.project.place import HOST, Place

log = logging.getLogger(__name__)
# Voxels of all elements. Fewer are solved on the CPU in the seconds that it takes to import torch
# and to start a GPU: docs/decisions/0014-solvers-on-a-device.md
WORTH_A_DEVICE = 300_000
Found = TypeVar("Found")


def place_of(device: str, n_values: int) -> Place:
    """Return where to solve a problem.

    Parameters
    ----------
    device
        ``auto`` (a GPU where there is one, if the problem is worth it), ``cpu`` or ``cuda``.
    n_values
        Voxels of the volumes, all elements together.

    Raises
    ------
    ValueError
        If CUDA is asked for and there is none, or the name is another.
    """
    if device == "cpu" or (device == "auto" and (n_values < WORTH_A_DEVICE or not has_driver())):
        return HOST
    # these import torch, which takes seconds
    from stemedx.networks.device import to_device  # noqa: PLC0415
    from stemedx.project.on_device import OnDevice  # noqa: PLC0415

    chosen = to_device(device)
    return HOST if chosen.type == "cpu" else OnDevice(chosen)


def has_driver() -> bool:
    """Tell whether there is a driver of CUDA: without it, torch need not be asked."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def solved_at(place: Place, solve: Callable[[Place], Found], device: str) -> Found:
    """Return what `solve` finds at a place; on the CPU if the memory of an ``auto`` one is full.

    Raises
    ------
    MemoryError
        If the memory of a device that was asked for by name is full.
    """
    if place is HOST:
        return solve(place)
    from torch import OutOfMemoryError  # noqa: PLC0415 # imported already

    try:
        return solve(place)
    except OutOfMemoryError as error:
        if device != "auto":
            raise MemoryError(
                f"device: expected a GPU with memory for this problem, found it full "
                f"({str(error).partition('.')[0]}). Set `device: auto` or `device: cpu`, or end "
                "what else works on it."
            ) from error
    log.warning("the memory of the GPU is too small for this problem: solved on the CPU, which "
                "takes longer")  # fmt: skip
    return solve(HOST)
