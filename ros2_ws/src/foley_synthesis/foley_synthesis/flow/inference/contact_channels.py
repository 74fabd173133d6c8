"""What a contact flow is told of a motion: rows at 125 Hz, by the functions that make them of sessions.

Rows are computed with two more to each side, which derivatives need. What is not known is NaN, which the network knows
from training as a group that was dropped: heights where no surface was seen, and force where none was measured.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foley_common.session_file import MOTION_RATE
from foley_common.times import NS_PER_S
from foley_perception.action.contact_motion import GROUPS, NAMES, contact_motion
from foley_perception.action.gripper import GripperHand
from foley_perception.action.motion_grid import measured_on_grid, planned_on_grid, wrench_on_grid
from foley_perception.action.trajectory import ToolTrajectory
from foley_perception.clips.inputs import MeasuredTool
from foley_perception.geometry.height_map import HeightMap
from foley_perception.geometry.se3 import SE3

ROW_NS = NS_PER_S // MOTION_RATE
_BESIDE = 2  # rows to each side that derivatives need
_POSE_KNOWN = NAMES.index("pose_known")
_OF_SURFACE = ("height", "keypoints")


def planned_channels(
    start_ns: int,
    rows: int,
    plans: Sequence[ToolTrajectory],
    tx_tool_tip: SE3,
    surface: HeightMap | None,
    hand: GripperHand,
) -> NDArray[np.float32]:
    """Channels [rows, all] of plans in the order in which they begin; each holds until the next one begins.

    Raises:
        ValueError: there are no plans, or not in order.
    """
    motion = planned_on_grid(start_ns - _BESIDE * ROW_NS, rows + 2 * _BESIDE, plans)
    made = contact_motion(motion.poses, motion.widths, tx_tool_tip, surface, None, hand).values
    return _unknown(made[_BESIDE:-_BESIDE], surface, forceless=True)


def measured_channels(
    start_ns: int, rows: int, tool: MeasuredTool, surface: HeightMap | None, hand: GripperHand
) -> NDArray[np.float32]:
    """Channels [rows, all] of a motion as it was measured.

    Raises:
        ValueError: no pose was measured.
    """
    begin, count = start_ns - _BESIDE * ROW_NS, rows + 2 * _BESIDE
    motion = measured_on_grid(begin, count, tool.times_ns, tool.poses, tool.width)
    wrench = None
    if tool.wrench is not None:
        wrench = wrench_on_grid(begin, count, tool.wrench[0], np.asarray(tool.wrench[1], np.float64))
    made = contact_motion(motion.poses, motion.widths, tool.tx_tool_tip, surface, wrench, hand).values
    return _unknown(made[_BESIDE:-_BESIDE], surface, forceless=wrench is None)


def channels_so_far(
    start_ns: int,
    planned: NDArray[np.float32],  # [rows, all]
    tool: MeasuredTool,
    surface: HeightMap | None,
    hand: GripperHand,
) -> tuple[NDArray[np.float32], float]:
    """Channels of a plan with those of the motion in their place wherever it has been measured, and the share of such
    rows.

    A row counts as measured where all poses are known that its derivatives are of: none is taken across the place
    where the one goes over into the other.
    """
    if not tool.poses.finite.any():
        return planned, 0.0
    measured = measured_channels(start_ns, len(planned), tool, surface, hand)
    known = np.pad(measured[:, _POSE_KNOWN] > 0.5, _BESIDE, mode="edge")
    whole = np.asarray(np.lib.stride_tricks.sliding_window_view(known, 2 * _BESIDE + 1).all(axis=1))
    return np.where(whole[:, None], measured, planned), float(whole.mean())


def _unknown(
    values: NDArray[np.float32], surface: HeightMap | None, *, forceless: bool
) -> NDArray[np.float32]:
    """The same with NaN where a whole group is not known."""
    values = values.copy()
    for group in (*(() if surface is not None else _OF_SURFACE), *(("force",) if forceless else ())):
        values[:, GROUPS[group]] = np.nan
    return values
