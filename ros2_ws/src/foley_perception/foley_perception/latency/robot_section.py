"""The section `latencies` of a robot's file, written anew; all else in it stays as its author wrote it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from foley_common.robot_file import Latency, RobotFile
from foley_perception.robot_section import write_section


def write_latencies(path: Path, found: Mapping[str, Latency]) -> RobotFile:
    """Put latencies into a robot's file, beside those of other devices; the robot that it then tells.

    Raises:
        RobotFileError: the file is no robot's.
        OSError: it cannot be written.
    """
    robot = RobotFile.read(path)
    wanted = dataclasses.replace(robot, latencies={**robot.latencies, **found})
    return write_section(path, "latencies", wanted)
