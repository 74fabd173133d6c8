"""The file of own noise, named in a robot's file beside its microphone."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from foley_common.robot_file import RobotFile, Sound
from foley_common.topics import MAIN_MICROPHONE
from foley_perception.robot_section import write_section


def write_own_noise_name(path: Path, file: Path) -> RobotFile:
    """Name a file, seen from the folder of the robot's; the robot that it then tells.

    Raises:
        RobotFileError: the file is no robot's.
        OSError: it cannot be written.
    """
    robot = RobotFile.read(path)
    named = os.path.relpath(file.resolve(), path.resolve().parent)
    own = dataclasses.replace(robot.sound.get(MAIN_MICROPHONE, Sound()), own_noise=named)
    wanted = dataclasses.replace(robot, sound={**robot.sound, MAIN_MICROPHONE: own})
    return write_section(path, "sound", wanted)
