"""Where a problem is solved, and methods that work there."""

import ctypes
import subprocess
import sys

import numpy as np
import pytest
import torch

from stemedx.project.geometry import Geometry
from stemedx.project.on_device import OnDevice
from stemedx.project.place import HOST
from stemedx.project.projector import projector
from stemedx.reconstruct import places
from stemedx.reconstruct.calibration import first_calibration
from stemedx.reconstruct.expectation import mlem
from stemedx.reconstruct.measured import Measured
from stemedx.reconstruct.places import WORTH_A_DEVICE, place_of, solved_at
from stemedx.reconstruct.simultaneous import sirt
from stemedx.reconstruct.slabs import solve_by_slabs

TILT_DEG = np.array([-50.0, -10.0, 35.0, 60.0])
ROTATION_DEG = np.array([0.0, 12.0, -5.0, 0.0])
SHIFT_PX = np.array([(0.3, 0.0), (0.0, -0.7), (0.0, 0.4), (0.0, 0.0)])
ALIGNED = Geometry(TILT_DEG, 6, 9)
MOVED = Geometry(TILT_DEG, 6, 9, ROTATION_DEG, SHIFT_PX)


@pytest.fixture
def with_gpu(monkeypatch):
    monkeypatch.setattr(places, "has_driver", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


def test_large_problems_are_solved_on_a_gpu_where_there_is_one(with_gpu):
    assert place_of("auto", WORTH_A_DEVICE).name == "cuda"
    assert place_of("auto", WORTH_A_DEVICE - 1) is HOST
    assert place_of("cuda", 1).name == "cuda"
    assert place_of("cpu", 10 * WORTH_A_DEVICE) is HOST


def test_a_driver_without_a_device_is_no_gpu(monkeypatch):
    monkeypatch.setattr(places, "has_driver", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert place_of("auto", WORTH_A_DEVICE) is HOST


def test_a_missing_gpu_that_is_asked_for_is_told(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="expected a CUDA device .* found none"):
        place_of("cuda", 1)


def test_a_driver_is_a_library_that_loads(monkeypatch):
    asked = []
    monkeypatch.setattr(ctypes, "CDLL", asked.append)
    assert places.has_driver()
    assert asked == ["libcuda.so.1"]

    def missing(name):
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert not places.has_driver()


def test_without_a_driver_torch_is_not_imported():
    """It takes seconds; solvers on the CPU have no use for it."""
    lines = (
        "import sys",
        "from stemedx.stages import reconstruct",
        "from stemedx.reconstruct import fusion, places, poisson_tv, sirt, tv",
        "places.has_driver = lambda: False",
        "assert places.place_of('auto', 10**9).name == 'cpu'",
        "sys.exit('torch' in sys.modules)",
    )
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)


def full(place):
    if place is HOST:
        return "solved"
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has")


def test_a_full_device_is_given_up_for_the_cpu(caplog):
    assert solved_at(OnDevice(torch.device("cpu")), full, "auto") == "solved"
    assert "memory of the GPU is too small for this problem: solved on the CPU" in caplog.text


def test_a_full_device_that_was_asked_for_is_told():
    with pytest.raises(MemoryError, match=r"found it full \(CUDA out of memory\).*`device: auto`"):
        solved_at(OnDevice(torch.device("cpu")), full, "cuda")


def test_other_errors_are_not_taken_for_a_full_device():
    def broken(place):
        if place is HOST:
            return "solved"
        raise RuntimeError("no memory of this")

    with pytest.raises(RuntimeError, match="no memory of this"):
        solved_at(OnDevice(torch.device("cpu")), broken, "auto")


@pytest.mark.parametrize("geometry", [ALIGNED, MOVED], ids=["aligned", "moved"])
def test_sirt_on_a_device_is_that_of_numpy(geometry, device_place, rng):
    maps = rng.random((2, 4, 6, 9), np.float32)

    def solve(operator, data):
        return sirt(operator, data, 25)

    here = solve_by_slabs(solve, maps, geometry)
    there = solve_by_slabs(solve, maps, geometry, device_place)
    # rounding of float32 over 25 iterations
    assert there == pytest.approx(here, abs=1e-5 * float(here.max()))


@pytest.mark.parametrize("signal", ["counts", "hits"])
def test_mlem_on_a_device_is_that_of_numpy(signal, device_place, rng):
    maps = rng.poisson(0.4, (2, 4, 6, 9))
    maps = np.minimum(maps, 1) if signal == "hits" else maps
    nothing, weight = np.zeros((2, 4)), rng.random((4, 6, 9)).astype(np.float32)
    weight[0] = 0
    measured = Measured(maps, MOVED, signal, nothing + 1, nothing + 0.02, weight)
    calibration = first_calibration(measured)
    here, there = (
        mlem(projector(MOVED, 2, place), measured, calibration, start=None, n_iterations=25)
        for place in (HOST, device_place)
    )
    # rounding of float32 over 25 iterations
    assert there == pytest.approx(here, abs=1e-5 * float(here.max()))
