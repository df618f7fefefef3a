import numpy as np
import pytest

from stemedx import store
from stemedx.params import PhantomParams, SimulateParams
from stemedx.stages import simulate

PARAMS = SimulateParams(
    seed=5,
    phantoms={
        name: PhantomParams(shape="core_shell", size_px=16, pixel_nm=0.8, tilts="-40:50:45")
        for name in ("a", "b")
    },
)


@pytest.fixture
def places(tmp_path):
    return {"raw": tmp_path / "simulated/a", "truth": tmp_path / "truth/a.ome.zarr"}


def test_one_spectrum_image_and_one_haadf_per_tilt(places):
    simulate.run(PARAMS, phantom="a", **places)
    names = sorted(path.name for path in places["raw"].iterdir())
    edx = ["EDX_-40.hspy", "EDX_5.hspy", "EDX_50.hspy"]
    assert names == [*edx, *(name.replace("EDX", "HAADF") for name in edx)]
    volumes, attrs = store.read_volumes(places["truth"])
    assert volumes.shape == (3, 16, 16, 16)
    assert (attrs["units"], attrs["pixel_nm"]) == ("count/nm", 0.8)
    assert attrs["elements"] == ["Se", "S", "Zn"]
    made_by = attrs["made_by"]
    assert made_by["shape"]["uncovered_percent"] == 7.0
    assert len(made_by["shifts_px"]) == 3
    assert np.shape(made_by["gains"]) == (3, 3)
    # golden: a refactoring that changes what is drawn cannot pass unseen
    assert made_by["counts"] == {"Se": 15, "S": 39, "Zn": 49}


def test_phantoms_of_one_shape_are_not_copies(places, tmp_path):
    simulate.run(PARAMS, phantom="a", **places)
    other = tmp_path / "truth/b.ome.zarr"
    simulate.run(PARAMS, phantom="b", raw=tmp_path / "simulated/b", truth=other)
    assert (store.read_volumes(places["truth"])[0] != store.read_volumes(other)[0]).any()


def test_same_seed_same_bytes(places, tmp_path):
    simulate.run(PARAMS, phantom="a", **places)
    again = tmp_path / "again/a"
    simulate.run(PARAMS, phantom="a", raw=again, truth=tmp_path / "again/a.ome.zarr")
    for path in places["raw"].iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes()
