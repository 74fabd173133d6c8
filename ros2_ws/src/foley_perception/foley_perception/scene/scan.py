"""Pictures of a scene from known places: read from a bag whose camera moves, or from a folder of images.

A folder holds images and a ``transforms.json`` in Nerfstudio's layout, as many tools write it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_perception.episodes.names import Naming
from foley_perception.episodes.tracks import EpisodeError, FrameTrack
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.tf_buffer import TransformUnavailable
from foley_perception.scene.photo import SUFFIXES
from foley_perception.scene.recorded import read_pictures
from foley_perception.scene.transforms_file import read_transforms

Rgb = NDArray[np.uint8]
Depth = NDArray[np.float32]


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
        if any(p.suffix.lower() in SUFFIXES for p in source.rglob("*")):
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
        pictures, missing = read_transforms(file)
    except ValueError as error:
        raise ScanError(str(error)) from error
    count = len(pictures) + len(missing)
    if not pictures:
        raise ScanError(f"{file}: none of its {count} images is there")
    problems = [f"{len(missing)} of {count} images are missing, as {missing[0].name}"] if missing else []
    turned = [p for p in pictures if p.header is not None and p.header.orientation != 1]
    if turned and (header := turned[0].header) is not None:
        problems.append(
            f"{len(turned)} of {count} images have an EXIF orientation, as {turned[0].path.name} "
            f"({header.orientation}): they are taken as they are stored, turned, as COLMAP takes them"
        )
    blind = [p.depth for p in pictures if p.depth is not None and not p.depth.is_file()]
    if blind:
        problems.append(f"{len(blind)} of {count} depth images are missing, as {blind[0].name}")
    views = tuple(
        View(
            picture.path.stem,
            picture.camera,
            _read_rgb(picture.path),
            _read_depth(picture.depth) if picture.depth is not None and picture.depth.is_file() else None,
        )
        for picture in pictures
    )
    return Scan(source, views, tuple(problems))


def _read_rgb(path: Path) -> Callable[[], Rgb]:
    def read() -> Rgb:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
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
