"""Where the tip is seen from the tool, and measured poses in the fixed frame: one rule each, live and offline."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from foley_perception.geometry.se3 import SE3
from foley_perception.geometry.tf_buffer import TransformUnavailable

Lookup = Callable[[str, str, int | None], SE3]  # tx_target_source of target, source and time [ns]


def tip_in_tool(
    lookup: Lookup, tool_frame: str, tip_frame: str, robot_description: str = ""
) -> tuple[SE3, str]:
    """``tx_tool_tip`` and what is wrong with it, empty if nothing is.

    tf is asked first, then the robot description. Where neither knows, the tool point is taken for the tip.
    """
    try:
        return lookup(tool_frame, tip_frame, None), ""
    except TransformUnavailable as error:
        unknown = str(error)
    if f'"{tip_frame}"' in robot_description:
        from foley_perception.action.kinematics import ForwardKinematics, KinematicsError

        try:
            chain = ForwardKinematics(robot_description, tip_frame, tool_frame)
            return chain.poses((), np.zeros((1, 0)))[0], ""
        except KinematicsError as error:
            unknown += f"; robot_description: {error}"
    return SE3.identity(), (
        f"{unknown}; until then the tool point `{tool_frame}` is taken for the tip; where frames of the robot bear "
        "other names than these, name them with --tool-frame and --tip-frame (live: the parameters `tool_frame` and "
        "`tip_frame`)"
    )


def in_fixed_frame(pose: SE3, frame: str, fixed_frame: str, time_ns: int | None, lookup: Lookup) -> SE3:
    """A pose that was given in ``frame``, seen from the fixed one as they lay to each other at its stamp.

    An empty name means the fixed frame.

    Raises:
        TransformUnavailable: tf does not know the frame at that time. It is never taken for the fixed one.
    """
    frame = frame.lstrip("/")
    if not frame or frame == fixed_frame:
        return pose
    return lookup(fixed_frame, frame, time_ns) @ pose


def plan_in_fixed_frame(poses: SE3, frame: str, fixed_frame: str, start_ns: int, lookup: Lookup) -> SE3:
    """Planned poses [n], seen from the fixed frame as the two lie when the plan begins, or as newest known before that.

    Raises:
        TransformUnavailable: tf does not know the frame.
    """
    try:
        return in_fixed_frame(poses, frame, fixed_frame, start_ns, lookup)
    except TransformUnavailable:
        return in_fixed_frame(poses, frame, fixed_frame, None, lookup)
