"""The hands of a person in a recording: every picture looked at, by our networks or by what HaMeR made of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from foley_perception.episodes.tracks import EpisodeError, Times
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.tf_buffer import TransformUnavailable
from foley_perception.hands import hamer
from foley_perception.hands.track import TrackConfig
from foley_perception.hands.tracking_pipeline import PALM_M, Counts, Detector, HandFollower, HandInPicture
from foley_perception.scene.recorded import RecordedPictures

Array = NDArray[np.float64]

DEPTH_WITHIN_NS = 50_000_000


@dataclasses.dataclass(frozen=True, eq=False)
class HandsInRecording:
    """Both hands at the time of each picture."""

    times_ns: Times  # [n]
    keypoints: Array  # [n, 2, 21, 3] in the world, left first, NaN where absent
    confidence: Array  # [n, 2]
    counts: Counts
    problems: tuple[str, ...]


Finder = Callable[[int, NDArray[np.uint8]], Sequence[HandInPicture]]
"""Hands in the picture of a number."""


def by_networks(detector: Detector) -> Finder:
    """Found in the picture itself."""
    return lambda index, rgb: detector.detect(rgb)


def by_hamer(folder: Path, size: tuple[int, int], pictures: int) -> tuple[Finder, list[str]]:
    """Read from `00012.npz` for picture 12; no file means that no hand was found there. And what was left out.

    Args:
        folder: of the files, which are read at once: what is wrong with one is told before the work.
        size: width and height of the pictures.
        pictures: of the recording.

    Raises:
        HamerError: the folder holds no such file, two for one picture, or one that cannot be used.
    """
    files: dict[int, Path] = {}
    for file in sorted(folder.glob("*.npz")):
        if not (file.stem.isascii() and file.stem.isdecimal()):
            continue
        if (other := files.setdefault(int(file.stem), file)) != file:
            raise hamer.HamerError(f"{file}: is of the same picture as {other.name}; keep one of them")
    if not files:
        raise hamer.HamerError(
            f"{folder}: no file such as 00012.npz; run HaMeR on what `foley hands pictures` wrote and keep the names"
        )
    beyond = [file for number, file in files.items() if number >= pictures]
    if len(beyond) == len(files):
        raise hamer.HamerError(
            f"{folder}: {beyond[0].name} and all others are of pictures that the recording lacks, which has {pictures} "
            "from 00000 on; run HaMeR on its own pictures"
        )
    hands: dict[int, list[hamer.HamerHand]] = {}
    problems, bad = [], list[str]()
    for number, file in files.items():
        if number < pictures:
            hands[number], reasons = hamer.load(file, *size)
            bad += [f"{file.name}, {reason}" for reason in reasons]
    if beyond:
        problems.append(
            f"{len(beyond)} of {len(files)} files of HaMeR are of pictures that the recording lacks, as "
            f"{beyond[0].name}"
        )
    if bad:
        problems.append(f"{len(bad)} hands of HaMeR were left out, as in {bad[0]}")
    return lambda index, rgb: hands.get(index, []), problems


def follow_recording(
    seen: RecordedPictures,
    find: Finder,
    *,
    world_frame: str = "world",
    config: TrackConfig | None = None,
    palm_m: float = PALM_M,
    every: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> HandsInRecording:
    """Find, place and follow the hands in every picture, or in every so many.

    Args:
        palm_m: see :class:`HandFollower`; 0 for shapes whose size is to be believed.

    Raises:
        EpisodeError: no picture has a pose, or a picture has another size than camera_info says.
    """
    follower = HandFollower(_Nobody(), config, palm_m=palm_m)
    times: list[int] = []
    found: list[tuple[Array, Array]] = []
    unknown, lost, blind = "", 0, 0
    indices = range(0, len(seen.frames), max(1, every))
    for done, index in enumerate(indices, start=1):
        progress(done, len(indices))
        stamp = int(seen.frames.times_ns[index])
        try:
            pose = seen.transforms.lookup(world_frame, seen.frame_id, stamp)
        except TransformUnavailable as error:
            unknown, lost = unknown or str(error), lost + 1
            continue
        camera = CameraModel(seen.K, *seen.size, pose)
        rgb = np.asarray(seen.frames.read(index), dtype=np.uint8)
        if rgb.shape[:2] != (camera.height, camera.width):
            raise EpisodeError(
                f"{seen.source}: a picture is {rgb.shape[1]}x{rgb.shape[0]}, camera_info says "
                f"{camera.width}x{camera.height}"
            )
        depth = _depth(seen, stamp)
        blind += depth is None
        times.append(stamp)
        found.append(follower.settle(stamp, find(index, rgb), camera, depth))
    if not times:
        raise EpisodeError(
            f"{seen.source}: no picture has a pose ({unknown}); record /tf_static, or find the camera with "
            "`foley scene register`"
        )
    problems = list(seen.problems)
    if lost:
        problems.append(f"{lost} of {len(indices)} pictures have no pose: {unknown}")
    if blind:
        problems.append(
            f"{blind} of {len(times)} pictures have no depth of their time: how far hands are is a guess there"
        )
    return HandsInRecording(
        np.array(times, dtype=np.int64),
        np.stack([keypoints for keypoints, _ in found]),
        np.stack([confidence for _, confidence in found]),
        follower.counts,
        tuple(problems),
    )


def write_pictures(
    seen: RecordedPictures, folder: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> int:
    """Pictures as `00012.png`, for other programs; how many."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(len(seen.frames)):
        path = folder / f"{index:05d}.png"
        if not cv2.imwrite(str(path), np.asarray(seen.frames.read(index), dtype=np.uint8)[..., ::-1]):
            raise OSError(f"{path}: cannot be written")
        progress(index + 1, len(seen.frames))
    return len(seen.frames)


class _Nobody:
    """Sees no hands: they come from elsewhere."""

    def detect(self, rgb: NDArray[np.uint8]) -> Sequence[HandInPicture]:
        return []

    def forget(self) -> None: ...


def _depth(seen: RecordedPictures, stamp: int) -> NDArray[np.float32] | None:
    if seen.depths is None:
        return None
    index = seen.depths.nearest(stamp)
    if abs(int(seen.depths.times_ns[index]) - stamp) > DEPTH_WITHIN_NS:
        return None
    return np.asarray(seen.depths.read(index), dtype=np.float32)
