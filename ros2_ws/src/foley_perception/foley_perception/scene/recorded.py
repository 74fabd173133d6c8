"""The pictures of a bag with the camera's numbers and every transform, static and moving."""

from __future__ import annotations

import collections
import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_common import topics
from foley_perception.episodes.cameras import straight_pictures
from foley_perception.episodes.decode import Decoder
from foley_perception.episodes.decode_motion import add_transforms
from foley_perception.episodes.earlier import Earlier
from foley_perception.episodes.names import Naming, missing_text, resolve
from foley_perception.episodes.static_transforms import StaticTransforms
from foley_perception.episodes.tracks import EpisodeError, FrameTrack
from foley_perception.geometry.tf_buffer import TransformBuffer
from foley_perception.recording.bag import Bag, BagMessage
from foley_perception.recording.errors import BagError
from foley_perception.recording.session import recorded_latencies

_FOREVER_S = 1e9
_READ = ("image", "camera_info", "depth", "transforms")


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


def read_pictures(source: Path, naming: Naming | None = None) -> RecordedPictures:
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
    naming = naming or Naming()
    names, left_out = resolve(bag, naming.namespace, naming.mapping, readers=_READ, heard=found)
    told, wrong = (
        recorded_latencies(bag.session) if naming.latencies is None else (naming.latencies, list[str]())
    )
    earlier = Earlier(bag.topics, names, told)
    found = {topic: [earlier(message) for message in messages] for topic, messages in found.items()}
    colour, info, depth = (_topic(found, names, reader) for reader in ("image", "camera_info", "depth"))
    if not colour or not info:
        wanted = ((topics.CAMERA.name, colour), (topics.CAMERA_INFO.name, info))
        missing = [name for name, topic in wanted if not topic]
        raise EpisodeError(f"{source}: {missing_text(missing, found, bag)}")
    of = {topic: (bag.topics[topic], found[topic]) for topic in (colour, info, depth) if topic}
    seen = straight_pictures(of[colour], of.get(depth), of[info], decoder)
    transforms, problems = TransformBuffer(cache_s=_FOREVER_S), [*bag.problems, *left_out, *wrong]
    fixed, moving = (found.get(names.get(topic.role, ""), []) for topic in (topics.TF_STATIC, topics.TF))
    static = StaticTransforms(fixed, decoder)
    static.put(transforms, steps=True)
    problems += [*static.problems, *map(str, static.findings(of[colour][1][0].log_time))]
    problems += add_transforms(transforms, moving, decoder)
    return RecordedPictures(
        source=source,
        prefix=_prefix(colour, naming.namespace),
        frames=seen.frames,
        depths=seen.depths,
        K=seen.lens.K,
        size=(seen.lens.width, seen.lens.height),
        frame_id=seen.frame_id,
        transforms=transforms,
        scene_id=str(bag.session.get("scene_id") or ""),
        problems=(*problems, *map(str, seen.findings)),
    )


def _topic(found: dict[str, list[BagMessage]], names: dict[str, str], reader: str) -> str:
    """The main camera's topic of one kind, raw before compressed; empty if none has messages."""
    of_kind = (names.get(t.role, "") for t in topics.read_by(reader, device=topics.MAIN_CAMERA))
    return next((topic for topic in of_kind if found.get(topic)), "")


def _prefix(colour: str, namespace: str) -> str:
    """Where the robot's topics lie, by the name of its pictures; pictures of another name do not tell."""
    before, ours, _ = colour.rpartition(topics.CAMERA.name)
    if ours:
        return before or "/"
    return f"/{namespace.strip('/')}/" if namespace.strip("/") else "/"
