"""Motions of a hand for 8 s: taps and strokes on what lies under it, or those that somebody made by hand.

A motion is the tool's pose at moments of 8 s: those of a window's keypoints, 30 a second, or those that a contact flow
knows, 125 a second.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from foley_common.session_file import MOTION_RATE
from foley_perception.clips.grid import FRAME_RATE, WINDOW_KEYPOINTS, WINDOW_S
from foley_perception.gaussians.gaussians import Gaussians
from foley_perception.gaussians.height_map import COVERED
from foley_perception.gaussians.rendering.render import render
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3, interpolate_at, stack
from foley_synthesis.flow.inference.motion import MotionError

Array = NDArray[np.float64]
MOMENTS_S = np.arange(WINDOW_KEYPOINTS) / FRAME_RATE
"""Times of a motion's poses [240]."""
FINE_MOMENTS_S = np.arange(round(WINDOW_S * MOTION_RATE)) / MOTION_RATE
"""The same at the rate at which contacts are told apart [1000]."""
_SMOOTHED_S = 0.03  # over which what somebody did is smoothed on that grid: a mouse moves in steps


def surface_below(gaussians: Gaussians, point: Array) -> Array:
    """The nearest point [3] of a scene straight under a point.

    Raises:
        MotionError: nothing is there, or the scene was never seen there.
    """
    if not np.isfinite(point).all():
        raise MotionError(f"the point is {point}, must be finite")
    down = np.array([0.0, 0.0, -1.0])
    camera = CameraModel.looking_at(point, point + down, width=5, height=5, fovy_deg=1.0, up=(0, 1, 0))
    with torch.no_grad():
        seen = render(gaussians, camera)
    if not float(seen.alpha[2, 2]) >= COVERED:
        place = ", ".join(f"{value:.3f}" for value in point)
        raise MotionError(f"nothing is known to lie under ({place}) m; move the hand over something")
    return np.asarray(point + down * float(seen.depth[2, 2]))


def taps(
    tx_world_tool: SE3,
    tip: Array,
    surface: Array,
    *,
    count: int = 5,
    height_m: float = 0.08,
    depth_m: float = 0.0,
    moments_s: Array = MOMENTS_S,
) -> SE3:
    """Poses [n] of a tool that comes down on a surface, evenly in time.

    Args:
        tx_world_tool: whose orientation is kept.
        tip: of the tool at that pose [3].
        surface: where the tip comes down [3].
        depth_m: of its turn below the surface, as of a robot that cannot stop at once; 0: it turns upon it.
    """
    _check(count=count, height_m=height_m)
    phase = moments_s * count / WINDOW_S % 1.0
    # Down in a third of the time, faster and faster, and up again as it came.
    away = np.clip(np.abs(phase - 0.5) * 3.0, 0.0, 1.0)
    lift = height_m * away * (2.0 - away)
    if depth_m:  # a hyperbola: it turns at -depth, and is as before far from there
        lift = np.sqrt(np.square(lift) + (2 * depth_m) ** 2) - 3 * depth_m
    path = surface + lift[:, None] * np.array([0.0, 0.0, 1.0])
    return _moved(tx_world_tool, path - tip)


def strokes(
    tx_world_tool: SE3,
    tip: Array,
    surface: Array,
    *,
    count: int = 4,
    length_m: float = 0.06,
    height_m: float = 0.04,
    depth_m: float = 0.0,
    moments_s: Array = MOMENTS_S,
) -> SE3:
    """Poses [n] of a tool that comes down, is drawn along x to and fro on a level, and goes up again.

    Args:
        depth_m: of that level below the surface: how hard it presses.
    """
    _check(count=count, height_m=height_m, length_m=length_m)
    on = (moments_s > 1.0) & (moments_s < WINDOW_S - 1.0)
    lift = height_m * np.clip(np.maximum(1.0 - moments_s, moments_s - (WINDOW_S - 1.0)), 0.0, 1.0) - depth_m
    turns = np.clip((moments_s - 1.0) / (WINDOW_S - 2.0), 0.0, 1.0) * count
    along = np.where(on, length_m / 2 * np.sin(np.pi * turns), 0.0)
    path = surface + lift[:, None] * np.array([0.0, 0.0, 1.0]) + along[:, None] * np.array([1.0, 0.0, 0.0])
    return _moved(tx_world_tool, path - tip)


def performed(moments: Sequence[tuple[float, SE3]], moments_s: Array = MOMENTS_S) -> SE3:
    """Poses [n] of what somebody did: times [s] from the start, at which a pose was taken on.

    Between them the hand moves evenly, and on the fine grid smoothly; before the first and after the last it rests.

    Raises:
        MotionError: nothing was done.
    """
    if not moments:
        raise MotionError("the hand was not moved")
    latest: dict[int, SE3] = {}
    for time_s, pose in moments:
        latest[round(time_s * 1e9)] = pose
    times = np.array(sorted(latest), dtype=np.int64)
    query = np.clip(np.round(moments_s * 1e9).astype(np.int64), times[0], times[-1])
    found = interpolate_at(times, stack([latest[int(time)] for time in times]), query)
    if len(moments_s) == len(FINE_MOMENTS_S):
        from scipy.ndimage import gaussian_filter1d

        smooth = gaussian_filter1d(found.translation, _SMOOTHED_S * MOTION_RATE, axis=0, mode="nearest")
        return SE3(found.quaternion, smooth)
    return found


def _moved(pose: SE3, offsets: Array) -> SE3:
    quaternions = np.broadcast_to(pose.quaternion, (len(offsets), 4))
    return SE3(quaternions, pose.translation + offsets)


def _check(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise MotionError(f"{name} is {value}, must be over 0")
