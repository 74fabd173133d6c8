"""Metres for photographs: a printed board in the scene tells how large it is, where it lies and what is up.

Corners of the board are seen in several pictures with poses; where their rays meet is a cloud of points that differs
from the board by a similarity (Umeyama 1991). After it the board's middle is the origin, x runs along its columns and z
out of it.
"""

from __future__ import annotations

import collections
import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_perception.geometry.camera import CameraModel
from foley_perception.scene.charuco import Board
from foley_perception.scene.scan import ScanError, read_scan

Array = NDArray[np.float64]

LEAST_CORNERS = 8
LEAST_DEG = 3.0
"""Rays that meet under less than this say little of where."""


@dataclasses.dataclass(frozen=True)
class Metric:
    """How a scene came to its metres."""

    metres_per_unit: float
    pictures: int  # that show the board
    corners: int  # whose place was found
    rms_mm: float  # between them and the board


def to_metres(folder: Path, board: Board) -> Metric:
    """Rewrite ``transforms.json`` of a folder in metres, in the frame of a board that its pictures show.

    Raises:
        ScanError: no poses there, depth images whose unit would no longer hold, or too little is seen of the board.
    """
    file = folder / "transforms.json"
    scan = read_scan(folder)
    if any(view.depth is not None for view in scan.views):
        raise ScanError(f"{folder}: has depth images, which are in metres already")
    seen: dict[tuple[float, ...], list[tuple[CameraModel, Array]]] = collections.defaultdict(list)
    pictures = 0
    for view in scan.views:
        found = board.find(view.rgb())
        if found is None:
            continue
        pictures += 1
        for corner, pixel in zip(*found, strict=True):
            seen[tuple(corner)].append((view.camera, pixel))
    met = {corner: point for corner, rays in seen.items() if (point := _meeting(rays)) is not None}
    if len(met) < LEAST_CORNERS:
        raise ScanError(
            f"{folder}: {pictures} of {len(scan.views)} pictures show the board, and {len(met)} of its corners from "
            f"two sides; at least {LEAST_CORNERS} are needed: photograph it from more places, and check its size and "
            "dictionary"
        )
    there = np.array([_out_of_board(np.array(corner), board) for corner in met])
    fit, scale = cv2.estimateAffine3D(np.array(list(met.values())), there, force_rotation=True)
    rotation, shift = fit[:, :3], fit[:, 3]
    off = np.linalg.norm(np.array(list(met.values())) @ (scale * rotation).T + shift - there, axis=1)
    content = json.loads(file.read_text())
    for frame in content["frames"]:
        pose = np.array(frame["transform_matrix"], dtype=np.float64)
        pose[:3, :3] = rotation @ pose[:3, :3]
        pose[:3, 3] = scale * rotation @ pose[:3, 3] + shift
        frame["transform_matrix"] = pose.tolist()
    result = Metric(float(scale), pictures, len(met), 1e3 * float(np.sqrt((off**2).mean())))
    content["metric"] = dataclasses.asdict(result)
    part = file.with_suffix(".json.part")
    part.write_text(json.dumps(content, indent=1) + "\n")
    part.replace(file)
    return result


def _meeting(rays: list[tuple[CameraModel, Array]]) -> Array | None:
    """Where rays meet, in least squares; None where they are too few or nearly parallel."""
    if len(rays) < 2:
        return None
    eyes = np.stack([camera.tx_world_camera.translation for camera, _ in rays])
    ways = np.stack(
        [camera.unproject(pixel, 1.0) - camera.tx_world_camera.translation for camera, pixel in rays]
    )
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    if np.rad2deg(np.arccos(np.clip((ways @ ways.T).min(), -1, 1))) < LEAST_DEG:
        return None
    across = np.eye(3) - ways[:, :, None] * ways[:, None, :]
    return np.asarray(np.linalg.solve(across.sum(axis=0), np.einsum("nij,nj->i", across, eyes)))


def _out_of_board(corner: Array, board: Board) -> Array:
    """From the board's frame, whose z goes into it, to the one that stands on it."""
    middle = np.array([board.columns, board.rows, 0.0]) * board.square_m / 2
    return np.asarray((corner - middle) * [1.0, -1.0, -1.0])
