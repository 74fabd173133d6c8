"""What stamps of several topics say together: zero, repeated and falling stamps, runs, clocks, steps."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_common.topics import MAIN_DEVICES, TF, Topic
from foley_perception.audit.arrivals import SAME_CLOCK_S, ArrivalClock
from foley_perception.audit.clock_time import moment
from foley_perception.audit.finding import Finding, Severity
from foley_perception.audit.older import SMALL, older_than_others
from foley_perception.audit.stamps import Jump, StampAudit

STEP_S = 0.02  # a step that must be told; detected from 12 ms up
_DETECTED_S = 0.012
LASTING_S = 2.0
AHEAD_S = 0.005
SLOW_S = 3.0
_JUDGED = 10  # messages of a sensor before its clock is compared
PAUSE_S = 5.0  # of all sensors together
SHORT_PAUSE_S = 1.0  # the same, of a microphone and others
_NEAR_S = 0.3  # around a step that is not looked at
_WITHIN_S = 0.004  # of each other are the sizes of a step by stamps and by latency
_TOGETHER_S = 0.5  # of arrival, within which topics of one clock show its step
_OTHER_RUN_S = 60.0  # stamps that go ahead by more are of another run
_FEW = 0.02  # share of a microphone's stamps that may repeat
SENSORS = frozenset({"audio", "image", "depth", "pose", "joints", "wrench"})
_MAIN = frozenset({"audio", "image", "pose"})
RESTAMPED = SENSORS | {"keypoints", "contacts"}  # elsewhere a zero has a meaning, or none
_SHARED = frozenset({"joints", "transforms"})  # usually of several publishers, whose stamps cross


class TimeAudit:
    """The stamped topics of a recording, judged together.

    Args:
        stamps: by topic.
        roles: topic -> what the registry says of it; topics without an entry are not judged.
    """

    def __init__(self, stamps: Mapping[str, StampAudit], roles: Mapping[str, Topic]) -> None:
        self._stamps = {name: s for name, s in stamps.items() if name in roles and s.messages}
        self._roles = roles
        for of_topic in self._stamps.values():
            of_topic.finish()
        self._sensors = {
            name: s for name, s in self._stamps.items() if roles[name].reader in SENSORS and s.stamped
        }
        # A microphone alone may be silent while its driver starts anew.
        self.silent_s = SHORT_PAUSE_S if len(self._sensors) > 1 else PAUSE_S
        self.clock = self._clock()
        self.measured = any((np.abs(np.subtract(*s.fastest())) > 1000).any() for s in self._sensors.values())

    def _clock(self) -> ArrivalClock:
        """By the sensor in the middle: one that is of another clock is not asked."""
        if not self._sensors:
            return ArrivalClock()
        all_of_them = [s.fastest() for s in self._sensors.values()]
        longest = max(len(arrivals) for arrivals, _ in all_of_them)
        often = [f for f in all_of_them if 2 * len(f[0]) >= longest]
        often.sort(key=lambda f: float(np.median(f[0] - f[1])))
        return ArrivalClock(*often[(len(often) - 1) // 2])

    def _severity(self, topic: str) -> Severity:
        """Of what makes a topic's times wrong."""
        role = self._roles[topic]
        main = role.reader in _MAIN and role.device in MAIN_DEVICES
        return Severity.ERROR if main else Severity.PROBLEM

    def findings(self, start_ns: int | None) -> Iterator[Finding]:
        """What is wrong; ``start_ns`` is the recording's start by the stamps' clock."""
        runs = list(self._runs(start_ns))
        yield from runs
        for name, stamps in sorted(self._stamps.items()):
            yield from self._zero(name, stamps, start_ns)
            yield from self._order(name, stamps, start_ns)
        if runs:
            return  # clocks of two runs have nothing in common
        steps = self.steps()
        yield from self._clocks(steps.keys())
        yield from self._steps(steps, start_ns)

    # ---- one topic -------------------------------------------------------------------------------------
    def _zero(self, name: str, stamps: StampAudit, start_ns: int | None) -> Iterator[Finding]:
        role = self._roles[name]
        if not stamps.zero or not (role.reader in RESTAMPED or role == TF):
            return
        first = self.clock.stamp_ns(stamps.first_zero_ns)
        if stamps.stamped or role == TF:  # each transform has a stamp of its own, which no arrival replaces
            # A simulation begins at 0.
            begins = stamps.zero == 1 and stamps.stamped and int(stamps.fastest()[1][0]) < NS_PER_S
            severity = Severity.NOTE if begins else Severity.PROBLEM
            cost = "first_sample places them" if role.reader == "audio" else "they are left out"
            cost = "tf does not say where these frames were" if role == TF else cost
            text = (
                f"{name}: {stamps.zero} of {stamps.messages} messages have header.stamp 0, first at "
                f"{moment(first, start_ns)}: {cost}; the driver must stamp each"
            )
            yield Finding("stamp_zero", severity, name, text, first)
            return
        spread = max(stamps.arrival_spread_s * 1e3, 1.0)
        text = (
            f"{name}: header.stamp is 0 in all {stamps.messages} messages: the times at which they arrived "
            "are used, "
            f"which lie apart by {spread:.0f} ms and are late by an unknown time; the driver must stamp them"
        )
        yield Finding("stamp_zero", Severity.PROBLEM, name, text, first)

    def _order(self, name: str, stamps: StampAudit, start_ns: int | None) -> Iterator[Finding]:
        role = self._roles[name]
        if role.reader not in SENSORS | _SHARED:
            return
        # A microphone's samples are counted; several publishers of one topic are in turn older and newer.
        harmless = role.reader in _SHARED
        if role.reader == "audio":
            few = stamps.repeats < _FEW * stamps.messages
            harmless = few and stamps.worst_back_ns < STEP_S * NS_PER_S
        severity = Severity.NOTE if harmless else Severity.PROBLEM
        if stamps.wild and role.reader in SENSORS:
            stamp, arrival = stamps.wild[0]
            apart = (stamp - self.clock.stamp_ns(arrival)) / NS_PER_S
            at = moment(self.clock.stamp_ns(arrival), start_ns)
            yield Finding(
                "stamp_wild",
                Severity.PROBLEM,
                name,
                f"{name}: {stamps.wild_count} of {stamps.messages} stamps lie far from those beside them, the first, "
                f"at {at}, by {apart:+.1f} s: these messages are left out; are they damaged?",
                self.clock.stamp_ns(arrival),
            )
        if stamps.repeats:
            frozen = stamps.repeats >= 0.9 * (stamps.stamped - 1) and stamps.stamped > 2
            at = moment(stamps.first_repeat_ns, start_ns)
            if frozen and not harmless:
                severity = self._severity(name)
            yield Finding(
                "stamp_repeated",
                severity,
                name,
                f"{name}: {stamps.repeats} of {stamps.messages} stamps repeat the one before, first at "
                f"{at}; only the first "
                "of each is used; stamp each message when it is measured",
                stamps.first_repeat_ns,
            )
        if stamps.backs:
            yield Finding(
                "stamp_back",
                Severity.NOTE if harmless else Severity.PROBLEM,
                name,
                f"{name}: {stamps.backs} of {stamps.messages} stamps go back, by up to "
                f"{stamps.worst_back_ns / 1e6:.1f} ms, first at {moment(stamps.first_back_ns, start_ns)}; "
                "is one source of it enough, and its clock never set?",
                stamps.first_back_ns,
            )

    # ---- all topics ------------------------------------------------------------------------------------
    def pauses(self, least_s: float = PAUSE_S) -> list[tuple[int, int]]:
        """Stamps before and after each time in which all sensors are silent together."""
        common: list[tuple[int, int]] | None = None
        for stamps in self._sensors.values():
            own = stamps.silences(least_s)
            if common is None:
                common = own
                continue
            both = ((max(a, c), min(b, d)) for a, b in common for c, d in own)
            common = [(a, b) for a, b in both if b - a > least_s * NS_PER_S]
        return common or []

    def _runs(self, start_ns: int | None) -> Iterator[Finding]:
        """One finding for the whole recording: the first jump of a main sensor, else of another."""
        jumps = [
            (self._severity(name) if _of_another_run(jump) else Severity.PROBLEM, jump, name)
            for name, stamps in self._sensors.items()
            for jump in (*stamps.runs, *self._jumps_ahead(stamps))
        ]
        if not jumps:
            return
        severity, jump, name = min(jumps, key=lambda j: (-j[0], j[1].arrival_ns))
        others = sorted({n for _, j, n in jumps if n != name})
        also = f", as {', '.join(others[:3])}" if others else ""
        at = moment(jump.stamp_ns - jump.size_ns, start_ns)
        way = "back" if jump.size_ns < 0 else "ahead"
        text = (
            f"{name}: stamps go {way} by {abs(jump.size_ns) / NS_PER_S:.1f} s, {at} from "
            f"the recording's start{also}"
        )
        if severity == Severity.ERROR:
            text += ": there are two runs in this bag (a simulation restarted, a bag played in a loop); "
            text += "record each run into a bag of its own"
        else:
            text += ": its clock was set; synchronise clocks before recording"
        yield Finding("two_runs", severity, name, text, jump.stamp_ns - jump.size_ns)

    def _jumps_ahead(self, stamps: StampAudit) -> list[Jump]:
        """Only where stamps run as fast as arrival: else a pause of a fast simulation looks like one."""
        if stamps.ahead and not 0.9 < self._pace(stamps) < 1.1:
            return []
        return stamps.ahead

    @staticmethod
    def _pace(stamps: StampAudit) -> float:
        arrivals, times = stamps.fastest()
        elapsed, passed = np.diff(arrivals), np.diff(times)
        ratios = passed[elapsed > 0] / elapsed[elapsed > 0]
        return float(np.median(ratios)) if ratios.size else 1.0

    def _clocks(self, stepped: Container[str]) -> Iterator[Finding]:
        clock = self.clock
        if not clock.same:
            yield Finding(
                "clock_differs",
                Severity.NOTE,
                "",
                "stamps and arrival are of different clocks: at the start a message arrives "
                f"{clock.offset_s:.1f} s after "
                f"its stamp, and stamps run {clock.factor:.2f} times as fast (simulated time, or a bag that "
                "was played): "
                "stamps are used; `ros2 bag record --use-sim-time` records one clock",
            )
        latencies = {n: self._latency(s) for n, s in self._sensors.items() if s.stamped >= _JUDGED}
        # Moving frames are judged by the sensors, and no sensor by them.
        moving = {n: s for n, s in self._stamps.items() if self._roles[n] == TF and s.stamped >= _JUDGED}
        judged = latencies | {n: self._latency(s) for n, s in moving.items()}
        for name, latency in sorted(judged.items()):
            others = [value for other, value in latencies.items() if other != name]
            if not others:
                continue
            apart = latency - float(np.median(others))
            if abs(apart) > SAME_CLOCK_S and abs(apart) >= max(
                abs(value - float(np.median(list(latencies.values())))) for value in latencies.values()
            ):
                way = "before" if apart > 0 else "after"
                slow = 0 < apart <= SLOW_S  # as of pictures over a bad network
                yield Finding(
                    "clock_other",
                    Severity.PROBLEM if slow else self._severity(name),
                    name,
                    f"{name}: its stamps lie {abs(apart):.1f} s {way} those of the other topics that "
                    "arrived with it: they "
                    "are of another clock or another run; stamp all with ROS time",
                )
            elif name in stepped:
                continue
            elif clock.same and self.measured and self._roles[name].reader != "audio" and latency < -AHEAD_S:
                yield Finding(
                    "stamp_ahead",
                    Severity.PROBLEM,
                    name,
                    f"{name}: messages arrive {-latency * 1e3:.1f} ms before their stamps: the clock of "
                    "what stamps them "
                    "is ahead; synchronise the computers (chrony or PTP)",
                )
            elif self.measured and self._roles[name].reader in SMALL:
                beside = {other: value for other, value in latencies.items() if other != name}
                yield from older_than_others(name, latency, beside, clock)

    def arrival_stamps(self, stamps: StampAudit) -> bool:
        """Whether a topic is stamped by the clock of arrival where the sensors are by another."""
        arrivals, times = stamps.fastest()
        if self.clock.same or not arrivals.size:
            return False
        apart = abs(float(np.median(arrivals - times))) / NS_PER_S
        return apart < SLOW_S and abs(self._latency(stamps)) > 2 * SLOW_S

    def _latency(self, stamps: StampAudit) -> float:
        """Median over the recording of the least latency [s], by the common clock."""
        arrivals, times = stamps.fastest()
        common = np.array([self.clock.stamp_ns(int(a)) for a in arrivals], np.int64)
        return float(np.median(common - times)) / NS_PER_S

    # ---- steps -----------------------------------------------------------------------------------------
    def steps(self) -> dict[str, list[tuple[Jump, float]]]:
        """Topic -> each lasting step of its stamps that others do not show, and its size [s]."""
        found = {}
        for name, stamps in self._sensors.items():
            if stamps.period_s > 0.5:
                continue
            others = [s for other, s in self._sensors.items() if other != name]
            steps = []
            for jump in stamps.steps:
                # Topics of one computer step together: those that do say nothing of what delayed arrivals.
                still = [s for s in others if not any(_same(jump, other) for other in s.steps)]
                if (still or not others) and (size := self._lasting(name, jump, still)):
                    steps.append((jump, size))
            if steps:
                found[name] = steps
        return found

    def _steps(self, found: dict[str, list[tuple[Jump, float]]], start_ns: int | None) -> Iterator[Finding]:
        for name, steps in sorted(found.items()):
            # A driver that was started anew may be slower than before, and its clock the same.
            jump, size = min(steps, key=lambda step: step[0].after_gap)
            at, certain = jump.stamp_ns, abs(size) >= 0.95 * STEP_S and not jump.after_gap
            left_out = self._frames_left_out(name, jump)
            certain = certain and not left_out
            severity = self._severity(name) if certain else Severity.PROBLEM
            more = f", and {len(steps) - 1} more" if len(steps) > 1 else ""
            yield Finding(
                "stamp_step",
                severity,
                name,
                f"{name}: its stamps step by {size * 1e3:+.0f} ms against the other topics' at "
                f"{moment(at, start_ns)}{more}: "
                + (
                    f"by {left_out} frames, which were left out while it caught up, or its clock was set; if clocks "
                    "are synchronised, give the machine less to do"
                    if left_out
                    else "before and after it they are of different clocks; synchronise clocks before recording, and "
                    "record again"
                ),
                at,
            )

    def _lasting(self, name: str, jump: Jump, others: Iterable[StampAudit]) -> float:
        """Size [s] of a step, 0 where it is none: one frame may be left out by a camera that starts, or is late."""
        stamps = self._sensors[name]
        size = _lasting(stamps, jump, others)
        if self._frames_left_out(name, jump) != 1:
            return size
        begun_s = (jump.arrival_ns - int(stamps.fastest()[0][0])) / NS_PER_S
        sure = abs(jump.size_ns / NS_PER_S - size) <= _WITHIN_S and begun_s > LASTING_S + _NEAR_S
        return size if sure else 0.0

    def _frames_left_out(self, name: str, jump: Jump) -> int:
        """By how many whole periods a camera's stamps went ahead, as if it left frames out; 0 of any other step."""
        told, period = jump.size_ns / NS_PER_S, self._sensors[name].period_s
        if self._roles[name].reader not in ("image", "depth") or period <= 2 * _WITHIN_S or told <= 0:
            return 0
        frames = round(told / period)
        return frames if abs(told - frames * period) < _WITHIN_S else 0


def _same(jump: Jump, other: Jump) -> bool:
    """Whether two topics' stamps stepped at one time by one size."""
    near = abs(jump.arrival_ns - other.arrival_ns) < _TOGETHER_S * NS_PER_S
    return near and 0.7 < other.size_ns / jump.size_ns < 1.43


def _of_another_run(jump: Jump) -> bool:
    """A jump ahead may be that of a clock which was set."""
    return jump.size_ns < 0 or jump.size_ns > _OTHER_RUN_S * NS_PER_S


def _lasting(stamps: StampAudit, jump: Jump, others: Iterable[StampAudit]) -> float:
    """Size [s] of a step at ``jump`` that lasts, and that other topics do not show; 0 where it is none."""
    size = _shift(stamps, jump.arrival_ns)
    if size is None or abs(size) < _DETECTED_S:
        return 0.0
    shifts = [s for other in others if (s := _shift(other, jump.arrival_ns)) is not None]
    if shifts:
        size -= float(np.median(shifts))  # what delayed all arrivals
    told = jump.size_ns / NS_PER_S
    if abs(size) < _DETECTED_S or abs(told - size) > max(0.3 * abs(size), _WITHIN_S):
        return 0.0
    return size


def _shift(stamps: StampAudit, at_ns: int) -> float | None:
    """How much stamps are later, by the least latency of some seconds before and after [s]; None if it "
    "did not last."""
    arrivals, times = stamps.fastest()
    latency = (arrivals - times).astype(np.float64) / NS_PER_S
    relative = (arrivals - at_ns) / NS_PER_S
    # Topics see it one after the other, and a bin may hold both sides of it.
    near, end = _NEAR_S, min(float(relative[-1]), LASTING_S + _NEAR_S)
    middle = (near + end) / 2
    before = [_least(latency, relative, low, high) for low, high in ((-3.0, -1.0), (-1.0, -near))]
    after = [_least(latency, relative, low, high) for low, high in ((near, middle), (middle, end + 1e-9))]
    if end < 2 * near or np.isnan(after).any() or np.isnan(before).all():
        return None
    old, new = float(np.nanmin(before)), float(np.min(after))
    shift = old - new
    # Both halves of either side are on the same side of the middle.
    steady = all(np.isnan(b) or (b - (old + new) / 2) * shift >= 0 for b in before)
    steady = steady and all((a - (old + new) / 2) * shift <= 0 for a in after)
    return shift if steady else 0.0


def _least(latency: NDArray[np.float64], relative: NDArray[np.float64], low: float, high: float) -> float:
    inside = latency[(relative >= low) & (relative < high)]
    return float(inside.min()) if inside.size else float("nan")
