"""The pictures of a bag with the camera's numbers and every transform, static and moving."""

from __future__ import annotations

import collections
import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_common import topics
from foley_perception.episodes.cameras import straight_pictures
from foley_perception.episodes.decode import Decoder, add_transforms
from foley_perception.episodes.tracks import EpisodeError, FrameTrack
from foley_perception.geometry.tf_buffer import TransformBuffer
from foley_perception.recording.bag import Bag, BagMessage
from foley_perception.recording.errors import BagError

_FOREVER_S = 1e9


@dataclasses.dataclass(frozen=True, eq=False)
class RecordedPictures:
    """What one camera saw, without the distortion of its lens."""

    source: Path
    prefix: str  # of the camera's topics, such as `/` or `/robot1/`
    frames: FrameTrack
    depths: FrameTrack | None
    K: NDArray[np.float64]  # [3, 3], the newest
    size: tuple[int, int]  # width, height
    frame_id: str  # of the optical frame
    transforms: TransformBuffer  # over the whole bag
    scene_id: str
    problems: tuple[str, ...]


def read_pictures(source: Path) -> RecordedPictures:
    """Read colour, depth, camera_info, /tf and /tf_static.

    Raises:
        EpisodeError: not a bag, no pictures or camera_info, none that can be used, or a camera that is not
            calibrated.
    """
    try:
        bag = Bag(source)
        found: dict[str, list[BagMessage]] = collections.defaultdict(list)
        for message in bag.messages():
            found[message.topic].append(message)
    except BagError as error:
        raise EpisodeError(str(error)) from error
    decoder = Decoder(dict(bag.topics))
    colour, info, depth = (_topic(found, reader) for reader in ("image", "camera_info", "depth"))
    if not colour or not info:
        wanted = ((topics.CAMERA.name, colour), (topics.CAMERA_INFO.name, info))
        missing = " and ".join(name for name, topic in wanted if not topic)
        raise EpisodeError(
            f"{source}: no messages on {missing}; the bag has {', '.join(sorted(found)) or 'none'}"
        )
    of = {topic: (bag.topics[topic], found[topic]) for topic in (colour, info, depth) if topic}
    seen = straight_pictures(of[colour], of.get(depth), of[info], decoder)
    transforms, problems = TransformBuffer(cache_s=_FOREVER_S), list(bag.problems)
    for topic in (topics.TF_STATIC, topics.TF):
        messages = found.get(topic.name, [])
        problems += add_transforms(transforms, messages, decoder, static=topic == topics.TF_STATIC)
    return RecordedPictures(
        source=source,
        prefix=colour[: colour.rindex(topics.CAMERA.name)] or "/",
        frames=seen.frames,
        depths=seen.depths,
        K=seen.lens.K,
        size=(seen.lens.width, seen.lens.height),
        frame_id=seen.frame_id,
        transforms=transforms,
        scene_id=str(bag.session.get("scene_id") or ""),
        problems=(*problems, *map(str, seen.findings)),
    )


def _topic(found: dict[str, list[BagMessage]], reader: str) -> str:
    """The main camera's topic of one kind, raw before compressed; empty if none has messages."""
    for topic in topics.read_by(reader, device=topics.MAIN_CAMERA):
        fitting = [t for t, messages in found.items() if messages and f"/{t}".endswith(f"/{topic.name}")]
        if fitting:
            return min(fitting, key=len)
    return ""
