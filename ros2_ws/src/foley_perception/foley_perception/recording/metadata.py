"""`metadata.yaml` of a rosbag2 folder (version 9, Jazzy)."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

METADATA_VERSION = 9
SESSION_KEY = "foley.session"  # of custom_data, and name of the MCAP metadata record
ROSBAG2_RECORD = "rosbag2"  # name of the record in which `ros2 bag` repeats metadata.yaml
Qos = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class TopicInfo:
    """A topic as a bag describes it."""

    name: str
    type: str
    definition: str
    definition_encoding: str = "ros2msg"
    type_hash: str = ""
    offered_qos: tuple[Qos, ...] = ()

    @property
    def qos_yaml(self) -> str:
        return yaml.safe_dump([dict(q) for q in self.offered_qos], sort_keys=False).strip()


@dataclasses.dataclass(frozen=True)
class BagSummary:
    """What is in a bag."""

    file: str  # name of the storage file
    start_ns: int
    end_ns: int
    counts: Mapping[str, int]  # messages per topic


def joined(files: Sequence[BagSummary]) -> BagSummary:
    """What is in all files of a bag; ``file`` is the first of them."""
    counts: collections.Counter[str] = collections.Counter()
    for one in files:
        counts.update(one.counts)
    start, end = min(one.start_ns for one in files), max(one.end_ns for one in files)
    return BagSummary(files[0].file, start, end, dict(counts))


def write_metadata(
    folder: Path,
    summary: BagSummary | Sequence[BagSummary],
    topics: Sequence[TopicInfo],
    session: Mapping[str, str],
) -> None:
    """Write ``metadata.yaml`` whole or not at all.

    Args:
        summary: of the bag's file, or of each of its files in order.
    """
    files = [summary] if isinstance(summary, BagSummary) else list(summary)
    whole = joined(files)
    start, duration = _times(whole)
    total = sum(whole.counts.values())
    information = {
        "version": METADATA_VERSION,
        "storage_identifier": "mcap",
        "duration": duration,
        "starting_time": start,
        "message_count": total,
        "topics_with_message_count": [
            {
                "topic_metadata": {
                    "name": topic.name,
                    "type": topic.type,
                    "serialization_format": "cdr",
                    "offered_qos_profiles": [dict(q) for q in topic.offered_qos],
                    "type_description_hash": topic.type_hash,
                },
                "message_count": whole.counts.get(topic.name, 0),
            }
            for topic in topics
        ],
        "compression_format": "",
        "compression_mode": "",
        "relative_file_paths": [one.file for one in files],
        "files": [_entry(one) for one in files],
        "custom_data": {SESSION_KEY: yaml.safe_dump(dict(session), sort_keys=False)},
        "ros_distro": "jazzy",
    }
    path = folder / "metadata.yaml"
    temporary = folder / "metadata.yaml.tmp"
    temporary.write_text(
        yaml.safe_dump({"rosbag2_bagfile_information": information}, sort_keys=False), encoding="utf-8"
    )
    temporary.replace(path)


def _entry(summary: BagSummary) -> dict[str, Any]:
    """One of ``files``."""
    start, duration = _times(summary)
    count = sum(summary.counts.values())
    return {"path": summary.file, "starting_time": start, "duration": duration, "message_count": count}


def _times(summary: BagSummary) -> tuple[dict[str, int], dict[str, int]]:
    """When it begins and how long it lasts; 0 where there is no message."""
    there = bool(sum(summary.counts.values()))
    start = {"nanoseconds_since_epoch": summary.start_ns if there else 0}
    return start, {"nanoseconds": max(summary.end_ns - summary.start_ns, 0) if there else 0}
