"""Rules for poses, forces and joints message by message, each at its limit and with its sentence."""

from typing import Any

import numpy as np

from foley_perception.audit import moving
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


def judged(numbers: int, rows: Any, stamps: Any = None) -> moving.Moving:
    judge = moving.Moving(numbers)
    for time_ns, row in zip(times(len(rows)) if stamps is None else stamps, rows, strict=True):
        judge.add(int(time_ns), row)
    return judge


def test_poses_that_are_none() -> None:
    rows = poses(100)
    assert judged(moving.POSE, rows).findings("/ee_pose", T0) == []
    rows[10:13, 1] = np.nan
    rows[50, 3:] *= 1.05  # is normalised
    rows[60, 3:] *= 0.5
    rows[61, 3:] = 0.0
    judge = moving.Moving(moving.POSE)
    good = [judge.add(int(t), row) for t, row in zip(times(100), rows, strict=True)]
    assert np.flatnonzero(~np.array(good)).tolist() == [10, 11, 12, 60, 61]
    found = judge.findings("/ee_pose", T0)
    only(found[:1], "pose_value", "/ee_pose: 3 of 100 (first at 0.100 s) poses hold NaN")
    turned = only(found[1:], "pose_quaternion", "2 of 100 (first at 0.600 s)", "length 0.5", "must be 1")
    assert turned.severity == Severity.PROBLEM and turned.time_ns == T0 + round(0.6 * S)


def test_positions_in_millimetres_and_jumps() -> None:
    rows = poses(100)
    far = rows + np.array([60.0, 0, 0, 0, 0, 0, 0])
    only(
        judged(moving.POSE, far).findings("/ee_pose", T0),
        "pose_unit",
        "100 of 100",
        "(60, 0, 0)",
        "millimetres",
    )
    rows[40, :3] += [0.0, 0.3, 0.0]
    only(
        judged(moving.POSE, rows).findings("/ee_pose", T0),
        "pose_jump",
        "2 of 100 (first at 0.400 s)",
        "0.3 m",
    )


def test_gaps_are_told_with_their_longest() -> None:
    kept = np.r_[0:100, 126:200, 290:400]
    rows = np.arange(len(kept) * 6.0).reshape(-1, 6)
    only(
        judged(moving.WRENCH, rows, times(400)[kept]).findings("/wrench", T0),
        "motion_gap",
        "/wrench: 2 gaps of more than 0.25 s between forces",
        "longest of 0.910 s from 1.990 s on",
        "the force is not known there",
    )
    assert judged(moving.WRENCH, rows[:40], times(40, 4.0)).findings("/wrench", T0) == []


def test_forces_that_are_not_known() -> None:
    rows = np.arange(600.0).reshape(100, 6)
    rows[10:30, 2] = np.nan
    found = judged(moving.WRENCH, rows).findings("/wrench", T0)
    only(found, "wrench_value", "/wrench: 20 of 100 messages hold NaN, from 0.100 s to 0.290 s", "(NaN)")
    judge = judged(moving.WRENCH, np.full((100, 6), np.nan))
    only(judge.findings("/wrench", T0), "wrench_value", "all 100 messages hold NaN")
    assert judge.extent is None


def test_names_and_positions_that_do_not_belong_together() -> None:
    judge = moving.JointNames()
    sent = [
        (["a", "b"], [1.0, 2.0], True),
        (["a", "b"], [1.0], False),
        (["a", "a"], [1.0, 2.0], False),
        (["a", "b"], [1.0, np.nan], True),
        (["a"], [], False),
    ]
    for index, (names, positions, usable) in enumerate(sent):
        assert judge.usable(T0 + index * S, names, np.array(positions)) == usable
    texts = {f.rule: f.text for f in judge.findings("/joint_states", T0) if f.rule != "joints_names"}
    assert (
        "1 of 5 messages hold NaN for `b`" in texts["joints_value"]
        and "first at 3.000 s" in texts["joints_value"]
    )
    assert "1 of 5 messages carry no positions" in texts["joints_positions"]
    named = [f.text for f in judge.findings("/joint_states", T0) if f.rule == "joints_names"]
    assert (
        "1 positions for 2 names" in named[0] and "`a` twice" in named[1] and "first at 2.000 s" in named[1]
    )
    severities = {f.rule: f.severity for f in judge.findings("/joint_states", T0)}
    assert severities["joints_positions"] == Severity.NOTE and severities["joints_names"] == Severity.PROBLEM
