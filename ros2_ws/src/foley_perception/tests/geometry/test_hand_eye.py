"""The place of a camera from pictures of a board: drawn pictures with a known answer."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from foley_perception.commands import calibrate as command
from foley_perception.geometry.hand_eye import BoardSeen, HandEyeError, calibrate
from foley_perception.geometry.se3 import SE3
from foley_perception.scene.charuco import Board

K = np.array([[600.0, 0, 319.5], [0, 600.0, 239.5], [0, 0, 1]])
BOARD = Board()


def photograph(tx_camera_board: SE3) -> np.ndarray:
    """The board as the camera sees it, by the homography of its plane."""
    picture = BOARD.picture(60)
    scale = BOARD.square_m / 60  # metres a pixel; pixel centres at half
    to_board = np.array([[scale, 0, scale / 2], [0, scale, scale / 2], [0, 0, 1]])
    m = tx_camera_board.matrix
    homography = K @ np.column_stack([m[:3, 0], m[:3, 1], m[:3, 3]]) @ to_board
    return cv2.warpPerspective(picture, homography, (640, 480), borderValue=128, flags=cv2.INTER_AREA)


def setup(in_hand: bool, count: int, seed: int = 0) -> tuple[SE3, SE3, list[SE3], list[SE3]]:
    """Camera and board in their parents, tool poses, and boards in the camera."""
    rng = np.random.default_rng(seed)
    camera = SE3.from_rotation_vector([0.1, -0.05, 0.4], [0.03, -0.06, 0.05])
    middle = BOARD.corners.mean(axis=0)
    boards = []
    for _ in range(count):
        turn = SE3.from_rotation_vector(rng.uniform(-0.4, 0.4, 3), [0, 0, rng.uniform(0.35, 0.5)])
        boards.append(turn @ SE3.from_translation(-middle))
    other = SE3.from_rotation_vector([0.3, 0.1, -0.2], [0.5, 0.1, 0.0])
    if in_hand:  # world <- board = tool camera (camera <- board)
        tools = [other @ (camera @ board).inverse() for board in boards]
    else:
        tools = [camera @ board @ other.inverse() for board in boards]
    return camera, other, tools, boards


@pytest.mark.parametrize("in_hand", [True, False])
def test_the_camera_is_found(in_hand: bool) -> None:
    camera, other, tools, boards = setup(in_hand, 12)
    seen = []
    for tool, board in zip(tools, boards, strict=True):
        found = BOARD.find(photograph(board))
        assert found is not None
        seen.append(BoardSeen(*found, tool))
    answer = calibrate(seen, K, in_hand=in_hand)
    shift, turn = answer.tx_parent_camera.distance_to(camera)
    assert float(shift) < 1e-3 and np.rad2deg(float(turn)) < 0.1
    assert float(answer.tx_other_board.distance_to(other)[0]) < 1e-3
    assert answer.rms_px < 0.3 and answer.worst_px < 0.5 and answer.pictures == 12
    # The stated uncertainty is of the size of the error.
    assert float(shift) < 5e-3 * answer.std_mm + 5e-4


def test_noise_shows_in_the_residual() -> None:
    camera, _, tools, boards = setup(True, 15)
    rng = np.random.default_rng(1)
    seen = []
    for tool, board in zip(tools, boards, strict=True):
        points = board.apply(BOARD.corners) @ K.T
        pixels = points[:, :2] / points[:, 2:] + rng.normal(0, 0.5, (len(points), 2))
        seen.append(BoardSeen(BOARD.corners, pixels, tool))
    answer = calibrate(seen, K, in_hand=True)
    assert answer.rms_px == pytest.approx(0.5 * np.sqrt(2), rel=0.1)
    shift = 1e3 * float(answer.tx_parent_camera.distance_to(camera)[0])
    assert 0.05 < answer.std_mm < 2 and shift < 5 * answer.std_mm


def test_a_tool_that_does_not_turn_is_refused() -> None:
    still = [
        BoardSeen(BOARD.corners, np.zeros((len(BOARD.corners), 2)), SE3.from_translation([0.01 * k, 0, 0]))
        for k in range(8)
    ]
    with pytest.raises(HandEyeError, match=r"turns by 0\.0 degrees about its second axis"):
        calibrate(still, K, in_hand=True)
    with pytest.raises(HandEyeError, match="seen in 3 pictures, at least 5"):
        calibrate(still[:3], K, in_hand=True)


def test_a_board_that_is_hidden_or_another_is_not_found() -> None:
    board = setup(True, 1)[3][0]
    picture = photograph(board)
    assert BOARD.find(np.full((480, 640), 128, np.uint8)) is None
    assert Board(dictionary="DICT_4X4_50").find(picture) is None
    picture[:, 200:] = 128
    found = BOARD.find(picture)
    assert found is None or len(found[0]) < len(BOARD.corners)


@pytest.mark.parametrize("change", [{"columns": 2}, {"marker_m": 0.03}, {"dictionary": "DICT_NONE"}])
def test_a_board_that_cannot_be_made_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"board|dictionary"):
        Board(**change)  # type: ignore[arg-type]


def test_the_command_draws_a_board_that_is_found_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    target = tmp_path / "board.png"
    assert command.run(parser.parse_args(["board", "--to", str(target)])) == 0
    picture = cv2.copyMakeBorder(
        cv2.imread(str(target)), 60, 60, 60, 60, cv2.BORDER_CONSTANT, value=(255, 255, 255)
    )
    found = BOARD.find(picture)
    assert found is not None and len(found[0]) == 35
    assert command.run(parser.parse_args(["hand-eye", str(tmp_path), "--camera", "static"])) == 2
    assert "foley calibrate: error" in capsys.readouterr().err


@pytest.mark.parametrize("camera", ["in-hand", "static"])
def test_the_command_reads_a_recording(
    make_moving_bag: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], camera: str
) -> None:
    truth, _, tools, boards = setup(camera == "in-hand", 10)
    pictures = [np.repeat(photograph(board)[..., None], 3, axis=2) for board in boards]
    pictures[4][:] = 128  # nothing to be seen in one
    bag = make_moving_bag(pictures, tools, K, child="tool")
    parser = argparse.ArgumentParser()
    command.configure(parser)
    out = tmp_path / "out"
    assert command.run(parser.parse_args(["hand-eye", str(bag), "--camera", camera, "--out", str(out)])) == 0
    said = capsys.readouterr()
    assert "1 of 10 pictures show too little of the board" in said.err
    assert "static_transform_publisher" in said.out
    stored = yaml.safe_load((out / "camera.yaml").read_text())
    assert stored["parent_frame"] == {"in-hand": "tool", "static": "world"}[camera]
    assert stored["child_frame"] == "camera_optical"
    np.testing.assert_allclose([stored["translation"][a] for a in "xyz"], truth.translation, atol=1e-3)
    assert json.loads((out / "metrics.json").read_text())["pictures"] == 9
    words = ["hand-eye", str(bag), "--camera", camera, "--tool-frame", "flange"]
    assert command.run(parser.parse_args(words)) == 2
    assert "flange" in capsys.readouterr().err


def test_rotation_vectors_go_both_ways() -> None:
    for vector in ([0.0, 0.0, 0.0], [1e-9, 0, 0], [0.3, -1.2, 0.4], [np.pi - 1e-6, 0, 0], [0, -3.0, 0]):
        np.testing.assert_allclose(SE3.from_rotation_vector(vector).rotation_vector, vector, atol=1e-12)
