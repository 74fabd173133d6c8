"""What the file of a robot means for each node: parameters, and other names of topics."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from foley_common import topic_map
from foley_common.robot_file import CameraUse, RobotFile, Sound
from foley_common.topics import MAIN_CAMERA, MAIN_MICROPHONE, TF, TF_STATIC

RECORDER = "recorder"


def taken_parameters(files: Collection[Path]) -> set[str]:
    """Parameters that files of parameters name, which are those that their node takes."""
    found: set[str] = set()
    for file in files:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        for section in content.values() if isinstance(content, dict) else ():
            values = section.get("ros__parameters") if isinstance(section, dict) else None
            found |= set(values) if isinstance(values, dict) else set()
    return found


def parameters(robot: RobotFile, name: str, taken: Collection[str]) -> dict[str, Any]:
    """Values that a robot's file gives a node.

    Args:
        name: of the node in system.yaml; one that is called like a microphone's role opens its device.
        taken: parameters that the node has; see :func:`taken_parameters`.
    """
    if name == RECORDER:  # it records what comes, as it comes
        found: dict[str, Any] = {"topic_map": topic_map.entries(robot.topic_map)} if robot.topic_map else {}
        return found | ({"robot_file": str(robot.path.resolve())} if robot.path is not None else {})
    own, main = robot.sound.get(name, Sound()), robot.sound.get(MAIN_MICROPHONE, Sound())
    if own.device:  # it opens the device
        heard: dict[str, Any] = {"device": own.device, "role": name, "sample_rate": own.sample_rate or ""}
    elif {"sample_rate", "channel"} <= set(taken):  # it listens to the main microphone
        heard = {"sample_rate": main.sample_rate or "", "channel": main.channel or ""}
    else:
        heard = {}
    if "own_noise" in taken:
        heard["own_noise"] = robot.own_noise_path(MAIN_MICROPHONE)
    described = bool(robot.hand or robot.gripper_joint)
    values: dict[str, Any] = {
        "fixed_frame": robot.frames.fixed,
        "tool_frame": robot.frames.tool,
        "tip_frame": robot.frames.tip,
        "hand": robot.hand_reference if described else "",
        "camera_transport": robot.cameras.get(MAIN_CAMERA, CameraUse()).transport,
        **heard,
    }
    found = {key: value for key, value in values.items() if key in taken and value != ""}
    if robot.latencies:  # this and the next every node's base has
        found["latencies"] = [f"{device}={late.seconds!r}" for device, late in robot.latencies.items()]
    raw = [
        f"{device}={s.raw.coding} {s.raw.sample_rate} {s.raw.channels}"
        for device, s in robot.sound.items()
        if s.raw is not None
    ]
    return found | ({"raw_audio": raw} if raw else {})


def remappings(robot: RobotFile, name: str) -> dict[str, str]:
    """Our topics -> the robot's, for a node. The recorder maps them itself, to keep them with what it records."""
    if name == RECORDER:
        return {}
    return topic_map.implied(robot.topic_map) | dict(robot.topic_map)


def own_frames(robot: RobotFile | None) -> dict[str, str]:
    """/tf of the namespace in place of the one that all robots share: every simulated robot has the same frames."""
    mapped = robot.topic_map if robot is not None else {}
    return {topic.name: topic.name.strip("/") for topic in (TF, TF_STATIC) if topic.name not in mapped}


def opened_devices(robot: RobotFile) -> tuple[str, ...]:
    """Microphones that Foley opens itself: names of nodes to start."""
    return tuple(role for role, sound in robot.sound.items() if sound.device)


def as_rules(names: Mapping[str, str]) -> list[str]:
    """Remappings as a node's command line takes them."""
    return [word for ours, theirs in names.items() for word in ("-r", f"{ours}:={theirs}")]
