"""Options that say what the frames of a robot are called, for commands that read recordings."""

from __future__ import annotations

import argparse

from foley_perception.episodes.frames import USUAL_FRAMES, FrameNames


def add(parser: argparse.ArgumentParser) -> None:
    """``--world-frame``, ``--tool-frame`` and ``--tip-frame``."""
    for name, default, text in (
        ("world", USUAL_FRAMES.world, "fixed frame that everything is brought to"),
        ("tool", USUAL_FRAMES.tool, "frame whose pose ee_pose tells"),
        ("tip", USUAL_FRAMES.tip, "frame of what touches"),
    ):
        parser.add_argument(
            f"--{name}-frame", default=default, metavar="FRAME", help=f"{text} (default: %(default)s)"
        )


def frames_of(args: argparse.Namespace) -> FrameNames:
    """Raises ValueError where a name is empty."""
    return FrameNames(args.world_frame, args.tool_frame, args.tip_frame)
