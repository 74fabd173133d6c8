"""Offline bags: a world run as fast as it goes, written as rosbag2 MCAP with the topics of a live recording."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from foley_sim.camera import Camera
from foley_sim.ros import topics
from foley_sim.ros.encode import Encoder, Outgoing
from foley_sim.ros.topics import Topic
from foley_sim.scene import SPLITS, describe, make_scene
from foley_sim.world import World

NS = 1_000_000_000
SESSION_KEY = "foley.session"
"""Key of custom_data under which readers look for session metadata."""

PARTIAL = ".partial"
"""Folder beside the bags in which unfinished ones lie."""

_EPOCH_S = 1_700_000_000
_STRIDE_NS = 100_000_000
_HOLD_NS = 500_000_000  # messages may be made this much later than they are sent
_LAST_ACTION_S = 2.6  # nothing begins this close to the end, so that no action is cut
_AUDIO_BLOCK = 20  # chunks of sound at a time
_CAMERA_DELAY_NS = 8_000_000  # from exposure to publication
_NO_TIME_LIMIT = QosTime(2147483647, 4294967295)


@dataclasses.dataclass(frozen=True)
class BagJob:
    """One bag to be written."""

    folder: Path  # of the bag, made at the end
    split: str
    scene_seed: int
    policy_seed: int
    duration_s: float
    camera_rate_hz: float = 30.0
    depth_rate_hz: float = 5.0
    compress: bool = True

    @property
    def origin_ns(self) -> int:
        """Stamp of the beginning: fixed, and different for every scene."""
        return (_EPOCH_S + 10_000_000 * SPLITS.index(self.split) + 1000 * (self.scene_seed % 10_000)) * NS


@dataclasses.dataclass(frozen=True)
class BagReport:
    """What was written."""

    folder: str
    messages: dict[str, int]
    contacts: int
    actions: dict[str, int]
    materials: dict[str, int]  # contacts per material
    bytes: int
    wall_s: float = 0.0


def session(job: BagJob) -> dict[str, str]:
    """Session metadata, every value a string (YAML where it is none)."""
    scene = describe(make_scene(job.scene_seed, job.split))
    return {
        "session_id": f"sim-{scene['scene_id']}-p{job.policy_seed}",
        "scene_id": str(scene["scene_id"]),
        "split": job.split,
        "domain": "sim",
        "seed": str(job.scene_seed),
        "policy_seed": str(job.policy_seed),
        "duration_s": str(job.duration_s),
        "recorded_by": "foley sim generate",
        "objects": yaml.safe_dump(scene["objects"], default_flow_style=True, width=10_000).strip(),
    }


def finished(job: BagJob) -> bool:
    """Whether this bag is there already.

    Raises:
        ValueError: the folder holds something else.
    """
    if not job.folder.exists():
        return False
    try:
        information = yaml.safe_load((job.folder / "metadata.yaml").read_text(encoding="utf-8"))
        stored = yaml.safe_load(information["rosbag2_bagfile_information"]["custom_data"][SESSION_KEY])
    except (OSError, KeyError, TypeError, yaml.YAMLError):
        stored = None
    if stored != session(job):
        raise ValueError(
            f"--out: {job.folder} exists and is not this bag (other duration or seed?); remove it first"
        )
    return True


def write_bag(job: BagJob, progress: Callable[[float], None] = lambda seconds: None) -> BagReport:
    """Simulate and write one bag; it appears under its name only when it is complete.

    Args:
        progress: called with the simulated seconds since the last call.

    Raises:
        ValueError: the scene or a rate is not possible.
        OSError: the folder cannot be written.
        NoRenderer: there is no way to draw.
    """
    scene = make_scene(job.scene_seed, job.split)
    world = World(
        scene,
        job.policy_seed,
        explore_s=max(job.duration_s - _LAST_ACTION_S, 0.01),
        camera_rate_hz=job.camera_rate_hz,
        depth_rate_hz=job.depth_rate_hz,
        audio_block=_AUDIO_BLOCK,
    )
    encoder = Encoder(scene, origin_ns=job.origin_ns, stream_id=f"sim-{scene.scene_id}-p{job.policy_seed}")
    camera = Camera(world.model, scene.camera)
    workshop = job.folder.parent / PARTIAL
    partial = workshop / job.folder.name  # the file inside is named after its folder
    if partial.exists():
        shutil.rmtree(partial)
    workshop.mkdir(parents=True, exist_ok=True)
    actions: Counter[str] = Counter()
    touched: Counter[str] = Counter()
    material = {o.object_id: o.material.name for o in scene.objects}
    try:
        with _Bag(partial, session(job), compress=job.compress) as bag:
            for message in encoder.opening(0):
                bag.add(message)
            end_ns = round(job.duration_s * NS)
            while world.time_ns < end_ns:
                until = min(world.time_ns + _STRIDE_NS, end_ns)
                before = world.time_ns
                batch = world.advance(until)
                last = until == end_ns or world.time_ns == before
                if last:
                    batch.contacts += world.finish().contacts
                for message in encoder.batch(batch):
                    bag.add(message)
                for frame in batch.frames:
                    camera.pose(frame.qpos)
                    pictures: list[Outgoing] = []
                    if frame.colour:
                        pictures += encoder.colour(frame.time_ns, camera.colour())
                    if frame.depth:
                        pictures.append(encoder.depth(frame.time_ns, camera.depth_mm()))
                    for message in pictures:
                        bag.add(dataclasses.replace(message, sent_ns=message.sent_ns + _CAMERA_DELAY_NS))
                actions.update(c.action for c in batch.contacts)
                touched.update(material.get(c.object_id, "") for c in batch.contacts)
                bag.flush(job.origin_ns + world.time_ns - _HOLD_NS)
                progress((world.time_ns - before) / NS)
                if last:
                    break
            bag.flush(None)
            counts = dict(bag.counts)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    finally:
        camera.close()
    size = sum(f.stat().st_size for f in partial.iterdir())
    partial.rename(job.folder)
    with contextlib.suppress(OSError):  # another process still works in it
        workshop.rmdir()
    return BagReport(
        folder=str(job.folder),
        messages=counts,
        contacts=sum(actions.values()),
        actions=dict(actions),
        materials=dict(touched),
        bytes=size,
    )


class _Bag:
    """A rosbags writer that keeps messages in the order in which they would have been sent."""

    def __init__(self, folder: Path, metadata: dict[str, str], *, compress: bool) -> None:
        self._writer = Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP)
        self._writer.set_custom_data(SESSION_KEY, yaml.safe_dump(metadata, sort_keys=False))
        if compress:
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._connections: dict[str, Any] = {}
        self._pending: list[Outgoing] = []
        self.counts: Counter[str] = Counter()

    def __enter__(self) -> _Bag:
        self._writer.open()
        store = typestore()
        for topic in topics.RECORDED:
            name = topic.name if topic.name.startswith("/") else f"/{topic.name}"
            self._connections[topic.name] = self._writer.add_connection(
                name, topic.type_name, typestore=store, offered_qos_profiles=[bag_qos(topic.qos)]
            )
        return self

    def __exit__(self, *error: Any) -> None:
        self._writer.__exit__(*error)

    def add(self, message: Outgoing) -> None:
        self._pending.append(message)

    def flush(self, until_ns: int | None) -> None:
        """Write what was sent by a time; everything if it is None."""
        self._pending.sort(key=lambda m: m.sent_ns)
        count = len(self._pending)
        if until_ns is not None:
            count = sum(1 for m in self._pending if m.sent_ns <= until_ns)
        for message in self._pending[:count]:
            self._writer.write(self._connections[message.topic.name], message.sent_ns, message.data)
            self.counts[message.topic.name] += 1
        del self._pending[:count]


@functools.cache
def typestore() -> Any:
    """The standard types of Jazzy and those of foley_msgs, from its .msg files.

    Raises:
        OSError: foley_msgs is not installed.
    """
    store = get_typestore(Stores.ROS2_JAZZY)
    types: dict[str, Any] = {}
    for file in sorted(_messages_folder("foley_msgs").glob("*.msg")):
        types.update(get_types_from_msg(file.read_text(encoding="utf-8"), f"foley_msgs/msg/{file.stem}"))
    store.register(types)
    return store


def _messages_folder(package: str) -> Path:
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        folder = Path(prefix) / "share" / package / "msg"
        if prefix and folder.is_dir():
            return folder
    raise OSError(f"the messages of {package} are not installed: build and source the workspace")


def bag_qos(profile: QoSProfile) -> Qos:
    """As a bag keeps it, so that a player offers the same."""
    latched = profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
    reliable = profile.reliability == ReliabilityPolicy.RELIABLE
    return Qos(
        QosHistory.KEEP_LAST,
        profile.depth,
        QosReliability.RELIABLE if reliable else QosReliability.BEST_EFFORT,
        QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        _NO_TIME_LIMIT,
        _NO_TIME_LIMIT,
        QosLiveliness.AUTOMATIC,
        _NO_TIME_LIMIT,
        False,
    )


def topic_names(only: Sequence[Topic] = topics.RECORDED) -> list[str]:
    """Absolute names of the topics of a bag."""
    return [t.name if t.name.startswith("/") else f"/{t.name}" for t in only]
