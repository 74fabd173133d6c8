"""The audit of a whole recording, fed message by message: while it is recorded, or from its bag."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from foley_common.audio_formats import AudioFormat
from foley_common.foreign_audio import HeardChunk
from foley_common.times import NS_PER_S
from foley_common.topics import MICROPHONE, ROBOT_DESCRIPTION, TF_STATIC, Topic
from foley_perception.audio.clock import stamp_by_arrival
from foley_perception.audit.arrivals import ArrivalClock
from foley_perception.audit.clock_time import moment
from foley_perception.audit.finding import Finding, Severity
from foley_perception.audit.levels import LevelAudit
from foley_perception.audit.roles import roles_of
from foley_perception.audit.sound import SoundAudit
from foley_perception.audit.stamps import StampAudit
from foley_perception.audit.times import RESTAMPED, SENSORS, TimeAudit
from foley_perception.recording import cdr, definitions
from foley_perception.recording.bag import BagMessage, BagTopic
from foley_perception.recording.foreign_sound import ForeignSounds, head_of
from foley_perception.recording.labels import LABEL_TYPE, Pause, Pauses, between

_ONCE = (TF_STATIC, ROBOT_DESCRIPTION)  # told at the start of a run
_ONCE_NAMES = tuple(topic.name.rsplit("/", 1)[-1] for topic in _ONCE)
_FEW, _MANY = 4, 64  # publishers of it that each tell it; tellings that are remembered
_AROUND_NS = 2 * NS_PER_S
_PLANS = frozenset({"joint_plans", "tool_plans"})  # they begin when they say, which is not when they came


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What was found, and how messages are placed in time."""

    findings: tuple[Finding, ...]  # the worst first
    clock: ArrivalClock
    unstamped: Mapping[str, Unstamped]  # topics with messages whose stamp is zero
    wild: Mapping[str, tuple[tuple[int, bool], frozenset[int]]]  # place and value of stamps that cannot be
    further: frozenset[str]  # topics of devices beside the main ones
    by_arrival: Mapping[
        str, tuple[int, bool]
    ]  # place of stamps that are of the clock of arrival, and others not
    pauses: tuple[Pause, ...] = ()  # by the clock of the stamps, in which nothing was kept

    def error(self, topic: str) -> str:
        """Why a topic cannot be believed; empty where it can."""
        wrong = [f.text for f in self.findings if f.topic == topic and f.severity == Severity.ERROR]
        return "; ".join(wrong)

    def main_errors(self) -> list[str]:
        """Why the recording is of no use."""
        return [f.text for f in self.findings if f.severity == Severity.ERROR and f.topic not in self.further]

    def problems(self) -> list[str]:
        """What is told, and is not of a device that is left out."""
        return [f.text for f in self.findings if f.severity == Severity.PROBLEM]

    @property
    def moves(self) -> bool:
        """Whether messages are to be :meth:`placed` elsewhere than they say."""
        return not self.clock.same or bool(self.unstamped) or bool(self.wild)

    def placed(self, message: BagMessage) -> BagMessage | None:
        """A message with its arrival by the stamps' clock, which is its stamp where its topic has none; None if it
        alone has none."""
        if not self.moves:
            return message
        if (wild := self.wild.get(message.topic)) is not None:
            place, values = wild
            if cdr.read_first_stamp(message.data, place) in values:
                return None
        if not self.clock.same:
            message = dataclasses.replace(message, log_time=self.clock.stamp_ns(message.log_time))
        if (at := self.by_arrival.get(message.topic)) is not None:
            given = cdr.read_first_stamp(message.data, at)
            if given is None:
                return message
            moved = cdr.with_stamp(message.data, at[0], self.clock.stamp_ns(given))
            return dataclasses.replace(message, _fetch=lambda: moved)
        unstamped = self.unstamped.get(message.topic)
        if unstamped is None:
            return message
        data = bytes(message.data)
        if cdr.read_first_stamp(data, unstamped.place) is not None:
            return message
        if not unstamped.throughout:
            return message if unstamped.sound else None  # sound counts its samples, and needs few stamps
        stamp = _sound_stamp(data, message.log_time) if unstamped.sound else message.log_time
        stamped = cdr.with_stamp(data, unstamped.place[0], stamp)
        return dataclasses.replace(message, _fetch=lambda: stamped)


def _jitter(finding: Finding, microphone: str, steps_ns: Sequence[int]) -> bool:
    """Whether a step that stamps seem to make is none by the count of samples."""
    if (finding.rule, finding.topic) != ("stamp_step", microphone) or finding.time_ns is None:
        return False
    return not any(abs(at - finding.time_ns) < 2 * NS_PER_S for at in steps_ns)


class Unstamped(NamedTuple):
    """A topic with stamps that are zero."""

    place: tuple[int, bool]  # of the stamp
    throughout: bool
    sound: bool


def _sound_stamp(data: cdr.Buffer, arrival_ns: int) -> int:
    head = cdr.audio_head_or_none(data)
    if head is None or not head.sample_rate:
        return arrival_ns
    return stamp_by_arrival(arrival_ns, head.frames, head.sample_rate)


class RecordingAudit:
    """Times of every stamped topic and sound of every microphone, in bounded memory.

    Args:
        named: topics that bear other names than the registry's -> those.
        channels: topics of which another channel than the first is heard -> that.
        raw: by device, what messages of other packages hold that do not say it.
    """

    def __init__(
        self,
        named: Mapping[str, str] | None = None,
        channels: Mapping[str, int] | None = None,
        raw: Mapping[str, AudioFormat] | None = None,
    ) -> None:
        self._raw = dict(raw or {})
        self._named = dict(named or {})
        self._channels = dict(channels or {})
        self._types: dict[str, str] = {}
        self._stamp_at: dict[str, tuple[int, bool] | None] = {}
        self._stamps: dict[str, StampAudit] = {}
        self._sounds: dict[str, SoundAudit] = {}
        self._foreign = ForeignSounds()
        self._heard: set[str] = set()  # foreign topics of which something was decoded
        self._others: set[str] = set()  # topics that are not foreign
        self._once: dict[str, list[int]] = {}  # arrivals of what is told once
        self._first_ns: int | None = None
        self._labels: set[str] = set()  # topics of them
        self._pauses = Pauses()

    def add_topic(self, name: str, message_type: str, definition: str) -> None:
        """Say what a topic holds, before its first message."""
        self._types[name] = message_type
        at = self._stamp_at[name] = definitions.stamp_offset(definition)
        if at is not None and not name.endswith("tf_static"):  # what always holds may be stamped anyhow
            self._stamps[name] = StampAudit()
        if message_type == LABEL_TYPE:
            self._labels.add(name)
        if message_type == MICROPHONE.type:
            self._sounds[name] = SoundAudit()
        if self._foreign.add_topic(name, message_type, definition):
            if self._foreign.is_sound(name):
                self._stamps[name], self._sounds[name] = StampAudit(), SoundAudit()
                self._stamp_at[name] = (4, False)  # of the AudioChunks that are made of it
        else:
            self._others.add(name)

    def knows(self, name: str) -> bool:
        return name in self._stamp_at

    def add_message(self, bag_topics: Mapping[str, BagTopic], message: BagMessage) -> None:
        """One message of a bag."""
        if not self.knows(message.topic):
            topic = bag_topics[message.topic]
            self.add_topic(topic.name, topic.type, topic.definition)
        self.add(message.topic, message.data, message.log_time)

    def add(self, topic: str, data: cdr.Buffer, arrival_ns: int) -> None:
        """One message of a topic that was added."""
        if self._first_ns is None or arrival_ns < self._first_ns:
            self._first_ns = arrival_ns
        if topic.endswith(_ONCE_NAMES):
            told = self._once.setdefault(topic, [])
            if len(told) < _MANY:
                told.append(arrival_ns)
        if topic in self._labels:
            self._pauses.see(data)
        if topic not in self._others:
            self._hear(self._foreign.add(topic, data, arrival_ns, of=arrival_ns))
            return
        stamps = self._stamps.get(topic)
        if stamps is None:
            return
        offset, in_sequence = self._place(topic)
        if not in_sequence or any(data[4:8]):
            stamp = cdr.read_stamp(data, offset)
            if stamp is not None:
                stamps.add(stamp, arrival_ns)
        if topic in self._sounds:
            self._sounds[topic].add_message(data, arrival_ns)

    def _hear(self, heard: Iterable[tuple[str, HeardChunk]]) -> None:
        """Sound of other packages' messages."""
        for name, chunk in heard:
            self._heard.add(name)
            self._stamps[name].add(chunk.time_ns, chunk.of)
            self._sounds[name].add(head_of(chunk), chunk.samples, chunk.of)

    def clock_steps(self) -> dict[str, list[tuple[int, float]]]:
        """Of each topic: stamp [ns] after, and size [s], of each step of its stamps; of all by the main microphone's,
        which counts."""
        roles = roles_of(self._types, self._named)
        steps = TimeAudit(self._stamps, roles).steps()
        main = [sound for name, sound in self._sounds.items() if roles.get(name) == MICROPHONE]
        counted = main[0].chunks.clock_steps() if len(main) == 1 else []
        own = {name: [(jump.stamp_ns, size) for jump, size in of_it] for name, of_it in steps.items()}
        return {name: [*counted, *own.get(name, [])] for name in self._types}

    def levels(self, topic: str) -> LevelAudit | None:
        """What was measured of a microphone's samples; None of what is none, or was not heard."""
        sound = self._sounds.get(topic)
        return sound.levels if sound is not None else None

    def lines(self) -> list[str]:
        """What was found, the worst first."""
        return [finding.line for finding in self.verdict().findings]

    def verdict(
        self,
        roles: Mapping[str, Topic] | None = None,
        channels: Mapping[str, int] | None = None,
        raw: Mapping[str, AudioFormat] | None = None,
    ) -> Verdict:
        """What is wrong, the worst first.

        Args:
            roles: topic -> its entry in the registry, of those that are read; without it, by their names alone.
            channels, raw: beside those that the audit was made with.
        """
        roles = roles_of(self._types, self._named) if roles is None else roles
        used = self._channels | dict(channels or {})
        described = self._raw | dict(raw or {})
        self._hear(
            self._foreign.finish({n: described[t.device] for n, t in roles.items() if t.device in described})
        )
        times = TimeAudit(self._stamps, roles)
        start = None if self._first_ns is None else times.clock.stamp_ns(self._first_ns)
        # Of two microphones on one topic, stamps say nothing.
        mixed = {name for name, sound in self._sounds.items() if sound.chunks.interleaved}
        found = [f for f in times.findings(start) if f.topic not in mixed]
        found += self._foreign_findings(roles)
        found += self._restarts(times, roles, start)
        two_runs = any(f.rule == "two_runs" for f in found)
        for name, sound in sorted(self._sounds.items()):
            if name in roles:
                measured = times.measured and times.clock.same
                heard = sound.findings(name, start, used=used.get(name, 0), measured=measured)
                found += [f for f in heard if not (two_runs and f.rule == "sound_step")]
                # A microphone counts: stamps that only jitter are no step.
                counted = [at for at, _ in sound.chunks.clock_steps()]
                found = [f for f in found if not _jitter(f, name, counted)]
        found.sort(key=lambda finding: -finding.severity)
        unstamped = {
            name: Unstamped(self._place(name), not stamps.stamped, name in self._sounds)
            for name, stamps in self._stamps.items()
            if stamps.zero and name in roles and roles[name].reader in RESTAMPED
        }
        further = frozenset(name for name, role in roles.items() if role.further)
        wild = {
            name: (self._place(name), frozenset(stamp for stamp, _ in stamps.wild))
            for name, stamps in self._stamps.items()
            # Events (contacts, plans) come as late after what they speak of as they like.
            if stamps.wild and name in roles and roles[name].reader in SENSORS
        }
        by_arrival = {
            name: self._place(name)
            for name, stamps in self._stamps.items()
            if name in roles and roles[name].reader in _PLANS and times.arrival_stamps(stamps)
        }
        pauses = self._by_stamps(times)
        return Verdict(tuple(found), times.clock, unstamped, wild, further, by_arrival, pauses)

    def _by_stamps(self, times: TimeAudit) -> tuple[Pause, ...]:
        """The pauses of the recording by the clock of the stamps."""
        at = times.clock.stamp_ns
        return tuple(Pause(at(p.start_ns), at(p.end_ns) if p.over else p.end_ns) for p in self._pauses.spans)

    def _foreign_findings(self, roles: Mapping[str, Topic]) -> Iterator[Finding]:
        for name, why in self._foreign.troubles().items():
            if name in roles:
                severity = Severity.PROBLEM if name in self._heard else Severity.ERROR
                yield Finding("sound_foreign", severity, name, why)

    def _restarts(
        self, times: TimeAudit, roles: Mapping[str, Topic], start_ns: int | None
    ) -> Iterator[Finding]:
        """Everything was silent, and the microphone began anew: what was still then may have been moved."""
        if MICROPHONE not in roles.values():
            yield from self._told_again(times, roles, start_ns)
            return
        meant = self._by_stamps(times)
        for before, after in times.pauses(times.silent_s):
            if between(meant, before, after):
                continue
            for name, sound in sorted(self._sounds.items()):
                anew = [at for at in sound.chunks.begins if before < at < after + NS_PER_S]
                if roles.get(name) == MICROPHONE and anew:
                    yield Finding(
                        "two_runs",
                        Severity.ERROR,
                        name,
                        f"{name}: a new stream begins after {(after - before) / NS_PER_S:.1f} s in which no "
                        f"sensor sent anything, from {moment(before, start_ns)} on: there are two runs in this bag; "
                        "record each run into a bag of its own",
                        before,
                    )
                    return

    def _told_again(
        self, times: TimeAudit, roles: Mapping[str, Topic], start_ns: int | None
    ) -> Iterator[Finding]:
        """The same without a microphone: what is told once at the start was told once more."""
        meant = self._by_stamps(times)
        for before, after in times.pauses():
            if between(meant, before, after):
                continue
            for name, arrivals in sorted(self._once.items()):
                told = [times.clock.stamp_ns(at) for at in arrivals]
                first = [at for at in told if at <= before]
                again = [at for at in told if after - _AROUND_NS < at < after + _AROUND_NS]
                if roles.get(name) in _ONCE and 0 < len(first) <= _FEW and again:
                    yield Finding(
                        "two_runs",
                        Severity.ERROR,
                        name,
                        f"{name}: it is told again after {(after - before) / NS_PER_S:.1f} s in which no sensor sent "
                        f"anything, from {moment(before, start_ns)} on: there are two runs in this bag; record each "
                        "run into a bag of its own",
                        before,
                    )
                    return

    def _place(self, name: str) -> tuple[int, bool]:
        place = self._stamp_at[name]
        assert place is not None, "topics without a stamp have no StampAudit"
        return place
