"""Pictures of a scene from known places: read from a bag whose camera moves, or from a folder of images.

A folder holds images and a ``transforms.json`` in Nerfstudio's layout (``fl_x``, ``fl_y``, ``cx``, ``cy``, ``frames``
with ``file_path`` and ``transform_matrix``, an OpenGL camera), as many tools write it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_perception.episodes.names import Naming
from foley_perception.episodes.tracks import EpisodeError, FrameTrack
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.tf_buffer import TransformUnavailable
from foley_perception.scene.recorded import read_pictures

Rgb = NDArray[np.uint8]
Depth = NDArray[np.float32]

_OPENCV_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])
_SUFFIXES = (".jpg", ".jpeg", ".png")


class ScanError(ValueError):
    """Pictures of a scene cannot be used; the message says why and what to do."""


@dataclasses.dataclass(frozen=True, eq=False)
class View:
    """One picture: where it was taken from, its pixels and its depth, decoded when asked for."""

    name: str
    camera: CameraModel
    rgb: Callable[[], Rgb]  # [H, W, 3]
    depth: Callable[[], Depth] | None = (
        None  # [h, w] metres, NaN where unknown; may be smaller than the colours
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Scan:
    """Views of one scene in one frame, in the order in which they were taken."""

    source: Path
    views: tuple[View, ...]
    problems: tuple[str, ...] = ()
    scene_id: str = ""  # as the recording's metadata names it

    @property
    def has_depth(self) -> bool:
        return all(view.depth is not None for view in self.views)

    def without_blurred(self, share: float = 0.35, around: int = 15) -> Scan:
        """Without the views that are much less sharp than those taken before and after.

        Args:
            share: a view goes if its sharpness is under this part of the median around it.
            around: how many views that median looks at.
        """
        sharp = np.array([sharpness(view.rgb()) for view in self.views])
        half = around // 2
        usual = np.array([np.median(sharp[max(0, i - half) : i + half + 1]) for i in range(len(sharp))])
        keep = sharp >= share * usual
        if keep.all():
            return self
        told = f"{int((~keep).sum())} of {len(keep)} views are blurred and were left out"
        kept = tuple(view for view, good in zip(self.views, keep, strict=True) if good)
        return dataclasses.replace(self, views=kept, problems=(*self.problems, told))


def sharpness(rgb: Rgb) -> float:
    """Variance of the Laplacian of the brightness: low where a picture is blurred."""
    return float(cv2.Laplacian(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())


def read_scan(path: str | Path, *, world_frame: str = "world", naming: Naming | None = None) -> Scan:
    """Views from a bag (camera poses by /tf and /tf_static) or from a folder with ``transforms.json``.

    Raises:
        ScanError: nothing usable is there; the message says what is missing.
    """
    source = Path(path)
    if (source / "transforms.json").is_file():
        return _from_folder(source)
    if source.is_dir() and not list(source.glob("*.mcap")) and not (source / "metadata.yaml").is_file():
        if any(p.suffix.lower() in _SUFFIXES for p in source.rglob("*")):
            raise ScanError(
                f"{source}: images without poses; run `foley scene poses {source}` first, which writes transforms.json"
            )
        raise ScanError(f"{source}: neither a bag nor a folder of images")
    return _from_bag(source, world_frame, naming)


# ---- bags --------------------------------------------------------------------------------------------------
def _from_bag(source: Path, world_frame: str, naming: Naming | None) -> Scan:
    try:
        seen = read_pictures(source, naming)
    except EpisodeError as error:
        raise ScanError(str(error)) from error
    views, unknown = [], ""
    for index, stamp in enumerate(seen.frames.times_ns):
        try:
            pose = seen.transforms.lookup(world_frame, seen.frame_id, int(stamp))
            camera = CameraModel(seen.K, *seen.size, pose)
        except (TransformUnavailable, ValueError) as error:
            unknown = unknown or str(error)
            continue
        views.append(
            View(f"{index:05d}", camera, _colour(seen.frames, index), _depth(seen.depths, int(stamp)))
        )
    if not views:
        raise ScanError(
            f"{source}: no picture has a pose ({unknown}); record /tf and /tf_static beside the camera"
        )
    problems, count = list(seen.problems), len(seen.frames)
    if unknown:
        problems.append(f"{count - len(views)} of {count} pictures have no pose: {unknown}")
    blind = sum(view.depth is None for view in views)
    if seen.depths is not None and blind:
        problems.append(f"{blind} of {len(views)} pictures have no depth of their time")
    return Scan(source, tuple(views), tuple(problems), seen.scene_id)


def _colour(frames: FrameTrack, index: int) -> Callable[[], Rgb]:
    return lambda: np.asarray(frames.read(index), dtype=np.uint8)


def _depth(frames: FrameTrack | None, stamp: int, within_ns: int = 5_000_000) -> Callable[[], Depth] | None:
    if frames is None:
        return None
    index = frames.nearest(stamp)
    if abs(int(frames.times_ns[index]) - stamp) > within_ns:
        return None
    return lambda: np.asarray(frames.read(index), dtype=np.float32)


# ---- folders -----------------------------------------------------------------------------------------------
def _from_folder(source: Path) -> Scan:
    file = source / "transforms.json"
    try:
        content: dict[str, Any] = json.loads(file.read_text())
        frames: list[dict[str, Any]] = list(content["frames"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ScanError(f"{file}: not Nerfstudio's layout ({type(error).__name__}: {error})") from error
    if content.get("camera_model", "OPENCV") not in ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE"):
        raise ScanError(
            f"{file}: camera_model is {content['camera_model']!r}; undistort the images to PINHOLE first"
        )
    bent = [name for name in ("k1", "k2", "p1", "p2") if abs(float(content.get(name, 0.0))) > 1e-6]
    if bent:
        raise ScanError(
            f"{file}: {bent[0]} is {content[bent[0]]}; undistort the images first, they are taken as pinhole"
        )
    views, missing = [], []
    for number, frame in enumerate(frames):
        try:
            path = source / str(frame["file_path"])
            k = {
                key: float(frame.get(key, content.get(key, "nan")))
                for key in ("fl_x", "fl_y", "cx", "cy", "w", "h")
            }
            pose = np.asarray(frame["transform_matrix"], dtype=np.float64) @ _OPENCV_OPENGL
            K = np.array([[k["fl_x"], 0, k["cx"] - 0.5], [0, k["fl_y"], k["cy"] - 0.5], [0, 0, 1]])
            camera = CameraModel(K, int(k["w"]), int(k["h"]), SE3.from_matrix(pose))
        except (KeyError, ValueError, TypeError) as error:
            raise ScanError(f"{file}: frame {number}: {type(error).__name__}: {error}") from error
        if not path.is_file():
            missing.append(path.name)
            continue
        depth = source / str(frame["depth_file_path"]) if frame.get("depth_file_path") else None
        views.append(
            View(
                path.stem, camera, _read_rgb(path), _read_depth(depth) if depth and depth.is_file() else None
            )
        )
    if not views:
        raise ScanError(f"{file}: none of its {len(frames)} images is there")
    problems = (f"{len(missing)} of {len(frames)} images are missing, as {missing[0]}",) if missing else ()
    return Scan(source, tuple(views), problems)


def _read_rgb(path: Path) -> Callable[[], Rgb]:
    def read() -> Rgb:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            raise ScanError(f"{path}: not an image, or damaged")
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)

    return read


def _read_depth(path: Path) -> Callable[[], Depth]:
    """Depth of a PNG of 16 bit in millimetres."""

    def read() -> Depth:
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if image is None or image.dtype != np.uint16 or image.ndim != 2:
            raise ScanError(f"{path}: not a depth image (PNG, 16 bit grey, millimetres)")
        return np.where(image > 0, image.astype(np.float32) * np.float32(1e-3), np.float32(np.nan))

    return read
