"""The pictures of a bag with the camera's numbers and every transform, static and moving."""

from __future__ import annotations

import collections
import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_perception.episodes.decode import Decoder, stamp_ns
from foley_perception.episodes.pictures import frame_track
from foley_perception.episodes.tracks import EpisodeError, FrameTrack
from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.tf_buffer import TransformBuffer
from foley_perception.recording.bag import Bag, BagMessage
from foley_perception.recording.errors import BagError

_FOREVER_S = 1e9


@dataclasses.dataclass(frozen=True, eq=False)
class RecordedPictures:
    """What one camera saw."""

    source: Path
    prefix: str  # of the camera's topics, such as `/` or `/robot1/`
    frames: FrameTrack
    depths: FrameTrack | None
    K: NDArray[np.float64]  # [3, 3], the newest
    distortion: NDArray[np.float64]  # as camera_info gives it; empty or zeros: none
    size: tuple[int, int]  # width, height
    frame_id: str  # of the optical frame
    transforms: TransformBuffer  # over the whole bag
    scene_id: str
    problems: tuple[str, ...]


def read_pictures(source: Path) -> RecordedPictures:
    """Read colour, depth, camera_info, /tf and /tf_static.

    Raises:
        EpisodeError: not a bag, no pictures or camera_info, or a wrong encoding.
    """
    try:
        bag = Bag(source)
        found: dict[str, list[BagMessage]] = collections.defaultdict(list)
        for message in bag.messages():
            found[message.topic].append(message)
    except BagError as error:
        raise EpisodeError(str(error)) from error
    decoder = Decoder(dict(bag.topics))
    colour = _topic(found, ("camera/image_raw", "camera/image_raw/compressed"))
    info = _topic(found, ("camera/camera_info",))
    if not colour or not info:
        wanted = (("camera/image_raw", colour), ("camera/camera_info", info))
        missing = " and ".join(name for name, topic in wanted if not topic)
        raise EpisodeError(
            f"{source}: no messages on {missing}; the bag has {', '.join(sorted(found)) or 'none'}"
        )
    newest = decoder.read(found[info][-1])
    depth = _topic(found, ("camera/depth/image_raw", "camera/depth/image_raw/compressedDepth"))
    return RecordedPictures(
        source=source,
        prefix=colour[: colour.rindex("camera/image_raw")] or "/",
        frames=frame_track(bag.topics[colour], found[colour], depth=False),
        depths=frame_track(bag.topics[depth], found[depth], depth=True) if depth else None,
        K=np.array(newest.k, dtype=np.float64).reshape(3, 3),
        distortion=np.array(newest.d, dtype=np.float64),
        size=(int(newest.width), int(newest.height)),
        frame_id=str(newest.header.frame_id),
        transforms=_transforms(found, decoder),
        scene_id=str(bag.session.get("scene_id") or ""),
        problems=tuple(bag.problems),
    )


def _topic(found: dict[str, list[BagMessage]], names: tuple[str, ...]) -> str:
    """The topic that ends like one of the names, the first name first; empty if none has messages."""
    for name in names:
        fitting = [t for t, messages in found.items() if messages and t.lstrip("/").endswith(name)]
        if fitting:
            return min(fitting, key=len)
    return ""


def _transforms(found: dict[str, list[BagMessage]], decoder: Decoder) -> TransformBuffer:
    buffer = TransformBuffer(cache_s=_FOREVER_S)
    for topic, static in (("/tf_static", True), ("/tf", False)):
        for message in found.get(topic, []):
            for stamped in decoder.read(message).transforms:
                t, q = stamped.transform.translation, stamped.transform.rotation
                values = np.array([q.x, q.y, q.z, q.w, t.x, t.y, t.z])
                if np.isfinite(values).all() and np.linalg.norm(values[:4]) > 1e-6:
                    parent, child = stamped.header.frame_id, stamped.child_frame_id
                    pose = SE3(values[:4], values[4:])
                    buffer.add(parent, child, stamp_ns(stamped.header), pose, static=static)
    return buffer
