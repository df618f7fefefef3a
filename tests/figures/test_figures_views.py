"""Bodies, their surfaces to turn, and their still picture."""

import base64
import json

import numpy as np
import plotly.graph_objects as go
import pytest

from stemedx.figures.bodies import find_bodies
from stemedx.figures.planes import find_focus
from stemedx.figures.rendering import bodies_figure, render, view_axes
from stemedx.figures.surfaces import corner_table, to_surface, view_json


@pytest.fixture
def bodies(volumes):
    focus = find_focus(volumes)
    return find_bodies(volumes, ["Se", "S"], focus=focus, pixel_nm=0.8, step=1)


def test_the_inner_body_is_solid_and_first(volumes):
    focus = find_focus(volumes)
    turned = find_bodies(volumes[::-1], ["S", "Se"], focus=focus, pixel_nm=0.8, step=1)
    assert [body.element for body in turned] == ["Se", "S"]
    assert [body.opacity for body in turned] == sorted((b.opacity for b in turned), reverse=True)
    assert turned[0].opacity == 1


def test_an_absent_element_has_no_body(volumes):
    volumes[0] = 0
    found = find_bodies(volumes, ["Se", "S"], focus=find_focus(volumes), pixel_nm=0.8, step=1)
    assert [(body.element, body.opacity) for body in found] == [("S", 1.0)]


@pytest.mark.parametrize("step", [1, 2])
def test_surfaces_are_where_the_bodies_are(volumes, step):
    focus = find_focus(volumes)
    bodies = find_bodies(volumes, ["Se", "S"], focus=focus, pixel_nm=0.8, step=step)
    surface = to_surface(bodies[1])
    centre_nm = (np.array([9.0, 18.0, 15.0]) - [11.5, 14.5, 12.5]) * 0.8
    np.testing.assert_allclose(surface.corners.mean(axis=0), centre_nm, atol=0.2)  # 1/4 voxel
    radius = np.linalg.norm(surface.corners - centre_nm, axis=1)
    assert radius.mean() == pytest.approx(7 * 0.8, abs=0.4)  # half a voxel: no voxel averages
    assert surface.triangles.max() < len(surface.corners)


def test_a_body_at_the_edge_is_closed(volumes):
    surface = to_surface(
        find_bodies(
            volumes[:, 9:], ["Se", "S"], focus=find_focus(volumes[:, 9:]), pixel_nm=0.8, step=1
        )[1]
    )
    edges = np.sort(surface.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()


def test_views_can_be_turned_and_are_in_nm(bodies):
    surfaces = [to_surface(body) for body in bodies]
    view = json.loads(view_json(surfaces, "sirt"))
    figure = go.Figure(view)  # plotly refuses what it does not know
    assert [mesh.name for mesh in figure.data] == ["Se", "S"]
    assert figure.layout.scene.aspectmode == "data"
    for axis in "xyz":
        assert "(nm)" in figure.layout.scene[f"{axis}axis"].title.text
    stored = view["data"][1]["x"]
    assert stored["dtype"] == "f4"
    x = np.frombuffer(base64.b64decode(stored["bdata"]), np.float32)
    np.testing.assert_array_equal(x, surfaces[1].corners[:, 2])
    assert view["data"][1]["i"]["dtype"] == "u2"


def test_the_table_of_corners_is_in_nm(bodies):
    surfaces = [to_surface(body) for body in bodies]
    table = corner_table(surfaces)
    assert list(table.columns) == ["element", "x_nm", "y_nm", "z_nm"]
    assert table["z_nm"].iloc[0] == surfaces[0].corners[0, 0]
    assert list(corner_table([]).columns) == list(table.columns)


def test_the_camera_is_upright_and_right_handed():
    right, up, away = view_axes()
    np.testing.assert_allclose(view_axes() @ view_axes().T, np.eye(3), atol=1e-12)  # rounding
    assert right[2] > 0.5  # +x to the right
    assert up[1] < -0.5  # y down, as in the maps
    assert away[0] > 0.5  # along the beam


def test_a_still_picture_shows_a_sphere_as_a_disc_in_its_colour(bodies):
    picture, voxels = render(bodies[1:], 120)
    shown = (picture < 0.99).any(axis=2)
    area_nm2 = shown.sum() * (voxels * 0.8) ** 2
    # The surface of whole voxels is rough by half a voxel: twice that over the radius.
    assert area_nm2 == pytest.approx(np.pi * (7 * 0.8) ** 2, rel=0.15)
    red, _, blue = picture[shown].mean(axis=0)
    assert blue > red  # the second colour is blue


def test_what_is_nearer_covers_what_is_behind(bodies):
    core, shell = bodies
    red, _, blue = render([core, shell], 60)[0][30, 30]
    assert blue > 0.05  # of the shell, which is in front; the core has no blue
    assert red > blue  # the core shines through
    assert render([core], 60)[0][30, 30, 2] == 0


def test_the_still_picture_has_a_scale_bar_and_names(bodies, text_of):
    said = text_of(bodies_figure(bodies, "sirt"))
    for text in ("sirt", "nm", "Se", "S", "x", "y", "z"):
        assert text in said
    assert "nothing to show" in text_of(bodies_figure([], "sirt"))
