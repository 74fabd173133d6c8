import os
import subprocess
import sys

import numpy as np
import pytest

from foley_sim import headless_gl
from foley_sim.motion.policy import Policy
from foley_sim.physics import mjcf
from foley_sim.rendering.camera import Camera, intrinsics
from foley_sim.rendering.contact_sheet import contact_sheet
from foley_sim.scene import make_scene

SCENE = make_scene(1, "test")  # has a glass


@pytest.fixture(scope="module")
def painted():
    model = mjcf.load(SCENE)
    camera = Camera(model, SCENE.camera)
    qpos = np.zeros(model.nq)
    qpos[:3] = 0.45, 0.4, Policy(SCENE, 0).hover_z + 0.2  # out of the way
    camera.pose(qpos)
    colour, depth = camera.colour().copy(), camera.depth_mm()
    camera.close()
    return colour, depth


def _project(point):
    k, axes = intrinsics(SCENE.camera), mjcf.camera_axes(SCENE.camera)
    p = axes.T @ (np.array(point) - SCENE.camera.eye)
    u, v = (k @ p)[:2] / p[2]
    return u, v, p[2]


def test_depth_agrees_with_the_camera_model_on_every_object(painted):
    """Also where the object is of glass: one intrinsic and one pose explain all of the depth image."""
    assert "glass" in {o.material.name for o in SCENE.objects}
    _, depth = painted
    for item in SCENE.objects:
        u, v, z = _project((*item.position[:2], item.top))
        hidden = any(
            o.position[1] < item.position[1] and o.top > item.top + 0.02
            for o in SCENE.objects
            if o is not item
        )
        if not hidden:
            assert depth[round(v), round(u)] == pytest.approx(1000 * z, abs=6), item


def test_pictures_show_the_objects(painted):
    colour, depth = painted
    assert colour.shape == (240, 320, 3) and colour.dtype == np.uint8
    assert depth.shape == (240, 320) and depth.dtype == np.uint16
    assert 30 < colour.mean() < 225 and colour.std() > 10


def test_pixel_centres_follow_the_intrinsics(painted):
    """The silhouette of the tallest object lies where the pinhole says, to a pixel."""
    _, depth = painted
    k = intrinsics(SCENE.camera)
    axes = mjcf.camera_axes(SCENE.camera)
    v, u = np.mgrid[:240, :320]
    rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(k).T
    points = (rays * depth[..., None] / 1000.0) @ axes.T + SCENE.camera.eye
    item = max(SCENE.objects, key=lambda o: o.size[2])
    on_top = np.abs(points[..., 2] - item.top) < 0.003
    on_top &= np.hypot(points[..., 0] - item.position[0], points[..., 1] - item.position[1]) < max(item.size)
    assert on_top.sum() > 20
    centre = points[on_top].mean(axis=0)
    assert centre[:2] == pytest.approx(item.position[:2], abs=0.006)


def test_contact_sheet_has_a_tile_for_every_object():
    sheet = contact_sheet(SCENE, width=320, height=240)
    assert sheet.dtype == np.uint8 and sheet.shape[1] == 320 and sheet.shape[0] > 240 + 60


def test_neither_backend_gives_an_error_that_names_the_packages(monkeypatch):
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(headless_gl, "egl_trouble", lambda: "libEGL.so.1: cannot open shared object file")
    monkeypatch.setattr(headless_gl, "osmesa_trouble", lambda: "libOSMesa.so: cannot open shared object file")
    with pytest.raises(headless_gl.NoRenderer, match=r"libegl1 libegl-mesa0 libgl1-mesa-dri.*libosmesa6"):
        headless_gl.import_mujoco(draws=True)


def test_the_users_choice_of_backend_is_respected():
    script = (
        "import os; from foley_sim.headless_gl import import_mujoco as f; f(); print(os.environ['MUJOCO_GL'])"
    )
    for given, expected in (("disable", {"disable"}), ("", {"egl", "osmesa"})):
        env = {**os.environ, "MUJOCO_GL": given}
        done = subprocess.run(
            [sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=600, check=True
        )
        assert done.stdout.strip() in expected
