"""Topics of the recorder that bear other names: by ROS, and by its parameter `topic_map`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from rclpy.node import Node
from rclpy.parameter import Parameter

from foley_common.topics import TOPICS
from foley_perception.recording.config import RecorderConfig


def remapped_by_ros(node: Node, config: RecorderConfig) -> dict[str, str]:
    """Our topics that bear other names by `-r name:=topic` or a launch file; a namespace alone is no other name."""
    ours = {entry.name for entry in TOPICS}
    resolved = {
        spec.name: (
            node.resolve_topic_name(spec.name),
            node.resolve_topic_name(spec.name, only_expand=True),
        )
        for spec in config.specs
        if spec.name in ours
    }
    return {name: topic for name, (topic, expanded) in resolved.items() if topic != expanded}


def remapped(config: RecorderConfig, changed: Sequence[Parameter]) -> RecorderConfig:
    """The configuration with the newest ``topic_map``. Raises ValueError where it cannot be."""
    for parameter in changed:
        if parameter.name == "topic_map":
            entries = parameter.value if parameter.value is not None else []
            if isinstance(entries, str) or not all(isinstance(entry, str) for entry in entries):
                raise ValueError(f"topic_map is {entries!r}, expected a list of `name=topic`")
            config = dataclasses.replace(config, topic_map=tuple(entries))
    return config
