"""Views of an interaction by the simulator's camera, without the hand, as foley_perception's cameras.py has them.

The *global* view is the scene's camera with a square picture; the *local* view looks from the same place straight at
the point where the tip is about to be, and shows LOCAL_HALF_M to each side of it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_common.view_geometry import LOCAL_HALF_M, VIEW_SIZE
from foley_sim.physics.mjcf import camera_axes
from foley_sim.rendering.camera import Camera, remove_robot
from foley_sim.robots import robots_of
from foley_sim.spec import CameraSpec, SceneSpec

VIEW_NAMES: tuple[str, ...] = ("global", "local_right")

_JPEG_QUALITY = 90
_SAME_M = 5e-4  # what moved less is where it was


def global_fovy_deg(camera: CameraSpec) -> float:
    """Of a square picture that holds all of the camera's."""
    half = math.tan(math.radians(camera.fovy_deg) / 2)
    return math.degrees(2 * math.atan(half * max(camera.width, camera.height) / camera.height))


def local_pose(camera: CameraSpec, point: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Axes [3, 3] of a camera at the same place that looks at a point [3], and its angle of view [deg].

    Raises:
        ValueError: the point is nearer to the camera than LOCAL_HALF_M.
    """
    eye = np.array(camera.eye)
    distance = float(np.linalg.norm(point - eye))
    if not distance > LOCAL_HALF_M:
        raise ValueError(f"the hand is {distance:.3f} m from the camera, a local view needs {LOCAL_HALF_M} m")
    z = (point - eye) / distance
    x = np.cross(z, -camera_axes(camera)[:, 1])
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], axis=1), math.degrees(2 * math.atan(LOCAL_HALF_M / distance))


def jpeg_views(
    scene: SceneSpec,
    model: Any,
    moments: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> Iterator[tuple[bytes, ...]]:
    """JPEG files of VIEW_NAMES, moment by moment. The model's robot is made invisible for good.

    Args:
        moments: configuration (qpos) and the point [3] at which the local view looks. Where neither changes, the
            views before are given again.

    Raises:
        NoRenderer: there is no OpenGL context to be had.
    """
    # Without the sensor's noise: what is reconstructed from many pictures has none, and it would not compress.
    spec = dataclasses.replace(scene.camera, width=VIEW_SIZE, height=VIEW_SIZE, noise=0.0)
    remove_robot(model)
    own = sum(len(robot.joints) for robot in robots_of(scene))  # come first in qpos
    eye, axes, fovy_deg = np.array(scene.camera.eye), camera_axes(scene.camera), global_fovy_deg(scene.camera)
    camera = Camera(model, spec)
    drawn: list[tuple[Any, bytes]] = [(None, b""), (None, b"")]
    try:
        for qpos, point in moments:
            things = np.round(qpos[own:] / _SAME_M).tobytes()
            looks = ((axes, fovy_deg), local_pose(scene.camera, point))
            marks = (things, (things, np.round(point / _SAME_M).tobytes()))
            for i, (mark, (turned, fov)) in enumerate(zip(marks, looks, strict=True)):
                if drawn[i][0] != mark:
                    camera.aim(eye, turned, fov)
                    camera.pose(qpos)
                    drawn[i] = (mark, _jpeg(camera.colour()))
            yield tuple(file for _, file in drawn)
    finally:
        camera.close()


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    done, data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise ValueError("a view could not be encoded as JPEG")
    return data.tobytes()
