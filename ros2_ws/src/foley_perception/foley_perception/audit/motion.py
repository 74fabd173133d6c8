"""Rules for what moves: poses, forces, joints, hands and plans.

Each gives what it finds; numbers that cannot be believed are taken out by whoever asks, who says with a Finding what
that costs. Times are ROS times in ns and told as seconds from the recording's start.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.audit.finding import Finding, Severity
from foley_perception.near_names import among

Times = NDArray[np.int64]
Rows = NDArray[np.float64]
Mask = NDArray[np.bool_]

STILL_M, STILL_TURN = 2e-4, 1e-3  # [m] and of a quaternion: less is no motion, and more than a sensor's noise
STUCK_S, STUCK_COUNT = 1.0, 20  # a measurement that stays the same to the last bit for so long is none

PLAN_LATE_S, PLAN_AHEAD_S = (
    1.0,
    5.0,
)  # a plan that begins so long before it came, or after, is of another clock
PLAN_AGAIN_S = 60.0  # before it came, of a plan that is told again to a recording that begins
ENDS_S = 1.0  # by which a force or width may be told for a shorter time than poses
WIDTH_GAP_S = 0.5  # as of clips/action.py
WIDTH_SLACK = 0.2  # of the hand's range, beyond which it is not that gripper's width


@dataclasses.dataclass(frozen=True)
class JointSpan:
    """Of a joint over a whole recording: from when to when, the longest silence, between which positions."""

    first_ns: int
    last_ns: int
    gap_s: float  # the longest
    gap_ns: int  # from when on
    lowest: float  # NaN where no position is known
    highest: float


@dataclasses.dataclass(frozen=True)
class Extent:
    """Of what a topic measured over a whole recording: from when to when, how often, between which numbers."""

    first_ns: int
    last_ns: int
    count: int
    lowest: NDArray[np.float64]  # [d]
    highest: NDArray[np.float64]  # [d]

    def holds(self, times_ns: Iterable[int]) -> int:
        """How many times lie within."""
        return sum(self.first_ns <= t <= self.last_ns for t in times_ns)


def seconds(time_ns: int, start_ns: int) -> float:
    """From the recording's start."""
    return (int(time_ns) - start_ns) / NS_PER_S


# ---- poses ---------------------------------------------------------------------------------------------
def resting(topic: str, extent: Extent, contacts_ns: Sequence[int], start_ns: int) -> list[Finding]:
    """A tool (position, quaternion: [7]) that never moves while things are touched."""
    inside, range_ = extent.holds(contacts_ns), extent.highest - extent.lowest
    if inside < 2 or extent.count < 2 or range_[:3].max() > STILL_M or range_[3:].max() > STILL_TURN:
        return []
    place = ", ".join(f"{v:.3f}" for v in extent.lowest[:3])
    return [
        Finding(
            "pose_rests",
            Severity.PROBLEM,
            topic,
            f"{topic}: the tool stays at ({place}) from {seconds(extent.first_ns, start_ns):.3f} s to "
            f"{seconds(extent.last_ns, start_ns):.3f} s while {inside} contacts happen: is it the pose of the frame "
            "that moves? Publish that of the tool, or name it with --tool-frame",
            extent.first_ns,
        )
    ]


def empty_frame(topic: str, frames: Sequence[str], world_frame: str) -> list[Finding]:
    """Messages that do not say in which frame they are given."""
    empty = sum(not frame.lstrip("/") for frame in frames)
    if not empty:
        return []
    return [
        Finding(
            "frame_empty",
            Severity.NOTE,
            topic,
            f"{topic}: {empty} of {len(frames)} messages have an empty frame_id, which means `{world_frame}`; let what "
            "publishes them name the frame",
        )
    ]


def unplaced(
    topic: str, what: str, times_ns: Times, known: NDArray[np.int64], start_ns: int
) -> list[Finding]:
    """What tf could not place at its time, though it knows the frame at others."""
    lost = np.ones(len(times_ns), dtype=np.bool_)
    lost[known] = False
    if not lost.any():
        return []
    return [
        Finding(
            "frame_unplaced",
            Severity.PROBLEM,
            topic,
            f"{topic}: {_which(times_ns, lost, start_ns)} {what} were left out: tf does not say where their frame was "
            "then; record /tf from the start on, and as often as the frame moves",
            _first(times_ns, lost),
        )
    ]


def wrench_unplaced(topic: str, frame: str, tool: str, why: str) -> Finding:
    """A wrench in a frame that nothing connects with the tool."""
    return Finding(
        "wrench_unplaced",
        Severity.PROBLEM,
        topic,
        f"{topic}: its forces are in `{frame}`, and nobody says where that is on `{tool}` ({why}): how strong they are "
        "is used, their direction is not; publish the transform, or the forces in the tool's frame",
        0,
    )


def static_changed(
    topic: str,
    child: str,
    parents: Sequence[str],
    changes: Sequence[tuple[int, float, float]],  # time [ns], by how much: [m], [rad]
    start_ns: int,
) -> Finding:
    """A transform that holds at all times, and is told again with another value."""
    time_ns, shift, turn = changes[0]
    again = f" and {len(changes) - 1} times more" if len(changes) > 1 else ""
    at = f"{seconds(time_ns, start_ns):.3f} s{again}"
    if len(parents) > 1:
        text = (
            f"`{child}` is told in `{parents[0]}` and, at {at}, in `{parents[1]}`: neither is used; a frame has one "
            "parent: stop one of the publishers, and record again"
        )
    else:
        text = (
            f"`{child}` is told elsewhere in `{parents[0]}` at {at}, by {shift * 1e3:.1f} mm and "
            f"{float(np.degrees(turn)):.2f} degrees: each is used from when it was told on; was it set anew, or do two "
            "publishers tell it? Calibrate before the recording, and let one node tell it"
        )
    return Finding("static_changed", Severity.PROBLEM, topic, f"{topic}: {text}", time_ns)


# ---- forces --------------------------------------------------------------------------------------------
def wrench_stuck(topic: str, extent: Extent, contacts_ns: Sequence[int], start_ns: int) -> list[Finding]:
    """A wrench [6] that never changes: no sensor gives that, whether it is 0 or not."""
    if extent.count < STUCK_COUNT or seconds(extent.last_ns, extent.first_ns) < STUCK_S:
        return []
    if (extent.highest > extent.lowest).any():
        return []
    inside = extent.holds(contacts_ns)
    touched = f" while {inside} contacts happen" if inside else ""
    return [
        Finding(
            "wrench_stuck",
            Severity.PROBLEM,
            topic,
            f"{topic}: it is ({_numbers(extent.lowest)}) in all {extent.count} messages from "
            f"{seconds(extent.first_ns, start_ns):.3f} s to {seconds(extent.last_ns, start_ns):.3f} s{touched}, which "
            "no sensor measures: the force is not known (NaN); is the sensor connected, or a simulated one recorded in "
            "its place?",
            extent.first_ns,
        )
    ]


def ends(topic: str, what: str, first_ns: int, last_ns: int, poses: Extent, start_ns: int) -> list[Finding]:
    """A force or width that begins later than the poses, or ends before them."""
    late, early = seconds(first_ns, poses.first_ns), seconds(poses.last_ns, last_ns)
    if max(late, early) <= ENDS_S:
        return []
    text = (
        f"{topic}: {what} is told from {seconds(first_ns, start_ns):.3f} s to {seconds(last_ns, start_ns):.3f} s only, "
        f"poses from {seconds(poses.first_ns, start_ns):.3f} s to {seconds(poses.last_ns, start_ns):.3f} s: without it "
        "it is not known (NaN); did its driver start late, or stop?"
    )
    return [Finding("motion_ends", Severity.PROBLEM, topic, text, first_ns if late > ENDS_S else last_ns)]


def wrench_frozen(topic: str, stretches: Sequence[Extent], start_ns: int) -> list[Finding]:
    """Stretches in which a wrench [6] that changes elsewhere does not."""
    if not stretches:
        return []
    longest = max(stretches, key=lambda held: held.last_ns - held.first_ns)
    times = "once" if len(stretches) == 1 else f"{len(stretches)} times"
    return [
        Finding(
            "wrench_frozen",
            Severity.PROBLEM,
            topic,
            f"{topic}: it stays the same to the last bit {times}, the longest at ({_numbers(longest.lowest)}) in "
            f"{longest.count} messages from {seconds(longest.first_ns, start_ns):.3f} s to "
            f"{seconds(longest.last_ns, start_ns):.3f} s, which no sensor gives: the force is not known there (NaN); "
            "does its driver send the last value again when the sensor falls silent? Look at its cable and its log",
            stretches[0].first_ns,
        )
    ]


# ---- joints --------------------------------------------------------------------------------------------
def joint_fault(names: Sequence[str], positions: Sequence[float] | NDArray[np.float64]) -> str:
    """Why nobody can say which position is whose; empty where that is clear."""
    if len(positions) != len(names):
        return f"{len(positions)} positions for {len(names)} names"
    twice = [name for name, count in collections.Counter(names).items() if count > 1]
    return f"`{twice[0]}` twice" if twice else ""


# ---- the hand ------------------------------------------------------------------------------------------
def width_untold(
    topic: str, joint: str, hand: str, default_m: float, known: Iterable[str], silent_s: float | None = None
) -> Finding:
    """The gripper's opening, which no joint tells.

    Args:
        known: joints that were told.
        silent_s: since when it is told no longer; None: it never was.
    """
    names = list(known)
    seen = (
        f"was never seen ({among(joint, names)})"
        if silent_s is None
        else f"was not told for {silent_s:.1f} s"
    )
    cost = f"the gripper's width is not known (NaN), and its hand is drawn {default_m * 1e3:.0f} mm open"
    return Finding(
        "width_untold",
        Severity.PROBLEM,
        topic,
        f"{topic}: joint `{joint}` of the hand `{hand}` {seen}: {cost}, the file's width.default, which stands in; "
        "publish the joint, or name the hand file of this gripper (--hand, live the parameter `hand`)",
    )


def width_faults(
    topic: str,
    joint: str,
    hand: str,
    max_m: float,
    span: JointSpan,
    width: tuple[float, float],  # [m], the lowest and the highest
    poses: Extent | None,
    start_ns: int,
) -> list[Finding]:
    """What is wrong with an opening that a joint tells."""
    found = []
    low, high = min(width), max(width)
    slack = WIDTH_SLACK * max_m
    if low < -slack or high > max_m + slack:
        text = (
            f"{topic}: joint `{joint}` opens the gripper from {low:.4g} to {high:.4g} m, the hand `{hand}` from 0 to "
            f"{max_m:g} m: what is outside is not known (NaN); are they millimetres or counts? ROS has metres; let its "
            "driver convert them, or name the hand file of this gripper (--hand, live the parameter `hand`)"
        )
        found.append(Finding("width_range", Severity.PROBLEM, topic, text, span.first_ns))
    if span.gap_s > WIDTH_GAP_S:
        text = (
            f"{topic}: joint `{joint}` is not told for up to {span.gap_s:.3f} s, from "
            f"{seconds(span.gap_ns, start_ns):.3f} s on: over more than {WIDTH_GAP_S} s the gripper's width is not "
            "known (NaN); let its driver tell it at 10 Hz or more"
        )
        found.append(Finding("width_gap", Severity.PROBLEM, topic, text, span.gap_ns))
    if poses is not None:
        what = f"joint `{joint}`, the gripper's width,"
        found += ends(topic, what, span.first_ns, span.last_ns, poses, start_ns)
    return found


# ---- plans ---------------------------------------------------------------------------------------------
def plan_refused(topic: str, received_ns: int, why: str, start_ns: int) -> Finding:
    """A planned motion that cannot be followed; others can."""
    return Finding(
        "plan_refused",
        Severity.PROBLEM,
        topic,
        f"{topic}: the plan that came at {seconds(received_ns, start_ns):.3f} s is left out: {why}",
        received_ns,
    )


def plan_of_another_time(received_ns: int, begins_ns: int, start_ns: int) -> bool:
    """Whether a plan cannot begin when it says: it came later, or it would be followed long after.

    Args:
        start_ns: of the recording, at which plans of before may be told again.
    """
    lead = seconds(begins_ns, received_ns)
    told_again = received_ns < start_ns + NS_PER_S and -PLAN_AGAIN_S < lead < 0
    return not told_again and not -PLAN_LATE_S <= lead <= PLAN_AHEAD_S


def plan_times(topic: str, plans: Sequence[tuple[int, int]], start_ns: int) -> list[Finding]:
    """Plans (when each came, when it begins [ns]) whose stamps are of another clock than the recording's."""
    wrong = [plan for plan in plans if plan_of_another_time(*plan, start_ns)]
    if not wrong:
        return []
    received, begins = wrong[0]
    way = "before" if begins < received else "after"
    return [
        Finding(
            "plan_time",
            Severity.PROBLEM,
            topic,
            f"{topic}: {len(wrong)} of {len(plans)} plans do not begin near the time at which they came, the first, "
            f"which came at {seconds(received, start_ns):.3f} s, {abs(seconds(begins, received)):.1f} s {way} it: "
            "their stamps are of another clock; they are left out (no planned action, NaN); stamp them with ROS time, "
            "or with 0, which means at once",
            received,
        )
    ]


# ---- inside --------------------------------------------------------------------------------------------
def _which(times_ns: Times, bad: Mask, start_ns: int) -> str:
    return (
        f"{int(bad.sum())} of {len(bad)} (first at {seconds(times_ns[int(np.argmax(bad))], start_ns):.3f} s)"
    )


def _numbers(values: NDArray[np.float64]) -> str:
    return ", ".join(f"{v:.4g}" for v in values)


def _first(times_ns: Times, bad: Mask) -> int:
    return int(times_ns[int(np.argmax(bad))])
