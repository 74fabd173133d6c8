"""Poses of photographs by COLMAP, in its own process."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from foley_perception.scene.camera import CameraModel
from foley_perception.scene.scan import ScanError, read_scan
from foley_perception.scene.structure import find_poses
from foley_perception.splats.gaussians import Gaussians
from foley_perception.splats.render import render


def test_photographs_get_their_poses(carpet: Gaussians, tmp_path: Path) -> None:
    pytest.importorskip("pycolmap")
    scene, cameras = carpet, []
    for k in range(10):
        angle = np.deg2rad(-120 + 8 * k)
        eye = (0.8 * np.cos(angle), 0.8 * np.sin(angle), 0.7)
        cameras.append(CameraModel.looking_at(eye, (0, 0, 0.05), width=400, height=300, fovy_deg=40.0))
        with torch.no_grad():
            image = (render(scene, cameras[-1]).rgb.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
        cv2.imwrite(str(tmp_path / f"{k:02d}.png"), image[..., ::-1])
    K = cameras[0].K
    found = find_poses(tmp_path, (K[0, 0], K[1, 1], K[0, 2] + 0.5, K[1, 2] + 0.5))
    assert found.registered == found.pictures == 10 and found.points > 200 and found.error_px < 1.0
    scan = read_scan(tmp_path)
    np.testing.assert_allclose(scan.views[0].camera.K, K, atol=1e-6)
    # The same but for place, turn and scale: distances between cameras have one ratio.
    eyes = np.stack([view.camera.tx_world_camera.translation for view in scan.views])
    truth = np.stack([camera.tx_world_camera.translation for camera in cameras])
    ratio = np.linalg.norm(np.diff(eyes, axis=0), axis=1) / np.linalg.norm(np.diff(truth, axis=0), axis=1)
    assert ratio.std() / ratio.mean() < 0.02
    for one, other in ((0, 5), (2, 9)):
        turn = scan.views[one].camera.tx_world_camera.inverse() @ scan.views[other].camera.tx_world_camera
        right = cameras[one].tx_world_camera.inverse() @ cameras[other].tx_world_camera
        assert np.rad2deg(float(turn.distance_to(right)[1])) < 0.5


def test_pictures_without_anything_in_common_say_so(tmp_path: Path) -> None:
    with pytest.raises(ScanError, match="0 pictures, at least 8"):
        find_poses(tmp_path)
    pytest.importorskip("pycolmap")
    for k in range(8):
        cv2.imwrite(str(tmp_path / f"{k}.png"), np.full((60, 80, 3), 20 * k, np.uint8))
    with pytest.raises(ScanError, match="no two pictures overlap enough"):
        find_poses(tmp_path)
