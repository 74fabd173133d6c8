"""The top of a table with a box and a ramp on it, seen by points with noise."""

import numpy as np
import pytest
from numpy.typing import NDArray

from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.height_map import HeightMap

TOP = 0.05  # of a box on x and y in [0.1, 0.2]


def truth(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Table, box, and a ramp that rises by 0.5 along x from -0.2 to -0.1 on y > 0."""
    box = (abs(x - 0.15) < 0.05) & (abs(y - 0.15) < 0.05)
    ramp = (abs(x + 0.15) < 0.05) & (y > 0)
    return np.where(box, TOP, np.where(ramp, 0.5 * (x + 0.2), 0.0))


def cloud(noise: float = 0.0, spacing: float = 0.0025) -> NDArray[np.float64]:
    rng = np.random.default_rng(1)
    x, y = (g.ravel() for g in np.meshgrid(np.arange(-0.25, 0.25, spacing), np.arange(-0.25, 0.25, spacing)))
    return np.stack([x, y, truth(x, y) + noise * rng.standard_normal(x.size)], axis=1)


def test_heights_are_those_of_the_surface_whatever_the_noise() -> None:
    places = np.random.default_rng(0).uniform(-0.24, 0.24, (4000, 2))
    expected = truth(*places.T)
    corners = places + 0.006 * np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])[:, None]
    away = np.ptp(truth(corners[..., 0], corners[..., 1]), axis=0) < 0.013  # from steps
    for noise, allowed in ((0.0, 1e-3), (0.001, 2e-3)):
        surface = HeightMap.from_points(cloud(noise))
        error = surface.height(places)[away] - expected[away]
        assert np.abs(error).max() < allowed and abs(error.mean()) < 2e-4
        assert surface.seen_at(places).all()


def test_a_step_is_a_step() -> None:
    across = np.stack([np.linspace(0.08, 0.12, 400), np.full(400, 0.15)], axis=1)
    height = HeightMap.from_points(cloud()).height(across)
    assert set(np.round(height, 3)) == {0.0, TOP}
    assert across[np.argmax(height > 0.02), 0] == pytest.approx(0.1, abs=0.003)


def test_normals_are_those_of_table_box_and_ramp() -> None:
    surface = HeightMap.from_points(cloud())
    up, ramp = [0, 0, 1], np.array([-0.5, 0, 1]) / np.hypot(0.5, 1)
    # The last but one lies on the box, 3 mm from its edge.
    places = [[0.0, 0.0], [0.15, 0.15], [0.104, 0.15], [-0.15, 0.1]]
    np.testing.assert_allclose(surface.normal(places), [up, up, up, ramp], atol=0.02)


def test_lone_points_in_the_air_are_dropped() -> None:
    flying = np.array([[0.0, 0.0, 0.1], [0.05, -0.1, 0.2], [np.nan, 0, 0]])
    surface = HeightMap.from_points(np.concatenate([cloud(), flying]))
    np.testing.assert_allclose(surface.height(flying[:2, :2]), 0.0, atol=1e-6)


def test_what_was_never_seen_is_marked_and_goes_on_as_the_ground_does() -> None:
    points = cloud()
    shadow = (abs(points[:, 0] - 0.15) < 0.05) & (points[:, 1] > 0.2) & (points[:, 1] < 0.24)
    hole = np.linalg.norm(points[:, :2] - [0.15, 0.15], axis=1) < 0.008
    surface = HeightMap.from_points(points[~(shadow | hole)])
    assert surface.height([0.15, 0.22]) == pytest.approx(0.0, abs=1e-6)
    assert surface.height([0.15, 0.15]) == pytest.approx(TOP, abs=1e-6)
    assert surface.seen_at([[0.15, 0.22], [0.15, 0.15], [0.0, 0.0], [0.5, 0.0]]).tolist() == [
        False, True, True, False
    ]  # fmt: skip
    # Beyond the border it is that of the border.
    assert surface.height([0.5, 0.0]) == pytest.approx(0.0, abs=1e-6)


def test_a_camera_sees_the_same_heights() -> None:
    camera = CameraModel.looking_at((0.0, -0.4, 0.5), (0, 0, 0), width=320, height=240, fovy_deg=40)
    u, v = (g.ravel() for g in np.meshgrid(np.arange(320), np.arange(240)))
    rays = camera.unproject(np.stack([u, v], axis=1), np.ones(u.size)) - camera.tx_world_camera.translation
    depth = np.where(rays[:, 2] < 0, (0.02 - 0.5) / rays[:, 2], np.nan).reshape(240, 320)
    surface = HeightMap.from_depth(depth, camera, bounds=(-0.1, -0.1, 0.1, 0.1))
    assert surface.heights.shape == (67, 67)
    np.testing.assert_allclose(surface.heights, 0.02, atol=1e-6)
    with pytest.raises(ValueError, match="depth is"):
        HeightMap.from_depth(depth[1:], camera)


def test_no_surface_and_too_large_a_map_are_refused() -> None:
    with pytest.raises(ValueError, match="no surface"):
        HeightMap.from_points(np.zeros((0, 3)))
    with pytest.raises(ValueError, match="no surface was seen in"):
        HeightMap.from_points(cloud(), bounds=(1, 1, 2, 2))
    with pytest.raises(ValueError, match="give bounds"):
        HeightMap.from_points(np.tile([[0.0, 0, 0], [100.0, 100, 0]], (3, 1)))
