"""The section `latencies` of a robot's file, written anew; all else in it stays as its author wrote it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import yaml

from foley_common.robot_file import Latency, RobotFile, RobotFileError

_KEY = "latencies"


def write_latencies(path: Path, found: Mapping[str, Latency]) -> RobotFile:
    """Put latencies into a robot's file, beside those of other devices; the robot that it then tells.

    Raises:
        RobotFileError: the file is no robot's.
        OSError: it cannot be written.
    """
    robot = RobotFile.read(path)
    wanted = dataclasses.replace(robot, latencies={**robot.latencies, **found})
    text = with_latencies(path.read_text(encoding="utf-8"), wanted)
    path = path.resolve()  # a link stays one
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
    return wanted


def with_latencies(text: str, robot: RobotFile) -> str:
    """The text with the robot's latencies in it, comments elsewhere kept where that is possible."""
    section = yaml.safe_dump({_KEY: robot.content()[_KEY]}, sort_keys=False) if robot.latencies else ""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    lines = text.splitlines(keepends=True)
    if isinstance(root, yaml.MappingNode) and not root.flow_style:
        spans = [(k.start_mark.line, v.end_mark) for k, v in root.value if k.value == _KEY]
        begin, end = len(lines), len(lines)
        for begin, mark in spans:
            end = mark.line + (1 if mark.column else 0)
            while end > begin + 1 and _is_free(lines[end - 1]):  # belongs to what follows
                end -= 1
        before = "".join(lines[:begin])
        if before and not before.endswith("\n"):
            before += "\n"
        changed = before + section + "".join(lines[end:])
        try:
            if RobotFile.parse(changed) == robot:
                return changed
        except RobotFileError:
            pass  # then it is written as a whole
    return robot.text()


def _is_free(line: str) -> bool:
    return not line.strip() or line.startswith("#")
