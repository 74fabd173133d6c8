"""One section of a robot's file, written anew; all else in it stays as its author wrote it."""

from __future__ import annotations

from pathlib import Path

import yaml

from foley_common.robot_file import RobotFile, RobotFileError


def write_section(path: Path, key: str, wanted: RobotFile) -> RobotFile:
    """Bring a section of a file to what a robot has; the rest of the robot is as the file tells it.

    Raises:
        RobotFileError: the file is no robot's.
        OSError: it cannot be written.
    """
    text = with_section(path.read_text(encoding="utf-8"), key, wanted)
    path = path.resolve()  # a link stays one
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
    return wanted


def with_section(text: str, key: str, robot: RobotFile) -> str:
    """The text with the robot's section in it, comments elsewhere kept where that is possible."""
    told = robot.content().get(key)
    section = yaml.safe_dump({key: told}, sort_keys=False) if told else ""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    lines = text.splitlines(keepends=True)
    if isinstance(root, yaml.MappingNode) and not root.flow_style:
        spans = [(k.start_mark.line, v.end_mark) for k, v in root.value if k.value == key]
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
