"""A camera put into a scene by what it sees."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from foley_perception.geometry.se3 import SE3
from foley_perception.scene.camera import CameraModel
from foley_perception.splats.gaussians import Gaussians
from foley_perception.splats.register import RegisterError, register
from foley_perception.splats.render import render


def looking(eye: tuple[float, float, float]) -> CameraModel:
    return CameraModel.looking_at(eye, (0.0, 0.0, 0.0), width=320, height=240, fovy_deg=40.0)


def photograph(scene: Gaussians, camera: CameraModel) -> np.ndarray:
    with torch.no_grad():
        image = render(scene, camera).rgb.clamp(0, 1)
    return np.ascontiguousarray((image * 255).round().to(torch.uint8).numpy())


GUESSES = [
    looking((0.8 * np.cos(a), 0.8 * np.sin(a), 0.6)).tx_world_camera for a in np.deg2rad([-90, -60, -30, 60])
]


def test_the_camera_is_found_although_something_is_in_the_way(carpet: Gaussians) -> None:
    scene, truth = carpet, looking((0.15, -0.75, 0.6))
    picture = photograph(scene, truth)
    picture[60:150, 120:170] = (40, 40, 40)  # a robot
    found = register(scene, picture, truth.K, GUESSES)
    shift, turn = found.camera.tx_world_camera.distance_to(truth.tx_world_camera)
    assert float(shift) < 0.01 and np.rad2deg(float(turn)) < 0.5
    points = np.random.default_rng(1).uniform([-0.3, -0.3, 0.0], [0.3, 0.3, 0.1], (50, 3))
    assert np.linalg.norm(found.camera.project(points)[0] - truth.project(points)[0], axis=1).max() < 1.5
    assert found.inliers >= 20 and found.rms_px < 1.5 and found.matches > found.inliers


def test_a_picture_of_something_else_is_refused(carpet: Gaussians) -> None:
    scene = carpet
    K = looking((0, -1, 1)).K
    with pytest.raises(RegisterError, match="none of 4 views of the scene has 20 features in common"):
        register(scene, np.full((240, 320, 3), 128, np.uint8), K, GUESSES)
    noise = np.random.default_rng(3).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    with pytest.raises(RegisterError):
        register(scene, noise, K, GUESSES)
    with pytest.raises(RegisterError, match="no guess"):
        register(scene, noise, K, [SE3.identity()][:0])
