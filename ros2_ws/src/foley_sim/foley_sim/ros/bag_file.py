"""One rosbag2 MCAP file being written, and the types and QoS that it names."""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from foley_sim.offline.session_key import SESSION_KEY
from foley_sim.ros import topics
from foley_sim.ros.encode import Outgoing
from foley_sim.ros.topics import Topic

"""Key of custom_data under which readers look for session metadata."""

_NO_TIME_LIMIT = QosTime(2147483647, 4294967295)


class BagFile:
    """A rosbags writer that keeps messages in the order in which they would have been sent."""

    def __init__(
        self,
        folder: Path,
        metadata: dict[str, str],
        *,
        compress: bool = True,
        recorded: Sequence[Topic] = topics.RECORDED,
    ) -> None:
        self._recorded = recorded
        self._writer = Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP)
        self._writer.set_custom_data(SESSION_KEY, yaml.safe_dump(metadata, sort_keys=False))
        if compress:
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._connections: dict[str, Any] = {}
        self._pending: list[Outgoing] = []
        self.counts: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()  # of messages before the chunks are compressed

    def __enter__(self) -> BagFile:
        self._writer.open()
        store = typestore()
        for topic in self._recorded:
            self._connections[topic.name] = self._writer.add_connection(
                absolute_name(topic),
                topic.type_name,
                typestore=store,
                offered_qos_profiles=[bag_qos(topic.qos)],
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
            self.bytes[message.topic.name] += len(message.data)
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


def absolute_name(topic: Topic) -> str:
    """As a bag has it."""
    return topic.name if topic.name.startswith("/") else f"/{topic.name}"
