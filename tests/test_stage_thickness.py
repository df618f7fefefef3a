import logging

import numpy as np
import pandas as pd
import pytest

from stemedx import store
from stemedx.params import ThicknessParams
from stemedx.stages import thickness

PARAMS = ThicknessParams(min_particle_nm=4.0)


def write_volume(path, values):
    store.write_volumes(
        path,
        values.astype(np.float32),
        elements=["Se", "S"],
        pixel_nm=0.8,
        units="count/nm",
        tilt_deg=[-40.0, 0.0, 30.0],
    )


def shell(shape=(20, 26, 22), centre=(9.2, 14.1, 10.4)):
    offset = np.indices(shape) - np.array(centre)[:, None, None, None]
    radius = np.linalg.norm(offset, axis=0)
    return np.stack([radius < 4, (radius >= 4) & (radius < 7.5)])


@pytest.fixture
def volume(tmp_path):
    write_volume(tmp_path / "sirt.ome.zarr", shell())
    return tmp_path / "sirt.ome.zarr"


def test_tables_say_what_they_are(tmp_path, volume):
    thickness.run(PARAMS, volume=volume, thickness=tmp_path / "sirt")
    rays = pd.read_csv(tmp_path / "sirt" / "particle_1.csv")
    assert list(rays.columns) == ["theta_deg", "phi_deg", "Se_nm", "S_nm"]
    assert rays.shape == (181 * 360, 4)
    assert (rays.theta_deg.iloc[[0, -1]].tolist(), rays.phi_deg.max()) == ([-90.0, 90.0], 359.0)
    found = pd.read_csv(tmp_path / "sirt" / "statistics.csv")
    assert list(found.columns) == list(thickness.COLUMNS)
    assert found[["particle", "element"]].values.tolist() == [[1, "Se"], [1, "S"]]
    assert found.mean_nm.tolist() == pytest.approx([0.8 * 4, 0.8 * 3.5], abs=0.2)  # 1/4 voxel
    assert found.center_y_nm[0] == pytest.approx(0.8 * 14.1, abs=0.1)  # 1/8 voxel: hard edges
    assert not found.touches_edge.any()


def test_the_core_can_be_chosen(tmp_path, volume):
    values = shell()
    values[1, :, 14:] = False  # half a shell: its centre of mass is off the core's
    write_volume(volume, values)
    chosen = ThicknessParams(min_particle_nm=4.0, core="S")
    thickness.run(chosen, volume=volume, thickness=tmp_path / "sirt")
    found = pd.read_csv(tmp_path / "sirt" / "statistics.csv")
    assert found.center_y_nm[0] < 0.8 * 13


def test_no_particle_is_said_and_leaves_the_header(tmp_path, caplog):
    write_volume(tmp_path / "sirt.ome.zarr", np.zeros((2, 5, 6, 7)))
    with caplog.at_level(logging.WARNING):
        thickness.run(PARAMS, volume=tmp_path / "sirt.ome.zarr", thickness=tmp_path / "sirt")
    assert "no particle of 4 nm or more" in caplog.text
    assert (tmp_path / "sirt" / "statistics.csv").read_text() == ",".join(thickness.COLUMNS) + "\n"
    assert not (tmp_path / "sirt" / "particle_1.csv").exists()


def test_a_particle_without_core_is_left_out_and_said(tmp_path, volume, caplog):
    values = shell()
    values[0] = False
    write_volume(volume, values)
    with caplog.at_level(logging.WARNING):
        thickness.run(PARAMS, volume=volume, thickness=tmp_path / "sirt")
    assert "1 particles have nothing of the core's element" in caplog.text


def test_a_core_that_is_not_there_is_refused(tmp_path, volume):
    with pytest.raises(ValueError, match="core's element 'Zn', found Se, S. Set thickness.core"):
        thickness.run(ThicknessParams(core="Zn"), volume=volume, thickness=tmp_path / "sirt")
