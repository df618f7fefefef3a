import numpy as np
import pandas as pd
import pytest

from stemedx.figures.spheres import (
    equal_area,
    share_table,
    shares_figure,
    sphere_map,
    thickness_figure,
    uncovered,
)

THETA = np.arange(-90.0, 91.0)
PHI = np.arange(0.0, 360.0)
CAP_DEG = 40.0  # half-angle of the bare cap around +y


@pytest.fixture
def rays():
    theta, phi = np.meshgrid(THETA, PHI, indexing="ij")
    shell = np.where(theta > 90 - CAP_DEG, 0.0, 1.6)
    core = 2.0 + 0.5 * np.sin(np.deg2rad(phi))
    return pd.DataFrame(
        {"theta_deg": theta.ravel(), "phi_deg": phi.ravel(),
         "Se_nm": core.ravel(), "S_nm": shell.ravel()}
    )  # fmt: skip


@pytest.fixture
def statistics():
    bare = 50 * (1 - np.cos(np.deg2rad(CAP_DEG)))
    rows = [(1, "Se", 2.0, 0.35, 0.0), (1, "S", 1.41, 0.51, bare)]
    names = ["particle", "element", "mean_nm", "std_nm", "uncovered_percent"]
    return pd.DataFrame(rows, columns=names)


def test_equal_areas_are_equally_large(rays):
    flat = equal_area(sphere_map(rays, "S"))
    inside = np.isfinite(flat)
    assert inside.sum() == pytest.approx(
        4 * np.pi * (180 / np.pi) ** 2, rel=0.005
    )  # rows are whole
    bare = (flat[inside] == 0).sum() / inside.sum()
    assert bare == pytest.approx((1 - np.cos(np.deg2rad(CAP_DEG))) / 2, abs=0.005)  # half a row
    assert np.isfinite(flat[90]).all()
    assert np.isfinite(flat[0]).sum() <= 2


def test_the_map_is_not_mirrored(rays):
    flat = equal_area(sphere_map(rays, "Se"))
    assert flat[90, 90] == flat[90].max()  # phi = 90, a quarter from the left
    assert flat[90, 270] == flat[90].min()
    assert np.nanmin(equal_area(sphere_map(rays, "S"))[-5]) == 0  # theta = 86, below


def test_the_uncovered_are_the_thinnest(rays, statistics):
    bare = uncovered(sphere_map(rays, "S"), THETA, statistics["uncovered_percent"][1])
    np.testing.assert_array_equal(bare, np.repeat((THETA > 50)[:, None], 360, axis=1))
    assert not uncovered(sphere_map(rays, "Se"), THETA, 0.0).any()


def test_maps_tell_nm_and_share(rays, statistics, text_of):
    figure = thickness_figure([rays], statistics, ["Se", "S"], "sirt: thickness")
    said = text_of(figure)
    for text in ("S: 1.41 ± 0.51 nm", "uncovered 11.7 % of the sphere", "thickness (nm)", "90°"):
        assert text in said
    assert "particle 1" in said
    assert len(figure.axes[1].collections) > len(figure.axes[0].collections)  # the line round it


def test_a_particle_without_an_element_can_be_drawn(rays, statistics):
    rays["S_nm"] = 0.0
    statistics.loc[1, "uncovered_percent"] = 100.0
    assert thickness_figure([rays, rays], pd.concat([statistics, statistics.assign(particle=2)]),
                            ["Se", "S"], "sirt").axes  # fmt: skip


def test_shares_add_up_and_weigh_by_area(rays, text_of):
    table = share_table([rays, rays], ["Se", "S"])
    assert table.groupby("particle")[["Se", "S"]].sum().to_numpy() == pytest.approx(100, abs=0.1)
    bare = table.loc[(table["particle"] == 2) & (table["from_nm"] == 0), "S"].item()
    assert bare == pytest.approx(50 * (1 - np.cos(np.deg2rad(CAP_DEG))), abs=0.5)  # half a row
    figure = shares_figure(table, ["Se", "S"], "sirt")
    assert figure.axes[-1].get_xlabel() == "thickness (nm)"
    assert "share of the sphere (%)" in text_of(figure)
