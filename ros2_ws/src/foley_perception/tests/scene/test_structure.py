"""Poses of photographs by COLMAP, in its own process."""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from foley_perception.commands import scene as command
from foley_perception.gaussians.gaussians import Gaussians
from foley_perception.gaussians.rendering.render import render
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3
from foley_perception.scene.charuco import Board
from foley_perception.scene.metric import to_metres
from foley_perception.scene.scan import ScanError, read_scan
from foley_perception.scene.structure import find_poses

BOARD = Board(5, 4, 0.06, 0.044)
TABLE = SE3.from_rotation_vector(
    [np.pi, 0, 0], [-0.15, 0.12, 0.0]
)  # the board lies on z = 0, its z points down


def lay_board(image: np.ndarray, camera: CameraModel) -> np.ndarray:
    """A picture with the board on the table, by the homography of its plane."""
    picture = cv2.copyMakeBorder(BOARD.picture(60), 20, 20, 20, 20, cv2.BORDER_CONSTANT, value=(255,))
    size = BOARD.square_m / 60
    to_board = np.array([[size, 0, size / 2 - 20 * size], [0, size, size / 2 - 20 * size], [0, 0, 1]])
    m = (camera.tx_world_camera.inverse() @ TABLE).matrix
    homography = camera.K @ np.column_stack([m[:3, 0], m[:3, 1], m[:3, 3]]) @ to_board
    shape = image.shape[1], image.shape[0]
    laid = cv2.warpPerspective(picture, homography, shape, flags=cv2.INTER_AREA)
    there = cv2.warpPerspective(np.full_like(picture, 255), homography, shape) > 127
    return np.where(there[..., None], laid[..., None], image).astype(np.uint8)


def ring(count: int) -> list[CameraModel]:
    cameras = []
    for angle in np.deg2rad(np.linspace(-120, -50, count)):
        eye = (0.8 * np.cos(angle), 0.8 * np.sin(angle), 0.7)
        cameras.append(CameraModel.looking_at(eye, (0, 0, 0.0), width=640, height=480, fovy_deg=40.0))
    return cameras


def write_photographs(folder: Path, cameras: list[CameraModel], tx_unit_world: SE3, unit: float) -> None:
    """Pictures of the board, and poses in another frame and unit, as COLMAP would give them."""
    frames = []
    for k, camera in enumerate(cameras):
        cv2.imwrite(str(folder / f"{k}.png"), lay_board(np.full((480, 640, 3), 120, np.uint8), camera))
        pose = (tx_unit_world @ camera.tx_world_camera).matrix
        pose[:3, 3] *= unit
        frames.append(
            {"file_path": f"{k}.png", "transform_matrix": (pose @ np.diag([1.0, -1, -1, 1])).tolist()}
        )
    K = cameras[0].K
    head = {"fl_x": K[0, 0], "fl_y": K[1, 1], "cx": K[0, 2] + 0.5, "cy": K[1, 2] + 0.5, "w": 640, "h": 480}
    (folder / "transforms.json").write_text(json.dumps({**head, "frames": frames}))


def test_a_board_in_the_scene_gives_metres_and_what_is_up(tmp_path: Path) -> None:
    cameras = ring(6)
    elsewhere = SE3.from_rotation_vector([0.3, -1.1, 0.5], [2.0, 1.0, -3.0])
    write_photographs(tmp_path, cameras, elsewhere, 4.2)
    told = to_metres(tmp_path, BOARD)
    assert told.metres_per_unit == pytest.approx(1 / 4.2, rel=2e-3) and told.rms_mm < 0.5
    assert told.pictures == 6 and told.corners == 12
    # The board lies with its middle in the world's origin, and looks up.
    for view, camera in zip(read_scan(tmp_path).views, cameras, strict=True):
        shift, turn = view.camera.tx_world_camera.distance_to(camera.tx_world_camera)
        assert float(shift) < 2e-3 and np.rad2deg(float(turn)) < 0.15


def test_too_little_of_a_board_is_told(tmp_path: Path) -> None:
    write_photographs(tmp_path, ring(6)[:1] * 3, SE3.identity(), 1.0)  # always from the same place
    before = (tmp_path / "transforms.json").read_text()
    with pytest.raises(
        ScanError, match="3 of 3 pictures show the board, and 0 of its corners from two sides"
    ):
        to_metres(tmp_path, BOARD)
    with pytest.raises(ScanError, match="0 of 3 pictures show the board"):
        to_metres(tmp_path, Board(5, 4, 0.06, 0.044, "DICT_4X4_50"))
    assert (tmp_path / "transforms.json").read_text() == before


def test_photographs_get_their_poses(carpet: Gaussians, tmp_path: Path) -> None:
    pytest.importorskip("pycolmap")
    scene, cameras = carpet, []
    for k in range(10):
        angle = np.deg2rad(-120 + 8 * k)
        eye = (0.8 * np.cos(angle), 0.8 * np.sin(angle), 0.7)
        cameras.append(CameraModel.looking_at(eye, (0, 0, 0.05), width=400, height=300, fovy_deg=40.0))
        with torch.no_grad():
            image = (render(scene, cameras[-1]).rgb.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
        cv2.imwrite(str(tmp_path / f"{k:02d}.png"), lay_board(image, cameras[-1])[..., ::-1])
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
        assert np.rad2deg(float(turn.distance_to(right)[1])) < 1.0
    # And with the board, in metres.
    parser = argparse.ArgumentParser()
    command.configure(parser)
    words = [
        "poses",
        str(tmp_path),
        "--board",
        "--columns",
        "5",
        "--rows",
        "4",
        "--square",
        "0.06",
        "--marker",
        "0.044",
    ]
    assert command.run(parser.parse_args([*words, "--keep"])) == 0
    for view, camera in zip(read_scan(tmp_path).views, cameras, strict=True):
        assert float(view.camera.tx_world_camera.distance_to(camera.tx_world_camera)[0]) < 0.03


def write_plain(folder: Path, count: int, size: tuple[int, int] = (80, 60)) -> None:
    for k in range(count):
        cv2.imwrite(str(folder / f"{size[0]}_{k}.jpg"), np.full((size[1], size[0], 3), 20 * k, np.uint8))


def test_too_few_poses_are_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"registered": 2, "points": 31, "error_px": 0.4}

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        Path(command[4], "transforms.json").write_text('{"frames": []}')
        return subprocess.CompletedProcess(command, 0, json.dumps(told), "")

    monkeypatch.setattr("foley_perception.scene.structure.subprocess.run", run)
    write_plain(tmp_path, 12)
    with pytest.raises(
        ScanError, match="2 of 12 pictures have a pose, at least 8 are needed: they are blurred"
    ):
        find_poses(tmp_path)
    assert not (tmp_path / "transforms.json").exists()
    told["registered"] = 8
    assert find_poses(tmp_path).registered == 8
    assert (tmp_path / "transforms.json").read_text() == '{"frames": []}'


def test_pictures_of_several_sizes_are_named(tmp_path: Path, set_orientation: Callable[..., None]) -> None:
    write_plain(tmp_path, 8)
    write_plain(tmp_path, 4, (60, 80))
    with pytest.raises(ScanError, match=r"several sizes \(8 of 80x60, 4 of 60x80\); give those of one size"):
        find_poses(tmp_path)
    for path in tmp_path.glob("60_*"):
        path.unlink()
    for path in tmp_path.glob("80_*"):
        set_orientation(path, 6)
    with pytest.raises(
        ScanError, match=r"--intrinsics are of pictures of 60x80 .* orientation 6; .*-auto-orient"
    ):
        find_poses(tmp_path, (50.0, 50.0, 30.0, 40.0))
    for wrong in ((50.0, 50.0, 100.0, 30.0), (float("nan"), 50.0, 40.0, 30.0), (-1.0, 50.0, 40.0, 30.0)):
        with pytest.raises(ScanError, match="are not of a picture of 80x60 pixels"):
            find_poses(tmp_path, wrong)
    set_orientation(tmp_path / "80_3.jpg", 2)
    with pytest.raises(
        ScanError, match=r"80_3\.jpg: its EXIF orientation is 2: it is stored as a mirror image"
    ):
        find_poses(tmp_path)
    (tmp_path / "80_2.jpg").write_text("no picture")
    with pytest.raises(ScanError, match=r"80_2\.jpg: neither JPEG nor PNG"):
        find_poses(tmp_path)


def test_pictures_without_anything_in_common_say_so(tmp_path: Path) -> None:
    with pytest.raises(ScanError, match="0 pictures, at least 8"):
        find_poses(tmp_path)
    pytest.importorskip("pycolmap")
    for k in range(8):
        cv2.imwrite(str(tmp_path / f"{k}.png"), np.full((60, 80, 3), 20 * k, np.uint8))
    with pytest.raises(ScanError, match="no two pictures overlap enough"):
        find_poses(tmp_path)
