"""What depth cameras see of a scene, and views of it."""

import numpy as np
import pytest

from foley_sim.editions import make_scene
from foley_sim.physics import mjcf
from foley_sim.rendering.surface import MOST_POINTS, VOXEL_M, observe, thinned
from foley_sim.rendering.views import global_fovy_deg, local_pose
from foley_sim.spec import CameraSpec

SCENE = make_scene(0, "test", "foleysim-1")


@pytest.fixture(scope="module")
def surface():
    return observe(SCENE, mjcf.load(SCENE))


def test_every_upper_face_and_the_table_are_covered(surface):
    points = surface.points
    assert len(points) <= MOST_POINTS and surface.colours.shape == points.shape
    for item in SCENE.objects:
        if item.shape not in ("box", "disc", "plate", "bar", "cylinder"):
            continue
        c, s = np.cos(item.yaw), np.sin(item.yaw)
        local = (points[:, :2] - item.position[:2]) @ np.array([[c, -s], [s, c]])
        inside = (np.abs(local) < np.array(item.size[:2]) / 2 - 0.006).all(axis=1)
        if item.shape in ("disc", "cylinder"):
            inside &= np.hypot(*local.T) < item.size[0] / 2 - 0.006
        assert np.abs(points[inside, 2] - item.top).max() < 0.002  # above it there is no hand either
        area = np.prod(np.array(item.size[:2]) - 0.012) * (
            np.pi / 4 if item.shape in ("disc", "cylinder") else 1
        )
        assert inside.sum() > 0.9 * area / VOXEL_M**2
    table = np.abs(points[:, 2]) < 0.002
    assert table.sum() > 15_000
    assert points[:, 2].max() < max(item.top for item in SCENE.objects) + 0.01


def test_one_point_is_left_of_every_voxel():
    rng = np.random.default_rng(0)
    cells = np.array([[x, y, z] for x in range(3) for y in range(3) for z in range(2)]) - 1
    points = np.repeat(cells * VOXEL_M, 50, axis=0) + rng.uniform(-0.4, 0.4, (900, 3)) * VOXEL_M
    left = thinned(points, np.arange(2700, dtype=np.uint8).reshape(900, 3))
    assert len(left.points) == 18
    assert {tuple(cell) for cell in np.round(left.points / VOXEL_M).astype(int)} == {tuple(c) for c in cells}


def test_a_square_view_holds_all_of_the_camera_s_width():
    camera = CameraSpec(width=320, height=240, fovy_deg=40.0)
    wide = np.tan(np.radians(20.0)) * 320 / 240
    assert np.tan(np.radians(global_fovy_deg(camera)) / 2) == pytest.approx(wide)


def test_a_local_view_looks_straight_at_its_point_and_shows_six_centimetres():
    camera, point = CameraSpec(), np.array([0.1, 0.05, 0.04])
    axes, fovy = local_pose(camera, point)
    away = point - camera.eye
    np.testing.assert_allclose(axes.T @ away, [0.0, 0.0, np.linalg.norm(away)], atol=1e-12)
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-12)
    assert np.linalg.norm(away) * np.tan(np.radians(fovy) / 2) == pytest.approx(0.06)
    assert axes[2, 1] < 0  # up in the world is up in the picture
    with pytest.raises(ValueError, match="from the camera"):
        local_pose(camera, np.array(camera.eye) + 0.01)
