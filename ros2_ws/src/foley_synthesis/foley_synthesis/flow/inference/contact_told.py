"""Motions of a tool as a contact flow is told them: plans that are known, where their tips are, and conditions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from foley_perception.action.motion_grid import measured_on_grid, planned_on_grid
from foley_perception.action.trajectory import ToolTrajectory
from foley_perception.clips.inputs import MeasuredTool
from foley_synthesis.flow.inference.contact_channels import ROW_NS
from foley_synthesis.flow.networks.contact_field import ContactCondition
from foley_synthesis.sound_model import PlannedTool

Array = NDArray[np.float64]


def condition_of(
    motion: NDArray[np.float32], *, executed: bool, floor: NDArray[np.float32] | None = None
) -> ContactCondition:
    """A batch of 1 of channels [4 n, all] and, where it was heard, the room's tone [80]."""
    return ContactCondition(
        torch.from_numpy(motion)[None],
        torch.tensor([executed]),
        None if floor is None else torch.from_numpy(floor)[None],
    )


def known_plan(trajectory: ToolTrajectory) -> ToolTrajectory:
    """A plan without the poses that are not known.

    Raises:
        ValueError: fewer than two are.
    """
    known = trajectory.poses.finite
    if int(known.sum()) < 2:
        raise ValueError(f"plan `{trajectory.plan_id}` has {int(known.sum())} known poses, needs at least 2")
    if known.all():
        return trajectory
    return ToolTrajectory(
        trajectory.plan_id, trajectory.times_ns[known], trajectory.poses[known], trajectory.widths[known]
    )


def planned_tips(start_ns: int, rows: int, plans: Sequence[PlannedTool]) -> Array:
    """Where the tip is planned to be [rows, 3], at 125 Hz. Raises ValueError as `known_plan`."""
    motion = planned_on_grid(start_ns, rows, [known_plan(plan.trajectory) for plan in plans])
    return np.asarray((motion.poses @ plans[-1].tx_tool_tip).translation)


def whole_plan(plan: PlannedTool) -> Array:
    """The same from a plan's beginning to its end."""
    times = known_plan(plan.trajectory).times_ns
    return planned_tips(int(times[0]), int(times[-1] - times[0]) // ROW_NS + 1, [plan])


def measured_tips(start_ns: int, rows: int, tool: MeasuredTool) -> Array:
    """Where the tip was [rows, 3], NaN where that is not known. Raises ValueError where no pose was measured."""
    motion = measured_on_grid(start_ns, rows, tool.times_ns, tool.poses, tool.width)
    return np.asarray((motion.poses @ tool.tx_tool_tip).translation)
