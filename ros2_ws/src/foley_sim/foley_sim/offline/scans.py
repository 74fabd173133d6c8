"""A short scan of a scene: pictures with depth and poses from all sides, as a folder in Nerfstudio's layout.

`foley scene` reconstructs it like any other scan. ``view_camera`` in ``transforms.json`` is the camera that looks at an
interaction, of which views are: a scene's views can be drawn anew from what the scan has seen.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_sim.physics import mjcf
from foley_sim.physics.mjcf import camera_axes
from foley_sim.rendering.camera import Camera, intrinsics, remove_robot
from foley_sim.rendering.scan_path import ScanPath
from foley_sim.spec import CameraSpec, SceneSpec

Array = NDArray[np.float64]

FOLDER = "scans"
"""Of a set, for the scans of its scenes, each in a folder of its scene's name."""
VIEWS = 24
TRANSFORMS = "transforms.json"

_JPEG_QUALITY = 95


def scanned(seed: int, share: float) -> bool:
    """Whether a scene belongs to the share that is scanned: the first one does, and others evenly between."""
    return math.ceil(round((seed + 1) * share, 9)) > math.ceil(round(seed * share, 9))


def write_scan(folder: Path, scene: SceneSpec, views: int = VIEWS) -> None:
    """Look at a scene from places on the path of a scan, and write what was seen, whole or not at all.

    Raises:
        NoRenderer: no OpenGL context.
        OSError: the folder cannot be written.
    """
    model = mjcf.load(scene)
    remove_robot(model)
    path, spec = ScanPath(1.0), scene.camera
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    partial.mkdir(parents=True)
    camera = Camera(model, spec)
    frames = []
    try:
        for number in range(views):
            eye, axes = path.pose((number + 0.5) / views)
            camera.aim(eye, axes, spec.fovy_deg)
            camera.pose(model.qpos0)
            colour, depth = f"{number:03d}.jpg", f"{number:03d}_depth.png"
            quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
            written = cv2.imwrite(str(partial / colour), camera.colour()[:, :, ::-1], quality)
            if not (written and cv2.imwrite(str(partial / depth), camera.depth_mm())):
                raise OSError(f"{partial}: a picture cannot be written")
            frames.append(
                {"file_path": colour, "depth_file_path": depth, "transform_matrix": _opengl(eye, axes)}
            )
        own = {**_numbers(spec), "transform_matrix": _opengl(np.array(spec.eye), camera_axes(spec))}
        told = {**_numbers(spec), "scene_id": scene.scene_id, "view_camera": own, "frames": frames}
        (partial / TRANSFORMS).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        partial.replace(folder)
    finally:
        camera.close()
        shutil.rmtree(partial, ignore_errors=True)


def _numbers(camera: CameraSpec) -> dict[str, float]:
    """In Nerfstudio's pixels, whose first one has its corner at (0, 0)."""
    k = intrinsics(camera)
    return {
        "fl_x": k[0, 0], "fl_y": k[1, 1], "cx": k[0, 2] + 0.5, "cy": k[1, 2] + 0.5,
        "w": camera.width, "h": camera.height,
    }  # fmt: skip


def _opengl(eye: Array, axes: Array) -> list[Any]:
    """Pose [4, 4] of a camera that looks along -z with y up, of one whose optical axes these are."""
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = axes * np.array([1.0, -1.0, -1.0]), eye
    return list(pose.tolist())
