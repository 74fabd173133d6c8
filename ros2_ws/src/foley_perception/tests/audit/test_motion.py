"""Rules for what moves, each at its limit and with its sentence."""

from typing import Any

import numpy as np
import pytest

from foley_perception.audit import motion
from foley_perception.audit.finding import Finding, Severity

T0, S = 1_800_000_000_000_000_000, 1_000_000_000


def times(count: int, rate_hz: float = 100.0) -> Any:
    return T0 + np.round(np.arange(count) / rate_hz * S).astype(np.int64)


def poses(count: int) -> Any:
    rows = np.zeros((count, 7))
    rows[:, 0], rows[:, 6] = 0.001 * np.arange(count), 1.0
    return rows


def only(findings: list[Finding], rule: str, *said: str) -> Finding:
    (found,) = findings
    assert found.rule == rule and all(text in found.text for text in said), found.text
    return found


def test_poses_that_are_none() -> None:
    rows = poses(100)
    assert motion.pose_values("/ee_pose", times(100), rows, T0)[1] == []
    rows[10:13, 1] = np.nan
    rows[50, 3:] *= 1.05  # is normalised
    rows[60, 3:] *= 0.5
    rows[61, 3:] = 0.0
    good, found = motion.pose_values("/ee_pose", times(100), rows, T0)
    assert np.flatnonzero(~good).tolist() == [10, 11, 12, 60, 61]
    only(found[:1], "pose_value", "/ee_pose: 3 of 100 (first at 0.100 s) poses hold NaN")
    turned = only(found[1:], "pose_quaternion", "2 of 100 (first at 0.600 s)", "length 0.5", "must be 1")
    assert turned.severity == Severity.PROBLEM and turned.time_ns == T0 + round(0.6 * S)


def test_positions_in_millimetres_and_jumps() -> None:
    place = poses(100)[:, :3]
    assert motion.pose_motion("/ee_pose", times(100), place, T0) == []
    only(
        motion.pose_motion("/ee_pose", times(100), place + np.array([60.0, 0, 0]), T0),
        "pose_unit",
        "100 of 100",
        "(60, 0, 0)",
        "millimetres",
    )
    place[40] += [0.0, 0.3, 0.0]
    only(
        motion.pose_motion("/ee_pose", times(100), place, T0),
        "pose_jump",
        "2 of 100 (first at 0.400 s)",
        "0.3 m",
    )


def test_gaps_are_told_with_their_longest() -> None:
    kept = np.r_[0:100, 126:200, 290:400]
    only(
        motion.gaps("/wrench", "forces", times(400)[kept], T0, "the force is not known there"),
        "motion_gap",
        "/wrench: 2 gaps of more than 0.25 s between forces",
        "longest of 0.910 s from 1.990 s on",
    )
    assert motion.gaps("/wrench", "forces", times(40, 4.0), T0, "") == []


@pytest.mark.parametrize(("moves", "contacts", "told"), [(0.0, 2, 1), (0.0, 1, 0), (0.001, 2, 0)])
def test_a_tool_that_rests_while_things_are_touched(moves: float, contacts: int, told: int) -> None:
    place = np.full((100, 3), 0.25) + moves * np.arange(100)[:, None]
    turn = np.tile([0.0, 0, 0, 1], (100, 1)) * np.where(np.arange(100) % 2, -1, 1)[:, None]
    found = motion.resting("/ee_pose", times(100), place, turn, [T0 + S // 2] * contacts, T0)
    assert len(found) == told and all("stays at (0.250, 0.250, 0.250)" in f.text for f in found)


@pytest.mark.parametrize(
    ("value", "noise", "contacts", "told"),
    [(0.0, 0.0, 1, True), (0.0, 0.0, 0, False), (7.5, 0.0, 0, True), (7.5, 1e-9, 1, False)],
)
def test_a_wrench_that_never_changes(value: float, noise: float, contacts: int, told: bool) -> None:
    rows = np.full((200, 6), value) + noise * np.arange(200)[:, None]
    found = motion.wrench_stuck("/wrench", times(200), rows, [T0 + S // 2] * contacts, T0)
    assert bool(found) == told
    if told:
        only(found, "wrench_stuck", "in all 200 messages from 0.000 s to 1.990 s", "not known (NaN)")


def test_names_and_positions_that_do_not_belong_together() -> None:
    judged = motion.JointNames("/joint_states", T0)
    sent = [
        (["a", "b"], [1.0, 2.0], True),
        (["a", "b"], [1.0], False),
        (["a", "a"], [1.0, 2.0], False),
        (["a", "b"], [1.0, np.nan], True),
        (["a"], [], False),
    ]
    for index, (names, positions, usable) in enumerate(sent):
        assert judged.usable(T0 + index * S, names, np.array(positions)) == usable
    texts = {f.rule: f.text for f in judged.findings() if f.rule != "joints_names"}
    assert (
        "1 of 5 messages hold NaN for `b`" in texts["joints_value"]
        and "first at 3.000 s" in texts["joints_value"]
    )
    assert "1 of 5 messages carry no positions" in texts["joints_positions"]
    named = [f.text for f in judged.findings() if f.rule == "joints_names"]
    assert (
        "1 positions for 2 names" in named[0] and "`a` twice" in named[1] and "first at 2.000 s" in named[1]
    )
    severities = {f.rule: f.severity for f in judged.findings()}
    assert severities["joints_positions"] == Severity.NOTE and severities["joints_names"] == Severity.PROBLEM
