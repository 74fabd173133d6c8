"""What is wrong with poses, forces and joints, message by message: bounded, whatever a recording's length.

Messages come in the order in which they were written. Rules that need more than one topic are in motion.py.
"""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.audit.finding import Finding, Severity
from foley_perception.audit.motion import (
    STUCK_COUNT,
    STUCK_S,
    Extent,
    JointSpan,
    joint_fault,
    seconds,
    wrench_frozen,
)
from foley_perception.audit.pose_unit import PoseUnit, no_metres

UNIT_LOW, UNIT_HIGH = 0.9, 1.1  # length of a quaternion that rounding or a foreign library may give
FAR_M = 50.0  # no arm stands this far from its world
JUMP_M, JUMP_M_S = 0.2, 20.0  # a step as far as this and faster than this is no motion
MAX_GAP_S = 0.25  # between two poses or forces
POSE, WRENCH = 7, 6  # numbers of a message
_STRETCHES = 4096  # that are remembered


@dataclasses.dataclass
class Count:
    """How many messages have a fault, and when."""

    messages: int = 0
    first_ns: int = 0
    last_ns: int = 0
    shown: str = ""  # a value of the first one

    def add(self, time_ns: int, shown: str = "") -> None:
        if not self.messages:
            self.first_ns, self.shown = time_ns, shown
        self.messages, self.last_ns = self.messages + 1, time_ns


def unreadable(topic: str, count: Count, messages: int, start_ns: int) -> list[Finding]:
    """Messages of which the bytes are not what their type says; they are left out."""
    if not count.messages:
        return []
    at = seconds(count.first_ns, start_ns)
    text = (
        f"{topic}: {count.messages} of {messages} messages cannot be read, the first at {at:.3f} s ({count.shown}), "
        "and were left out: is the recording damaged?"
    )
    return [Finding("message_unreadable", Severity.PROBLEM, topic, text, count.first_ns)]


class Held:
    """The values that messages repeat."""

    def __init__(self) -> None:
        self._values, self._content = np.zeros(0), b""
        self._first_ns = self._last_ns = self._count = 0

    def add(self, time_ns: int, values: NDArray[np.float64]) -> Extent | None:
        """One message; the stretch that it ends, if that was long."""
        content = values.tobytes()
        if content == self._content:
            self._last_ns, self._count = time_ns, self._count + 1
            return None
        ended = self.stretch
        self._values, self._content = values.copy(), content
        self._first_ns, self._last_ns, self._count = time_ns, time_ns, 1
        return ended

    @property
    def stretch(self) -> Extent | None:
        """Of the newest value, where it was given for long."""
        if self._count < STUCK_COUNT or seconds(self._last_ns, self._first_ns) < STUCK_S:
            return None
        return Extent(self._first_ns, self._last_ns, self._count, self._values, self._values)


class Moving:
    """Judges poses (7 numbers: position, quaternion) or wrenches (6)."""

    def __init__(self, numbers: int) -> None:
        self._numbers, self._messages = numbers, 0
        self._nan, self._turned, self._far, self._jump, self._gap = (Count() for _ in range(5))
        self._unreadable = Count()
        self._longest: tuple[float, int] = (0.0, 0)  # [s], and from when on
        self._last: tuple[int, list[float], str] | None = None  # usable
        self._first_ns, self._newest_ns, self._usable = 2**63 - 1, -(2**63), 0
        self._lowest, self._highest = np.full(numbers, np.inf), np.full(numbers, -np.inf)
        self._begin_ns, self._end_ns = 2**63 - 1, -(2**63)  # usable or not
        self._held, self._zeros = Held(), 0
        self._unit, self._unit_frame = PoseUnit(), ""
        self._no_metres: tuple[int, str] | None = None  # since when, and how far it went in which time
        self._frozen: list[Extent] = []

    def add(self, time_ns: int, values: NDArray[np.float64], frame: str = "") -> bool:
        """One message, given in a frame; whether it is usable."""
        self._messages += 1
        self._begin_ns, self._end_ns = min(self._begin_ns, time_ns), max(self._end_ns, time_ns)
        numbers = values.tolist()
        if not math.isfinite(sum(numbers)):
            self._nan.add(time_ns)
            return False
        if self._numbers == POSE:
            length = math.hypot(*numbers[3:])
            if not UNIT_LOW <= length <= UNIT_HIGH:
                self._turned.add(time_ns, f"{length:.3g}")
                return False
        self._usable += 1
        self._first_ns, self._newest_ns = min(self._first_ns, time_ns), max(self._newest_ns, time_ns)
        np.minimum(self._lowest, values, out=self._lowest)
        np.maximum(self._highest, values, out=self._highest)
        if self._numbers == WRENCH:
            self._zeros += not values.any()
            if (before := self._held.add(time_ns, values)) is not None and len(self._frozen) < _STRETCHES:
                self._frozen.append(before)
        if self._numbers == POSE and math.hypot(*numbers[:3]) > FAR_M:
            self._far.add(time_ns, ", ".join(f"{v:.4g}" for v in values[:3]))
        if self._numbers == POSE and self._unit.due(time_ns):
            self._judge_unit(time_ns, numbers[:3], frame)
        if self._last is not None and time_ns > self._last[0]:
            self._since(self._last, time_ns, numbers, frame)
        if self._last is None or time_ns > self._last[0]:
            self._last = time_ns, numbers, frame
        return True

    def cannot_read(self, arrival_ns: int, why: str) -> None:
        """One message that is none."""
        self._messages += 1
        self._unreadable.add(arrival_ns, why)

    def interrupted(self) -> None:
        """The recording was paused: what comes next is no gap and no jump."""
        self._last = None

    def _judge_unit(self, time_ns: int, position: list[float], frame: str) -> None:
        if frame != self._unit_frame:
            self._unit, self._unit_frame = PoseUnit(), frame
        self._unit.add(time_ns, position)
        if self._no_metres is None and self._unit.wrong:
            self._no_metres = self._unit.since_ns, self._unit.shown

    def _since(
        self,
        last: tuple[int, list[float], str],
        time_ns: int,
        values: list[float],
        frame: str,
    ) -> None:
        span = (time_ns - last[0]) / NS_PER_S
        if span > MAX_GAP_S:
            self._gap.add(last[0])
            self._longest = max(self._longest, (span, last[0]))
        if self._numbers == POSE and frame == last[2]:
            step = math.dist(values[:3], last[1][:3])
            if step > JUMP_M and step > JUMP_M_S * span:
                self._jump.add(time_ns, f"{step:.3g}")

    @property
    def extent(self) -> Extent | None:
        """Of what is usable; None where nothing is."""
        if not self._usable:
            return None
        return Extent(self._first_ns, self._newest_ns, self._usable, self._lowest, self._highest)

    @property
    def told_ns(self) -> tuple[int, int]:
        """The first and the last stamp, of messages that are not usable too."""
        return self._begin_ns, self._end_ns

    @property
    def frozen(self) -> list[Extent]:
        """Stretches in which it did not change to the last bit, of a wrench that does elsewhere.

        Some sensors and simulators give 0 for as long as nothing is touched. One that is 0 but once, and never again,
        is none of them.
        """
        stretches = [*self._frozen, *([last] if (last := self._held.stretch) is not None else [])]
        return [s for s in stretches if s.count < self._usable and (s.lowest.any() or s.count == self._zeros)]

    def findings(self, topic: str, start_ns: int) -> list[Finding]:
        """One for each kind of fault."""
        poses = self._numbers == POSE
        found = unreadable(topic, self._unreadable, self._messages, start_ns)
        found += self._pose_findings(topic, start_ns) if poses else self._wrench_findings(topic, start_ns)
        if self._gap.messages:
            what, cost = (
                ("poses", "contacts there are left out")
                if poses
                else ("forces", "the force is not known there (NaN)")
            )
            gaps = f"{self._gap.messages} {'gap' if self._gap.messages == 1 else 'gaps'}"
            span, since = self._longest
            text = (
                f"{gaps} of more than {MAX_GAP_S} s between {what}, the longest of {span:.3f} s from "
                f"{seconds(since, start_ns):.3f} s on: {cost}; look for what stops its publisher, or for losses with "
                "`foley bag info`"
            )
            found.append(_problem("motion_gap", topic, text, self._gap))
        return found

    def _wrench_findings(self, topic: str, start_ns: int) -> list[Finding]:
        frozen = wrench_frozen(topic, self.frozen, start_ns)
        if not self._nan.messages:
            return frozen
        count = f"{self._nan.messages} of {self._messages}" if self._usable else f"all {self._messages}"
        text = (
            f"{count} messages hold NaN, from {seconds(self._nan.first_ns, start_ns):.3f} s to "
            f"{seconds(self._nan.last_ns, start_ns):.3f} s: the force is not known then (NaN); is the sensor mounted, "
            "and its driver started before the recording?"
        )
        return [_problem("wrench_value", topic, text, self._nan), *frozen]

    def _pose_findings(self, topic: str, start_ns: int) -> list[Finding]:
        def which(count: Count) -> str:
            first = seconds(count.first_ns, start_ns)
            return f"{count.messages} of {self._messages} (first at {first:.3f} s)"

        nan, turned, far, jump = self._nan, self._turned, self._far, self._jump
        found = [
            _problem(
                "pose_value",
                topic,
                f"{which(nan)} poses hold NaN or infinity and were left out; start the recording when what publishes "
                "them is ready",
                nan,
            ),
            _problem(
                "pose_quaternion",
                topic,
                f"{which(turned)} poses have a quaternion of length {turned.shown} and were left out: it must be 1 "
                f"(within [{UNIT_LOW}, {UNIT_HIGH}] it is normalised); let what publishes them fill in the orientation",
                turned,
            ),
            _problem(
                "pose_unit",
                topic,
                f"{which(far)} positions are farther than {FAR_M:.0f} m away, such as ({far.shown}): are they "
                "millimetres? ROS has metres; let what publishes them divide by 1000, and record again",
                far,
            ),
            _problem(
                "pose_jump",
                topic,
                f"{which(jump)} poses lie {jump.shown} m from the one before, faster than {JUMP_M_S:.0f} m/s: do two "
                "nodes publish on it, or is it not in metres? Stop one of them, or correct the unit, and record again",
                jump,
            ),
        ]
        told = [one for one, count in zip(found, (nan, turned, far, jump), strict=True) if count.messages]
        if self._no_metres is not None:
            since_ns, shown = self._no_metres
            text = (
                f"{no_metres(topic, shown)}, and record again (first at {seconds(since_ns, start_ns):.3f} s)"
            )
            told.insert(0, Finding("pose_reach", Severity.ERROR, topic, text, since_ns))
        return told


class Told:
    """When messages that name the same joints came, and between which positions."""

    def __init__(self, time_ns: int, count: int) -> None:
        self._first_ns = self._last_ns = self._gap_from_ns = time_ns
        self._gap_ns = 0
        self._resumed = False
        self._lowest, self._highest = np.full(count, np.nan), np.full(count, np.nan)

    def interrupted(self) -> None:
        """The recording was paused: what comes next is no gap."""
        self._resumed = True

    def add(self, time_ns: int, positions: NDArray[np.float64]) -> None:
        if time_ns - self._last_ns > self._gap_ns and not self._resumed:
            self._gap_ns, self._gap_from_ns = time_ns - self._last_ns, self._last_ns
        self._resumed = False
        self._first_ns, self._last_ns = min(self._first_ns, time_ns), max(self._last_ns, time_ns)
        np.fmin(self._lowest, positions, out=self._lowest)
        np.fmax(self._highest, positions, out=self._highest)

    def spans(self) -> list[JointSpan]:
        times = self._first_ns, self._last_ns, self._gap_ns / NS_PER_S, self._gap_from_ns
        ranges = zip(self._lowest.tolist(), self._highest.tolist(), strict=True)
        return [JointSpan(*times, low, high) for low, high in ranges]


def _together(one: JointSpan, other: JointSpan) -> JointSpan:
    """Of a joint that messages of two kinds name: where one kind is silent, the other may not be."""
    return JointSpan(
        min(one.first_ns, other.first_ns),
        max(one.last_ns, other.last_ns),
        *min((one.gap_s, one.gap_ns), (other.gap_s, other.gap_ns)),
        float(np.fmin(one.lowest, other.lowest)),
        float(np.fmax(one.highest, other.highest)),
    )


class JointNames:
    """Judges joint_states."""

    def __init__(self) -> None:
        self._messages = 0
        self._wrong: dict[str, Count] = collections.defaultdict(Count)  # by what is wrong
        self._nan: dict[str, Count] = collections.defaultdict(Count)  # by joint
        self._without, self._unreadable = Count(), Count()
        self._told: dict[tuple[str, ...], Told] = {}  # by the joints that a message names

    @property
    def spans(self) -> dict[str, JointSpan]:
        """By joint."""
        found: dict[str, JointSpan] = {}
        for names, told in self._told.items():
            for joint, span in zip(names, told.spans(), strict=True):
                found[joint] = _together(found[joint], span) if joint in found else span
        return found

    def interrupted(self) -> None:
        """The recording was paused."""
        for told in self._told.values():
            told.interrupted()

    def cannot_read(self, arrival_ns: int, why: str) -> None:
        """One message that is none."""
        self._messages += 1
        self._unreadable.add(arrival_ns, why)

    def usable(self, time_ns: int, names: Sequence[str], positions: NDArray[np.float64]) -> bool:
        """Whether a message tells of positions which are whose."""
        self._messages += 1
        if not positions.size:
            if names:
                self._without.add(time_ns)
            return False
        if fault := joint_fault(names, positions):
            self._wrong[fault].add(time_ns)
            return False
        key = tuple(names)
        if key not in self._told:
            self._told[key] = Told(time_ns, len(key))
        self._told[key].add(time_ns, positions)
        if not math.isfinite(sum(positions.tolist())):
            for name, position in zip(names, positions, strict=True):
                if not math.isfinite(position):
                    self._nan[name].add(time_ns)
        return True

    def findings(self, topic: str, start_ns: int) -> list[Finding]:
        """One for each kind of fault."""
        found = unreadable(topic, self._unreadable, self._messages, start_ns)

        def tell(rule: str, severity: Severity, count: Count, why: str) -> None:
            at = seconds(count.first_ns, start_ns)
            text = f"{topic}: {count.messages} of {self._messages} messages {why}, first at {at:.3f} s"
            found.append(Finding(rule, severity, topic, text, count.first_ns))

        for why, count in self._wrong.items():
            tell(
                "joints_names",
                Severity.PROBLEM,
                count,
                f"have {why} and were left out; let their publisher give one position to each name",
            )
        for joint, count in self._nan.items():
            tell(
                "joints_value",
                Severity.PROBLEM,
                count,
                f"hold NaN for `{joint}`, whose position is not known then; is its driver ready?",
            )
        if self._without.messages:
            tell("joints_positions", Severity.NOTE, self._without, "carry no positions")
        return found


def _problem(rule: str, topic: str, text: str, count: Count) -> Finding:
    return Finding(rule, Severity.PROBLEM, topic, f"{topic}: {text}", count.first_ns)
