"""Configuration of the recorder."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from foley_common import topic_map, topics
from foley_common.robot_file import RobotFile
from foley_perception.recording.recording import TopicSpec


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
        if not self.output_dir.strip():
            raise ValueError("output_dir is empty, name a folder")
        names = [spec.name for spec in self.specs]  # also refuses a mapping
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"topics: {', '.join(twice)} is listed more than once")

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

    def read_robot(self) -> RobotFile | None:
        """The robot's file, where one is named. Raises RobotFileError where it is refused."""
        return RobotFile.read(self.robot_file) if self.robot_file else None
