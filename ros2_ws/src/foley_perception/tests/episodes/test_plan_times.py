"""Plans whose stamps are of another clock than what was measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foley_perception.action.gripper import GripperHand
from foley_perception.episodes import read_episode
from foley_perception.episodes.planned_path import plan_for, planned_paths

MakeBag = Callable[..., Path]
Queued = tuple[int, str, str, Any]
START_NS, S = 1_800_000_000_000_000_000, 1_000_000_000
PLANS = ("planned_joint_trajectory", "planned_tool_trajectory")


def shifted(plans_ns: int, rest_ns: int) -> Callable[[int, str, str, Any], list[Queued]]:
    def edit(arrival: int, topic: str, kind: str, message: Any) -> list[Queued]:
        stamped = [message] if hasattr(message, "header") else getattr(message, "transforms", [])
        for part in stamped:
            stamp = part.header.stamp.sec * S + part.header.stamp.nanosec
            stamp += plans_ns if topic in PLANS else rest_ns
            part.header.stamp.sec, part.header.stamp.nanosec = stamp // S, stamp % S
        return [(arrival, topic, kind, message)]

    return edit


@pytest.mark.parametrize("tool_plans", [False, True])
@pytest.mark.parametrize(
    ("apart_ns", "wrong"),
    [(100 * S - START_NS, 3), (8 * S, 3), (-20 * S, 2)],  # one that began before may be told again
)
def test_plans_of_another_clock_are_left_out_and_counted(
    make_bag: MakeBag, apart_ns: int, wrong: int, tool_plans: bool
) -> None:
    episode = read_episode(make_bag(edit=shifted(apart_ns, 0), tool_plans=tool_plans))
    (told,) = [f for f in episode.findings if f.rule == "plan_time"]
    assert f"{wrong} of 3 plans" in told.text and str(told) in episode.problems
    assert len(episode.joint_plans) + len(episode.tool_plans) == 3 - wrong


@pytest.mark.parametrize("tool_plans", [False, True])
def test_plans_by_the_clock_of_arrival_are_brought_to_the_stamps(make_bag: MakeBag, tool_plans: bool) -> None:
    episode = read_episode(make_bag(edit=shifted(0, 100 * S - START_NS), tool_plans=tool_plans))
    assert not [f for f in episode.findings if f.rule == "plan_time"]
    paths = planned_paths(episode, GripperHand.from_yaml("parallel_gripper")).paths
    for contact in episode.truth:
        plan = plan_for(paths, contact.time_ns)
        assert plan is not None
        height = np.interp(contact.time_ns, plan.times_ns, plan.tip[:, 2])
        assert height == pytest.approx(0.05, abs=0.003)


def test_plans_that_lead_by_different_times_are_all_kept(make_bag: MakeBag) -> None:
    lead = iter((0, 2 * S, 4 * S, 0))

    def edit(arrival: int, topic: str, kind: str, message: Any) -> list[Queued]:
        if topic in PLANS:
            message.header.stamp.sec += next(lead) // S
        return [(arrival, topic, kind, message)]

    episode = read_episode(make_bag(edit=edit))
    assert len(episode.joint_plans) == 3 and episode.problems == ()
