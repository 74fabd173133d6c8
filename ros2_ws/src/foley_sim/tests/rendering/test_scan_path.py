"""The path of the scanning camera, and that what it draws is where the path says."""

import numpy as np
import pytest

from foley_sim.headless_gl import import_mujoco
from foley_sim.physics import mjcf
from foley_sim.rendering.camera import Camera, intrinsics
from foley_sim.rendering.scan_path import ScanPath
from foley_sim.scene import make_scene

SCENE = make_scene(1, "test")
PATH = ScanPath(20.0)


def project(eye, axes, points):
    """Pixels [n, 2] and depth [n]."""
    p = (np.asarray(points) - eye) @ axes
    uv = p @ intrinsics(SCENE.camera).T
    return uv[:, :2] / uv[:, 2:], p[:, 2]


def corners(item):
    half = np.array(item.size) / 2
    c, s = np.cos(item.yaw), np.sin(item.yaw)
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    return signs * half @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) + item.position


def test_it_goes_round_and_up_and_always_looks_at_the_table():
    times = np.linspace(0, 20, 401)
    eyes = np.array([PATH.eye(t) for t in times])
    assert np.linalg.norm(eyes - PATH.centre, axis=1) == pytest.approx(PATH.radius)
    assert eyes[:, 2].min() > 0.3 and np.all(np.diff(eyes[:, 2]) >= -1e-12)
    azimuth = np.unwrap(np.arctan2(eyes[:, 1], eyes[:, 0]))
    assert azimuth[-1] - azimuth[0] == pytest.approx(2 * np.pi * PATH.turns)
    assert np.linalg.norm(np.diff(eyes, axis=0), axis=1).max() < 0.06  # at 20 Hz, so no blur to speak of
    for t in (0.0, 7.3, 20.0):
        eye, axes = PATH.pose(t)
        assert axes.T @ axes == pytest.approx(np.eye(3)) and np.linalg.det(axes) == pytest.approx(1)
        (pixel,), _ = project(eye, axes, [PATH.centre])
        assert pixel == pytest.approx([159.5, 119.5])


def test_the_recorded_pose_is_the_one_that_is_drawn():
    """Corners of every object through MuJoCo's own camera frame and through the recorded pose: within a pixel."""
    mujoco = import_mujoco(draws=True)
    model = mjcf.load(SCENE)
    camera = Camera(model, SCENE.camera)
    data = mujoco.MjData(model)
    number = model.camera(mjcf.CAMERA).id
    focal = SCENE.camera.height / 2 / np.tan(np.radians(model.cam_fovy[number]) / 2)
    try:
        for t in (0.0, 4.1, 13.7, 20.0):
            eye, axes = PATH.pose(t)
            camera.aim(eye, axes)
            mujoco.mj_forward(model, data)
            for item in SCENE.objects:
                rotation = data.cam_xmat[number].reshape(3, 3)
                p = (corners(item) - data.cam_xpos[number]) @ rotation  # x right, y up, looks along -z
                drawn = np.stack([p[:, 0], -p[:, 1]], axis=1) / -p[:, 2:] * focal + [159.5, 119.5]
                recorded, _ = project(eye, axes, corners(item))
                assert np.abs(drawn - recorded).max() < 1.0
    finally:
        camera.close()


def test_depth_from_above_agrees_with_the_pose():
    model = mjcf.load(SCENE)
    from foley_sim.rendering.camera import remove_robot

    remove_robot(model)
    camera = Camera(model, SCENE.camera)
    try:
        eye, axes = PATH.pose(20.0)
        camera.aim(eye, axes)
        camera.pose(model.qpos0)
        depth = camera.depth_mm()
    finally:
        camera.close()
    seen = 0
    for item in SCENE.objects:
        ((u, v),), (z,) = project(eye, axes, [(*item.position[:2], item.top)])
        if 0 <= u < 320 and 0 <= v < 240:
            assert depth[round(v), round(u)] == pytest.approx(1000 * z, abs=8), item
            seen += 1
    assert seen >= 3


@pytest.mark.parametrize(
    "fields, reason",
    [
        ({"duration_s": 0.0}, "duration_s"),
        ({"duration_s": 5.0, "elevation_deg": (20.0, 90.0)}, "elevation_deg"),
        ({"duration_s": 5.0, "radius": 0.1}, "radius"),
    ],
)
def test_impossible_paths_are_refused(fields, reason):
    with pytest.raises(ValueError, match=reason):
        ScanPath(**fields)
