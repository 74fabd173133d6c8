"""Options that say what a robot's frames and hand are called, for commands that read recordings.

What an option does not say, the file of the robot does (``--robot``, or the one that a bag was recorded with).
"""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from foley_common.robot_file import USUAL_HAND, Frames
from foley_perception.episodes.frames import USUAL_FRAMES, FrameNames, frame_names
from foley_perception.episodes.names import Naming
from foley_perception.recording.bag import Bag
from foley_perception.recording.errors import BagError
from foley_perception.recording.session import recorded_robot

_TEXTS = {
    "world": "fixed frame that everything is brought to",
    "tool": "frame whose pose ee_pose tells",
    "tip": "frame of what touches",
}


def add(parser: argparse.ArgumentParser, *names: str) -> None:
    """``--world-frame``, ``--tool-frame`` and ``--tip-frame``, or some of them."""
    for name in names or _TEXTS:
        usual = getattr(USUAL_FRAMES, name)
        parser.add_argument(
            f"--{name}-frame",
            metavar="FRAME",
            help=f"{_TEXTS[name]} (default: the robot's file, or {usual})",
        )


def add_hand(parser: argparse.ArgumentParser) -> None:
    """``--hand``."""
    parser.add_argument(
        "--hand",
        default="",
        help=f"hand file, by name or path; NAME@JOINT where another joint tells its opening (default: the robot's "
        f"file, or {USUAL_HAND})",
    )


def frames_of(args: argparse.Namespace) -> Frames:
    """Raises ValueError where a name is empty."""
    given = {name: getattr(args, f"{name}_frame", None) for name in _TEXTS}
    for name, frame in given.items():
        if frame is not None and not frame.strip().lstrip("/"):
            raise ValueError(f"--{name}-frame is empty, name the frame as tf does")
    return Frames(given["world"] or "", given["tool"] or "", given["tip"] or "")


def named_frames(args: argparse.Namespace, naming: Naming, bag: Path | None = None) -> FrameNames:
    """The same for commands that read no episode, with what the file of ``--robot`` says, or that of a bag.

    Raises:
        ValueError: a name is empty.
    """
    robot = naming.robot
    if robot is None and bag is not None:
        with contextlib.suppress(BagError):  # told where it is read
            robot, _ = recorded_robot(Bag(bag).session)
    return frame_names(frames_of(args), robot.frames if robot is not None else Frames())
