"""A bag's messages once more through :class:`Recording`, as the recorder would take them in."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from foley_common.topics import LABELS
from foley_perception.recording.bag import Bag
from foley_perception.recording.recording import RawMessage, Recording, RecordingResult, TopicSpec

NS = 10**9
LATCHED = ("tf_static", "robot_description", "sim/scene")
PERIODIC = ("audio", "ee_pose", "wrench", "joint_states", "image_raw", "camera_info")


def topics_of(bag: Bag) -> dict[str, TopicSpec]:
    """What the recorder would be told of a bag's topics."""
    specs = {}
    for name, topic in bag.topics.items():
        bare = name.lstrip("/")
        profile = "latched" if bare in LATCHED else "state" if bare.endswith(PERIODIC) else "event"
        specs[name] = TopicSpec(bare, topic.type, profile, required=bare.endswith("mic/audio"))
    specs["/labels"] = TopicSpec("labels", LABELS.type, "event")
    return specs


def record(
    source: Path, folder: Path, *, pauses: Sequence[tuple[float, float]] = (), **how: Any
) -> RecordingResult:
    """All of a bag, but for pauses [s] from its start. Publishers number their messages."""
    bag = Bag(source)
    messages = sorted(bag.messages(), key=lambda message: message.log_time)
    start = messages[0].log_time
    how.setdefault("session", {"session_id": "s1", "scene_id": "bench-1", "split": "train"})
    recording = Recording(
        folder,
        topics_of(bag),
        start_ns=start,
        min_free_bytes=0,
        **how,
    )
    edges = [start + round(edge * NS) for edge in itertools.chain(*pauses)]
    numbers: dict[str, int] = {}
    for message in messages:
        while edges and message.log_time >= edges[0]:
            if len(edges) % 2 == 0:
                recording.pause(edges.pop(0))
            else:
                recording.resume(edges.pop(0))
        number = numbers[message.topic] = numbers.get(message.topic, 0) + 1
        recording.wait()
        recording.add(
            message.topic, RawMessage(bytes(message.data), message.log_time, message.publish_time, number)
        )
    return recording.finish(messages[-1].log_time + 1)
