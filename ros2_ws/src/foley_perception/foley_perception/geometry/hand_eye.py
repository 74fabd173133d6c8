"""Where a camera sits on a robot, or beside it, from pictures of a board (hand-eye calibration).

``in hand``: the camera moves with the tool, the board lies still. ``static``: the camera stands still, the tool carries
the board. Park and Martin's closed form (1994, by OpenCV) starts a least-squares fit of every corner's pixel.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from foley_perception.geometry.se3 import SE3

Array = NDArray[np.float64]

LEAST_POSES = 5
_LEAST_TURN_DEG = 8.0
"""Rotations between poses must span two axes by so much, or part of the answer is free."""


class HandEyeError(ValueError):
    """The pictures do not determine where the camera is; the message says what to do."""


@dataclasses.dataclass(frozen=True, eq=False)
class BoardSeen:
    """Corners of the board in one picture, and where the tool was."""

    corners: Array  # [n, 3] in the board's frame [m]
    pixels: Array  # [n, 2], free of distortion
    tx_world_tool: SE3


@dataclasses.dataclass(frozen=True, eq=False)
class HandEye:
    """The answer. In hand: camera in the tool, board in the world; static: camera in the world, board in the tool."""

    tx_parent_camera: SE3
    tx_other_board: SE3
    rms_px: float  # over all corners
    worst_px: float  # greatest RMS of one picture
    std_mm: float  # of the camera's position, from the fit's curvature
    std_deg: float
    pictures: int
    corners: int


def calibrate(seen: Sequence[BoardSeen], K: Array, *, in_hand: bool) -> HandEye:
    """Fit the camera's place.

    Raises:
        HandEyeError: too few pictures, or a tool that turned about one axis only.
    """
    if len(seen) < LEAST_POSES:
        raise HandEyeError(f"the board is seen in {len(seen)} pictures, at least {LEAST_POSES} are needed")
    tools = [one.tx_world_tool.inverse() if in_hand else one.tx_world_tool for one in seen]
    _check_turns(tools)
    boards = [_board_pose(one, K) for one in seen]
    # OpenCV's words: "gripper to base" is tool to world for a camera in hand, and its inverse for a static one.
    moves = [tool.inverse() for tool in tools]
    rotation, shift = cv2.calibrateHandEye(
        [move.rotation for move in moves],
        [move.translation for move in moves],
        [board.rotation for board in boards],
        [board.translation for board in boards],
        method=cv2.CALIB_HAND_EYE_PARK,
    )
    camera = SE3.from_rotation(rotation, shift.ravel())
    if not bool(np.all(camera.finite)):
        raise HandEyeError("no place of the camera fits; turn the tool about several axes between pictures")
    start = moves[0] @ camera @ boards[0]

    def residuals(x: Array) -> Array:
        tx_camera_parent, other = _pose(x[:6]).inverse(), _pose(x[6:])
        parts = []
        for one, tool in zip(seen, tools, strict=True):
            points = (tx_camera_parent @ tool @ other).apply(one.corners)
            parts.append(((points @ K.T)[:, :2] / np.maximum(points[:, 2:], 1e-6) - one.pixels).ravel())
        return np.concatenate(parts)

    first = np.concatenate([_vector(camera), _vector(start)])
    fit = least_squares(residuals, first, loss="soft_l1", x_scale="jac", max_nfev=200)
    errors = residuals(fit.x).reshape(-1, 2)
    counts = np.cumsum([len(one.corners) for one in seen])[:-1]
    each = [float(np.sqrt((part**2).sum(axis=1).mean())) for part in np.split(errors, counts)]
    covariance = np.linalg.pinv(fit.jac.T @ fit.jac) * float((errors**2).sum()) / max(1, errors.size - 12)
    spread = np.sqrt(np.maximum(np.diag(covariance)[:6], 0))
    return HandEye(
        tx_parent_camera=_pose(fit.x[:6]),
        tx_other_board=_pose(fit.x[6:]),
        rms_px=float(np.sqrt((errors**2).sum(axis=1).mean())),
        worst_px=max(each),
        std_mm=float(1e3 * np.linalg.norm(spread[3:])),
        std_deg=float(np.rad2deg(np.linalg.norm(spread[:3]))),
        pictures=len(seen),
        corners=len(errors),
    )


def _check_turns(tools: Sequence[SE3]) -> None:
    turns = np.array([(tools[0].inverse() @ tool).rotation_vector for tool in tools[1:]])
    second = np.linalg.svd(turns, compute_uv=False)[1] / np.sqrt(len(turns))
    if np.rad2deg(second) < _LEAST_TURN_DEG:
        raise HandEyeError(
            f"the tool turns by {np.rad2deg(second):.1f} degrees about its second axis, {_LEAST_TURN_DEG:.0f} are "
            "needed: tilt the tool in two directions between pictures; moving it without turning tells nothing"
        )


def _board_pose(seen: BoardSeen, K: Array) -> SE3:
    found, turn, shift = cv2.solvePnP(seen.corners, seen.pixels, K, None, flags=cv2.SOLVEPNP_IPPE)
    if not found:
        raise HandEyeError("the board's pose cannot be found in a picture; are the board's numbers right?")
    return SE3.from_rotation_vector(turn.ravel(), shift.ravel())


def _vector(pose: SE3) -> Array:
    return np.concatenate([pose.rotation_vector, pose.translation])


def _pose(vector: Array) -> SE3:
    return SE3.from_rotation_vector(vector[:3], vector[3:])
