"""``transforms.json`` in Nerfstudio's layout: pictures, the numbers of their cameras, and where they stood.

``fl_x``, ``fl_y``, ``cx``, ``cy``, ``w`` and ``h`` stand for all frames or for one; ``transform_matrix`` is the pose of
an OpenGL camera. A camera that is not a pinhole is refused, wherever the file says so.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3
from foley_perception.scene.photo import UPRIGHT_CURE, PhotoHeader, read_header

_OPENCV_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])
_PERSPECTIVE = (
    "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "FULL_OPENCV", "PERSPECTIVE",
)  # fmt: skip
"""Models that are a pinhole where all their coefficients are 0. Those of a fisheye are not."""
_COEFFICIENT = re.compile(
    r"k\d*|p\d+|s\d+|tau_[xy]|omega|distortion(_(params|coefficients|coeffs))?|dist_coeffs"
)
_FLAGS = ("is_fisheye", "fisheye", "latlong", "equirectangular", "orthographic")
"""Of instant-ngp: the lens is none of a pinhole where one is set."""
_LEAST = 1e-6
_UNDISTORT = "undistort the images first, they are taken as pinhole"


@dataclasses.dataclass(frozen=True)
class PosedPicture:
    """One frame whose picture is there."""

    path: Path
    camera: CameraModel
    depth: Path | None  # as the file names it
    header: PhotoHeader | None  # None: neither JPEG nor PNG


def read_transforms(file: Path) -> tuple[list[PosedPicture], list[Path]]:
    """Frames whose pictures are there, and the pictures that are not.

    Raises:
        ValueError: it is of another layout, a camera is not a pinhole, or does not fit its picture.
    """
    try:
        content: dict[str, Any] = json.loads(file.read_text("utf-8-sig"))
        frames: list[dict[str, Any]] = list(content["frames"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{file}: not Nerfstudio's layout ({type(error).__name__}: {error})") from error
    _refuse_bent(content, f"{file}")
    there, missing = [], []
    for number, frame in enumerate(frames):
        where = f"{file}: frame {number}"
        if not isinstance(frame, dict):
            raise ValueError(f"{where}: is a {type(frame).__name__}, must be an object")
        _refuse_bent(frame, where)
        try:
            path = file.parent / str(frame["file_path"])
            if not path.is_file():
                missing.append(path)
                continue
            header = read_header(path)
            camera = _camera({**content, **frame}, header)
        except (KeyError, ValueError, TypeError, OverflowError) as error:
            raise ValueError(f"{where}: {type(error).__name__}: {error}") from error
        if header is not None and header.size != (camera.width, camera.height):
            raise ValueError(_of_another_size(where, path, camera, header))
        depth = file.parent / str(frame["depth_file_path"]) if frame.get("depth_file_path") else None
        there.append(PosedPicture(path, camera, depth, header))
    return there, missing


def read_camera(file: Path, name: str) -> CameraModel:
    """A camera that the file tells beside its frames, in the same numbers.

    Raises:
        ValueError: it tells none of this name, or it is not a pinhole.
    """
    try:
        known: dict[str, Any] = dict(json.loads(file.read_text("utf-8-sig"))[name])
        _refuse_bent(known, f"{file}: {name}")
        return _camera(known, None)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"{file}: no camera `{name}` ({type(error).__name__}: {error})") from error


def _camera(known: Mapping[str, Any], header: PhotoHeader | None) -> CameraModel:
    """Of a frame; where no size is told, that of its picture counts."""
    for name, value in zip(("w", "h"), header.size if header else (), strict=False):
        known = {name: value, **known}
    fx, fy, cx, cy, width, height = (float(known[key]) for key in ("fl_x", "fl_y", "cx", "cy", "w", "h"))
    pose = np.asarray(known["transform_matrix"], dtype=np.float64)
    if pose.shape == (3, 4):
        pose = np.vstack([pose, [0.0, 0.0, 0.0, 1.0]])
    if pose.shape != (4, 4) or not np.isfinite(pose).all():
        raise ValueError(f"transform_matrix has shape {pose.shape} or is not finite, must be [4, 4]")
    if np.abs(pose[3] - (0.0, 0.0, 0.0, 1.0)).max() > _LEAST:
        swapped = np.abs(pose[:, 3] - (0.0, 0.0, 0.0, 1.0)).max() <= _LEAST
        cure = "it is transposed: the place is its last column" if swapped else "write poses without scale"
        row = ", ".join(f"{value:.6g}" for value in pose[3])
        raise ValueError(f"the last row of transform_matrix is [{row}], must be [0, 0, 0, 1]; {cure}")
    turn = pose[:3, :3]
    if np.abs(turn @ turn.T - np.eye(3)).max() > 0.01 or np.linalg.det(turn) < 0:
        raise ValueError(
            "transform_matrix is no rotation and translation; write poses without scale or mirror"
        )
    K = np.array([[fx, 0, cx - 0.5], [0, fy, cy - 0.5], [0, 0, 1]])
    return CameraModel(K, int(width), int(height), SE3.from_matrix(pose @ _OPENCV_OPENGL))


def _refuse_bent(known: Mapping[str, Any], where: str) -> None:
    """
    Raises:
        ValueError: a model or a coefficient that is not a pinhole's.
    """
    model = known.get("camera_model", "PINHOLE")
    if model not in _PERSPECTIVE:
        raise ValueError(f"{where}: camera_model is {model!r}; undistort the images to PINHOLE first")
    for name in _FLAGS:
        if known.get(name) not in (None, False, 0, "false", "False"):
            raise ValueError(f"{where}: {name} is {known[name]!r}; {_UNDISTORT}")
    for name, value in known.items():
        if (
            name.startswith("ftheta_") and value is not None
        ):  # NVIDIA's polynomial of the angle: 0 is a lens as well
            raise ValueError(f"{where}: {name} is {value!r}; {_UNDISTORT}")
    for name in filter(_COEFFICIENT.fullmatch, known):
        try:
            straight = np.abs(np.asarray(known[name], dtype=np.float64)).max(initial=0.0) <= _LEAST
        except (ValueError, TypeError):
            straight = False
        if not straight:
            raise ValueError(f"{where}: {name} is {known[name]!r}; {_UNDISTORT}")


def _of_another_size(where: str, path: Path, camera: CameraModel, header: PhotoHeader) -> str:
    told = (
        f"{where}: {path.name} is {header.width}x{header.height}, its camera {camera.width}x{camera.height}; "
    )
    if header.turns_sideways and header.size == (camera.height, camera.width):
        return told + (
            f"its EXIF orientation is {header.orientation} and pictures are taken as they are stored: {UPRIGHT_CURE}"
        )
    return told + "give the picture that these numbers are of, or scale fl_x, fl_y, cx, cy, w and h to it"
