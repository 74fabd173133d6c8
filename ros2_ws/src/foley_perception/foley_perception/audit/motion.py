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

UNIT_LOW, UNIT_HIGH = 0.9, 1.1  # length of a quaternion that rounding or a foreign library may give
FAR_M = 50.0  # no arm stands this far from its world
JUMP_M, JUMP_M_S = 0.2, 20.0  # a step as far as this and faster than this is no motion
MAX_GAP_S = 0.25  # between two poses or forces
STILL_M, STILL_TURN = 2e-4, 1e-3  # [m] and of a quaternion: less is no motion, and more than a sensor's noise
STUCK_S, STUCK_COUNT = 1.0, 20  # a measurement that stays the same to the last bit for so long is none


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
def pose_values(topic: str, times_ns: Times, rows: Rows, start_ns: int) -> tuple[Mask, list[Finding]]:
    """Which poses [n, 7] (position, quaternion) are usable: finite, with a quaternion that is one."""
    finite = np.isfinite(rows).all(axis=1)
    length = np.linalg.norm(np.where(finite[:, None], rows[:, 3:], 0.0), axis=1)
    unit = (length >= UNIT_LOW) & (length <= UNIT_HIGH)
    found = []
    if not finite.all():
        told = _which(times_ns, ~finite, start_ns)
        found.append(
            Finding(
                "pose_value",
                Severity.PROBLEM,
                topic,
                f"{topic}: {told} poses hold NaN or infinity and were left out; start the recording when what "
                "publishes them is ready",
                _first(times_ns, ~finite),
            )
        )
    turned = finite & ~unit
    if turned.any():
        index = int(np.argmax(turned))
        found.append(
            Finding(
                "pose_quaternion",
                Severity.PROBLEM,
                topic,
                f"{topic}: {_which(times_ns, turned, start_ns)} poses have a quaternion of length {length[index]:.3g} "
                f"and were left out: it must be 1 (within [{UNIT_LOW}, {UNIT_HIGH}] it is normalised); let what "
                "publishes them fill in the orientation",
                _first(times_ns, turned),
            )
        )
    return finite & unit, found


def pose_motion(topic: str, times_ns: Times, positions: Rows, start_ns: int) -> list[Finding]:
    """Positions [n, 3] that are not metres, jump, or are missing for a while."""
    found = []
    far = np.linalg.norm(positions, axis=1) > FAR_M
    if far.any():
        place = ", ".join(f"{v:.4g}" for v in positions[int(np.argmax(far))])
        found.append(
            Finding(
                "pose_unit",
                Severity.PROBLEM,
                topic,
                f"{topic}: {_which(times_ns, far, start_ns)} positions are farther than {FAR_M:.0f} m away, such as "
                f"({place}): are they millimetres? ROS has metres; let what publishes them divide by 1000, and record "
                "again",
                _first(times_ns, far),
            )
        )
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    spans = np.diff(times_ns) / NS_PER_S
    jumps = np.concatenate([[False], (steps > JUMP_M) & (steps > JUMP_M_S * spans)])
    if jumps.any():
        step = steps[int(np.argmax(jumps)) - 1]
        found.append(
            Finding(
                "pose_jump",
                Severity.PROBLEM,
                topic,
                f"{topic}: {_which(times_ns, jumps, start_ns)} poses lie {step:.3g} m from the one before, faster than "
                f"{JUMP_M_S:.0f} m/s: do two nodes publish on it, or is it not in metres? Stop one of them, or correct "
                "the unit, and record again",
                _first(times_ns, jumps),
            )
        )
    return found + gaps(topic, "poses", times_ns, start_ns, "contacts there are left out")


def gaps(topic: str, what: str, times_ns: Times, start_ns: int, cost: str) -> list[Finding]:
    """Stretches without a message, over which nothing is interpolated."""
    spans = np.diff(times_ns) / NS_PER_S
    wide = spans > MAX_GAP_S
    if not wide.any():
        return []
    longest = int(np.argmax(spans))
    count = int(wide.sum())
    return [
        Finding(
            "motion_gap",
            Severity.PROBLEM,
            topic,
            f"{topic}: {count} {'gap' if count == 1 else 'gaps'} of more than {MAX_GAP_S} s between {what}, the "
            f"longest of {spans[longest]:.3f} s from {seconds(times_ns[longest], start_ns):.3f} s on: {cost}; look for "
            "what stops its publisher, or for losses with `foley bag info`",
            int(times_ns[int(np.argmax(wide))]),
        )
    ]


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


# ---- forces --------------------------------------------------------------------------------------------
def wrench_values(topic: str, times_ns: Times, rows: Rows, start_ns: int) -> tuple[Mask, list[Finding]]:
    """Which forces and torques [n, 6] are usable. The force is not known (NaN) while the others last."""
    finite = np.isfinite(rows).all(axis=1)
    if finite.all():
        return finite, []
    first, last = (int(t) for t in (times_ns[~finite].min(), times_ns[~finite].max()))
    count = f"all {len(rows)}" if not finite.any() else f"{int((~finite).sum())} of {len(rows)}"
    text = (
        f"{topic}: {count} messages hold NaN, from {seconds(first, start_ns):.3f} s to "
        f"{seconds(last, start_ns):.3f} s: the force is not known then (NaN); is the sensor mounted, and its driver "
        "started before the recording?"
    )
    return finite, [Finding("wrench_value", Severity.PROBLEM, topic, text, first)]


def wrench_stuck(topic: str, extent: Extent, contacts_ns: Sequence[int], start_ns: int) -> list[Finding]:
    """A wrench [6] that never changes: no sensor gives that, and a force of zero only where nothing is touched."""
    if extent.count < STUCK_COUNT or seconds(extent.last_ns, extent.first_ns) < STUCK_S:
        return []
    if (extent.highest > extent.lowest).any():
        return []
    inside = extent.holds(contacts_ns)
    if not extent.lowest.any() and not inside:
        return []
    held = ", ".join(f"{v:.4g}" for v in extent.lowest)
    touched = f" while {inside} contacts happen" if inside else ""
    return [
        Finding(
            "wrench_stuck",
            Severity.PROBLEM,
            topic,
            f"{topic}: it is ({held}) in all {extent.count} messages from {seconds(extent.first_ns, start_ns):.3f} s "
            f"to {seconds(extent.last_ns, start_ns):.3f} s{touched}, which no sensor measures: the force is not known "
            "(NaN); is the sensor connected, or a simulated one recorded in its place?",
            extent.first_ns,
        )
    ]


# ---- joints --------------------------------------------------------------------------------------------
def joint_fault(names: Sequence[str], positions: Sequence[float] | NDArray[np.float64]) -> str:
    """Why nobody can say which position is whose; empty where that is clear."""
    if len(positions) != len(names):
        return f"{len(positions)} positions for {len(names)} names"
    twice = [name for name, count in collections.Counter(names).items() if count > 1]
    return f"`{twice[0]}` twice" if twice else ""


class JointNames:
    """What is wrong with joint_states, message by message; :meth:`findings` says it at the end."""

    def __init__(self, topic: str, start_ns: int) -> None:
        self._topic, self._start_ns = topic, start_ns
        self._count = 0
        self._wrong: dict[str, list[int]] = collections.defaultdict(list)  # why -> times [ns]
        self._without: list[int] = []
        self._nan: dict[str, list[int]] = collections.defaultdict(list)  # joint -> times [ns]

    def usable(self, time_ns: int, names: Sequence[str], positions: NDArray[np.float64]) -> bool:
        """Whether a message tells of positions which are whose."""
        self._count += 1
        if not positions.size:
            if names:
                self._without.append(time_ns)
            return False
        if fault := joint_fault(names, positions):
            self._wrong[fault].append(time_ns)
            return False
        for name, position in zip(names, positions, strict=True):
            if not np.isfinite(position):
                self._nan[name].append(time_ns)
        return True

    def findings(self) -> list[Finding]:
        """One for each kind of fault."""
        topic, found = self._topic, []

        def tell(rule: str, severity: Severity, times: list[int], why: str) -> None:
            at = seconds(times[0], self._start_ns)
            text = f"{topic}: {len(times)} of {self._count} messages {why}, first at {at:.3f} s"
            found.append(Finding(rule, severity, topic, text, times[0]))

        for why, times in self._wrong.items():
            tell(
                "joints_names",
                Severity.PROBLEM,
                times,
                f"have {why} and were left out; let their publisher give one position to each name",
            )
        for joint, times in self._nan.items():
            tell(
                "joints_value",
                Severity.PROBLEM,
                times,
                f"hold NaN for `{joint}`, whose position is not known then; is its driver ready?",
            )
        if self._without:
            tell("joints_positions", Severity.NOTE, self._without, "carry no positions")
        return found


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


# ---- inside --------------------------------------------------------------------------------------------
def _which(times_ns: Times, bad: Mask, start_ns: int) -> str:
    return (
        f"{int(bad.sum())} of {len(bad)} (first at {seconds(times_ns[int(np.argmax(bad))], start_ns):.3f} s)"
    )


def _first(times_ns: Times, bad: Mask) -> int:
    return int(times_ns[int(np.argmax(bad))])
