from datetime import datetime

import mrcfile
import numpy as np
import pytest

from stemedx import store
from stemedx.params import ExportParams
from stemedx.stages import export

PIXEL_NM = 0.8


@pytest.fixture
def volumes(rng):
    return rng.random((2, 3, 4, 8), np.float32)


@pytest.fixture
def paths(tmp_path, volumes):
    path = tmp_path / "sirt.ome.zarr"
    attrs = {"elements": ["Se", "S"], "pixel_nm": PIXEL_NM, "units": "count/nm", "method": "sirt"}
    store.write_volumes(path, volumes, **attrs)
    return {"volume": path, "mrc": tmp_path / "sirt_S.mrc"}


def test_mrc_holds_the_volume_its_voxel_size_and_what_it_is(paths, volumes):
    export.run(ExportParams(), element="S", **paths)
    assert mrcfile.validate(paths["mrc"])
    with mrcfile.open(paths["mrc"]) as file:
        assert np.array_equal(file.data, volumes[1])
        assert file.data.dtype == np.float32
        assert file.is_volume()
        size = file.voxel_size
        assert [size.x, size.y, size.z] == pytest.approx([8.0] * 3)  # angstrom
        assert file.get_labels() == ["stemedx: S, sirt, count/nm"]
        assert (file.header.dmin, file.header.dmax) == (volumes[1].min(), volumes[1].max())


def test_the_same_volume_gives_the_same_bytes_at_another_time(paths, monkeypatch):
    class LongAgo(datetime):
        @classmethod
        def now(cls):
            return cls(1931, 3, 9)

    export.run(ExportParams(), element="Se", **paths)
    first = paths["mrc"].read_bytes()
    monkeypatch.setattr("mrcfile.mrcobject.datetime", LongAgo)
    export.run(ExportParams(), element="Se", **paths)
    assert paths["mrc"].read_bytes() == first


def test_nothing_else_is_left_behind(paths):
    export.run(ExportParams(), element="Se", **paths)
    assert {path.name for path in paths["mrc"].parent.iterdir()} == {"sirt.ome.zarr", "sirt_S.mrc"}


def test_an_element_that_the_store_lacks_is_refused(paths):
    with pytest.raises(ValueError, match="expected a volume of Zn, found Se, S"):
        export.run(ExportParams(), element="Zn", **paths)
