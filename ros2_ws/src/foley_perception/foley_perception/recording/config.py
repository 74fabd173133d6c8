"""Configuration of the recorder."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from foley_common import topic_map, topics
from foley_common.robot_file import RobotFile
from foley_perception.recording.compression import Compression, Form, encoded_topic
from foley_perception.recording.recording import TopicSpec
from foley_perception.recording.writer import Split


def default_topics() -> tuple[str, ...]:
    """The registry's topics that are recorded, as entries of the parameter ``topics``."""
    return tuple(topic.recorder_entry for topic in topics.recorded())


def _field(default: Any, doc: str) -> Any:
    return dataclasses.field(default=default, metadata={"doc": doc})


@dataclasses.dataclass(frozen=True)
class RecorderConfig:
    """Parameters of the recorder; see ``config/recorder.yaml``."""

    output_dir: str = _field("bags", "folder of the bags; relative to where the recorder was started")
    topics: tuple[str, ...] = dataclasses.field(
        default_factory=default_topics,
        metadata={"doc": "what is recorded: `name type profile [required]`"},
    )
    topic_map: tuple[str, ...] = _field(
        (), "topics that bear other names: `name=topic`, such as `mic/audio=/robot/mic`"
    )
    robot_file: str = _field(
        "",
        "file of the robot, kept in every bag's metadata; what it says of topics is for `topic_map` to say",
    )
    flush_period_s: float = _field(1.0, "[s] everything older is on disk, whatever happens")
    queue_mb: float = _field(128.0, "[MiB] messages waiting for the disk; beyond it they are dropped")
    min_free_mb: float = _field(256.0, "[MiB] recording ends by itself when the disk has less")
    split_s: float = _field(0.0, "[s] a bag goes on in another file after so long; 0: never for that")
    split_mb: float = _field(0.0, "[MiB] the same after so much; 0: never for that")
    compression: tuple[str, ...] = _field(
        (),
        "`topic=form` or `package/msg/Type=form`; forms: none, zstd, jpeg[:quality], png; others as they arrive",
    )
    snapshot_s: float = _field(
        0.0, "[s] the last of what arrives is kept in memory for ~/snapshot; 0: nothing"
    )
    snapshot_mb: float = _field(1024.0, "[MiB] of memory for it at most; then less than snapshot_s is kept")
    longest_recording_s: float = _field(3600.0, "[s] StartRecording is refused a longer max_duration")
    silent_after_s: float = _field(2.0, "[s] a required topic this long without a message is a warning")
    hang_timeout_s: float = _field(
        30.0,
        "[s] while it records, the lifecycle manager waits so long before it kills a recorder that hangs",
    )
    start_without_required: bool = _field(
        True, "false: StartRecording is refused while a required topic has no publisher"
    )

    def __post_init__(self) -> None:
        for name in ("flush_period_s", "queue_mb", "longest_recording_s", "silent_after_s", "hang_timeout_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} is {value}, must be positive")
        if not (math.isfinite(self.min_free_mb) and self.min_free_mb >= 0):
            raise ValueError(f"min_free_mb is {self.min_free_mb}, must not be negative")
        for name in ("split_s", "split_mb", "snapshot_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} is {value}, must not be negative; 0 is off")
        for name in ("split_s", "split_mb"):
            if 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be 1 or more, or 0: never")
        if not (math.isfinite(self.snapshot_mb) and self.snapshot_mb > 0):
            raise ValueError(
                f"snapshot_mb is {self.snapshot_mb}, must be positive; snapshot_s 0 turns it off"
            )
        if not self.output_dir.strip():
            raise ValueError("output_dir is empty, name a folder")
        names = [spec.name for spec in self.specs]  # also refuses a mapping
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"topics: {', '.join(twice)} is listed more than once")
        types = {entry.name: entry.type for entry in topics.TOPICS if entry.name in self.mapping}
        self._compression.check(types | {spec.name: spec.type for spec in self.specs})
        for topic, form in self.forms({spec.name: spec for spec in self.specs}).items():
            if form.encodes and (other := encoded_topic(topic, form)) in names:
                raise ValueError(
                    f"compression: {topic} as {form} is written as {other}, which is recorded itself; leave it out "
                    f"of `topics`, or keep {topic} as it is (`{topic}=none`)"
                )

    @property
    def specs(self) -> tuple[TopicSpec, ...]:
        """The topics, parsed, those that are mapped under their other names. What is mapped is recorded."""
        mapping = self.mapping
        names = topic_map.implied(mapping) | mapping
        listed = [TopicSpec.parse(entry) for entry in self.topics]
        absent = set(mapping) - {spec.name for spec in listed}
        listed += [TopicSpec.parse(entry.recorder_entry) for entry in topics.TOPICS if entry.name in absent]
        return tuple(dataclasses.replace(spec, name=names.get(spec.name, spec.name)) for spec in listed)

    @property
    def mapping(self) -> dict[str, str]:
        """The registry's names -> topics of other names."""
        return topic_map.parse(self.topic_map, "topic_map")

    @property
    def _compression(self) -> Compression:
        return Compression.parse(self.compression)

    @property
    def split(self) -> Split:
        """When a bag goes on in another file."""
        return Split(self.split_s, round(self.split_mb * 2**20))

    def forms(self, specs: Mapping[str, TopicSpec]) -> dict[str, Form]:
        """How topics are kept that are not kept as they arrive: topic -> form.

        Args:
            specs: by their names on the wire.
        """
        ours, compression = topic_map.ours(self.mapping), self._compression
        found = {
            topic: compression.of((spec.name, topic, ours.get(spec.name, spec.name)), spec.type)
            for topic, spec in specs.items()
        }
        return {topic: form for topic, form in found.items() if form.kind != "none"}

    def read_robot(self) -> RobotFile | None:
        """The robot's file, where one is named. Raises RobotFileError where it is refused."""
        return RobotFile.read(self.robot_file) if self.robot_file else None
