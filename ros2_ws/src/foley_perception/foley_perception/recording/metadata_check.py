"""Whether ``metadata.yaml`` says of a bag what is in it. Others open a bag by it; here the files alone are believed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from foley_perception.recording.bag import Bag
from foley_perception.recording.information import NAME


def information_faults(bag: Bag, counts: Mapping[str, int]) -> list[str]:
    """What others need metadata.yaml for, and this package does not.

    Args:
        bag: of which all was read.
        counts: messages that are there, by topic.
    """
    if not bag.path.is_dir():
        return []
    if not bag.information:
        return bag.information_faults or [f"{NAME} is missing"]
    faults = list(bag.information_faults)
    if not bag.damages:
        faults += _miscounted(bag.information, counts)
    names = [Path(name).name for name in bag.information.get("relative_file_paths", ())]
    if sorted(names) != sorted(file.name for file in bag.files):
        faults.append(f"{NAME} does not name the files that are there")
    return faults


# ---- inside --------------------------------------------------------------------------------------------
def _miscounted(information: Mapping[str, Any], counts: Mapping[str, int]) -> list[str]:
    said, there = information.get("message_count"), sum(counts.values())
    if said is None:
        return [f"{NAME} does not say how many messages there are"]
    if said != there:
        return [f"{NAME} counts {said} messages, {there} are there"]
    if "topics_with_message_count" not in information:
        return [f"{NAME} does not say which topics there are"]
    by_topic = {
        entry["topic_metadata"]["name"]: entry.get("message_count", 0)
        for entry in information["topics_with_message_count"]
    }
    return [
        f"{NAME} counts {by_topic.get(topic, 0)} messages on {topic}, {counts.get(topic, 0)} are there"
        for topic in sorted({*by_topic, *counts})
        if by_topic.get(topic, 0) != counts.get(topic, 0)
    ]
