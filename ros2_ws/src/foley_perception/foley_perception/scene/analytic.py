"""Scenes whose every pixel is known: boxes on a table. For tests, and for trying things without a simulator."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_perception.geometry.camera import CameraModel

Box = tuple[tuple[float, float, float], tuple[float, float, float]]


def bench_camera(width: int = 320, height: int = 240) -> CameraModel:
    """A camera that looks down at a table top from half a right angle or so."""
    return CameraModel.looking_at(
        (0.0, -0.75, 0.65), (0.0, 0.0, 0.05), width=width, height=height, fovy_deg=50.0
    )


def render_depth(camera: CameraModel, boxes: list[Box], table_z: float = 0.0) -> NDArray[np.float32]:
    """Depth [H, W] in metres of a table top and boxes on it, in whole millimetres as a 16UC1 image would hold it.

    Args:
        boxes: (lowest corner, highest corner) of each, in the world [m].
    """
    v, u = np.mgrid[0 : camera.height, 0 : camera.width]
    eye = camera.tx_world_camera.translation
    rays = camera.unproject(np.stack([u, v], axis=-1), np.ones(u.shape)) - eye
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = (table_z - eye[2]) / rays[..., 2]
        depth = np.where(depth > 0, depth, np.inf)
        for low, high in boxes:
            first, second = (np.array(low) - eye) / rays, (np.array(high) - eye) / rays
            enter, leave = np.minimum(first, second).max(-1), np.maximum(first, second).min(-1)
            depth = np.where((enter < leave) & (enter > 0), np.minimum(depth, enter), depth)
    return np.where(np.isfinite(depth), np.round(depth * 1000) / 1000, np.nan).astype(np.float32)


BOXES: list[Box] = [((-0.15, -0.1, 0.0), (-0.02, 0.05, 0.12)), ((0.06, -0.05, 0.0), (0.2, 0.12, 0.07))]


def ring_of_cameras(count: int, width: int = 64, height: int = 48) -> list[CameraModel]:
    """Cameras round the table that look at its middle, at rising heights."""
    found = []
    for k in range(count):
        angle, rise = 2 * np.pi * k / count, 0.35 + 0.3 * k / count
        eye = (0.6 * np.cos(angle), 0.6 * np.sin(angle), rise)
        found.append(CameraModel.looking_at(eye, (0, 0, 0.03), width=width, height=height, fovy_deg=40.0))
    return found


def render_picture(camera: CameraModel) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Colour, a smooth function of the place in the world, and depth."""
    depth = render_depth(camera, BOXES)
    v, u = np.mgrid[0 : camera.height, 0 : camera.width]
    points = camera.unproject(np.stack([u, v], -1), np.nan_to_num(depth, nan=5.0))
    waves = 0.5 + 0.35 * np.sin(
        np.stack([9 * points[..., 0], 8 * points[..., 1] + 1, 20 * points[..., 2]], -1)
    )
    return np.asarray(np.round(waves * 255), np.uint8), depth


def write_scan(folder: Path, cameras: list[CameraModel], *, depth: bool = True) -> Path:
    """A scan of the boxes as images and ``transforms.json``, in a new folder."""
    folder.mkdir(parents=True)
    frames = []
    for k, camera in enumerate(cameras):
        rgb, metres = render_picture(camera)
        cv2.imwrite(str(folder / f"{k:03d}.png"), rgb[..., ::-1])
        frame = {
            "file_path": f"{k:03d}.png",
            "transform_matrix": (camera.tx_world_camera.matrix @ np.diag([1.0, -1, -1, 1])).tolist(),
        }
        if depth:
            millimetres = np.nan_to_num(metres * 1000).round().astype(np.uint16)
            cv2.imwrite(str(folder / f"{k:03d}_depth.png"), millimetres)
            frame["depth_file_path"] = f"{k:03d}_depth.png"
        frames.append(frame)
    first = cameras[0].K
    head = {"fl_x": first[0, 0], "fl_y": first[1, 1], "cx": first[0, 2] + 0.5, "cy": first[1, 2] + 0.5}
    size = {"w": cameras[0].width, "h": cameras[0].height}
    (folder / "transforms.json").write_text(json.dumps({**head, **size, "frames": frames}))
    return folder
