"""The audit of a whole recording, fed message by message: while it is recorded, or from its bag."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from foley_common.topics import MICROPHONE, Topic
from foley_perception.audit.arrivals import ArrivalClock
from foley_perception.audit.finding import Finding
from foley_perception.audit.sound import SoundAudit
from foley_perception.audit.stamps import StampAudit
from foley_perception.audit.times import TimeAudit
from foley_perception.recording import cdr, definitions


class Verdict(NamedTuple):
    """What was found, and how arrival relates to stamps."""

    findings: tuple[Finding, ...]
    clock: ArrivalClock


class RecordingAudit:
    """Times of every stamped topic and sound of every microphone, in bounded memory."""

    def __init__(self) -> None:
        self._stamp_at: dict[str, tuple[int, bool] | None] = {}
        self._stamps: dict[str, StampAudit] = {}
        self._sounds: dict[str, SoundAudit] = {}
        self._first_ns: int | None = None

    def add_topic(self, name: str, message_type: str, definition: str) -> None:
        """Say what a topic holds, before its first message."""
        at = self._stamp_at[name] = definitions.stamp_offset(definition)
        if at is not None:
            self._stamps[name] = StampAudit()
        if message_type == MICROPHONE.type:
            self._sounds[name] = SoundAudit()

    def knows(self, name: str) -> bool:
        return name in self._stamp_at

    def add(self, topic: str, data: cdr.Buffer, arrival_ns: int) -> None:
        """One message of a topic that was added."""
        if self._first_ns is None or arrival_ns < self._first_ns:
            self._first_ns = arrival_ns
        stamps = self._stamps.get(topic)
        if stamps is None:
            return
        place = self._stamp_at[topic]
        assert place is not None
        offset, in_sequence = place
        if not in_sequence or any(data[4:8]):
            stamp = cdr.read_stamp(data, offset)
            if stamp is not None:
                stamps.add(stamp, arrival_ns)
        if topic in self._sounds:
            self._sounds[topic].add_message(data, arrival_ns)

    def verdict(self, roles: Mapping[str, Topic]) -> Verdict:
        """What is wrong, the worst first.

        Args:
            roles: topic -> its entry in the registry, of those that are read.
        """
        times = TimeAudit(self._stamps, roles)
        start = None if self._first_ns is None else times.clock.stamp_ns(self._first_ns)
        # Of two microphones on one topic, stamps say nothing.
        mixed = {name for name, sound in self._sounds.items() if sound.chunks.interleaved}
        found = [f for f in times.findings(start) if f.topic not in mixed]
        for name, sound in sorted(self._sounds.items()):
            if name in roles:
                found += sound.findings(name, start, measured=times.measured and times.clock.same)
        found.sort(key=lambda finding: -finding.severity)
        return Verdict(tuple(found), times.clock)
