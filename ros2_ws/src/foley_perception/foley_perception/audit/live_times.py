"""Stamps of several sensors against each other and against arrival, as they come: the rules of a recording, live."""

from __future__ import annotations

import threading

from foley_common.times import NS_PER_S
from foley_common.topics import Topic
from foley_perception.audit.finding import Finding, Severity
from foley_perception.audit.stamps import StampAudit
from foley_perception.audit.times import TimeAudit

STRETCH_NS = 10 * NS_PER_S
_FIRST_NS = 3 * NS_PER_S  # of the first stretch, after which it is judged
_RULES = frozenset({"clock_other", "stamp_ahead", "stamp_old", "stamp_step"})  # of several sensors together


class LiveTimes:
    """The last whole stretch of all sensors, and before it is over the first one. May be used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stamps: dict[str, StampAudit] = {}
        self._roles: dict[str, Topic] = {}
        self._start_ns: int | None = None
        self._newest_ns = 0
        self._before: list[Finding] | None = None

    def add(self, topic: Topic, stamp_ns: int, arrival_ns: int) -> None:
        """One message."""
        with self._lock:
            if self._start_ns is None or not 0 <= arrival_ns - self._start_ns < STRETCH_NS:
                if self._start_ns is not None:
                    self._before = self._now()
                self._start_ns, self._stamps = arrival_ns, {}
            stamps = self._stamps.get(topic.name)
            if stamps is None:
                stamps = self._stamps[topic.name] = StampAudit()
                self._roles[topic.name] = topic
            stamps.add(stamp_ns, arrival_ns)
            self._newest_ns = arrival_ns

    def findings(self) -> list[Finding]:
        """Problems and errors, the worst first."""
        with self._lock:
            if self._before is None and self._start_ns is not None:
                if self._newest_ns - self._start_ns < _FIRST_NS:
                    return []
                return self._now()
            return list(self._before or [])

    def _now(self) -> list[Finding]:
        found = TimeAudit(self._stamps, self._roles).findings(self._start_ns)
        worth = [f for f in found if f.rule in _RULES and f.severity > Severity.NOTE]
        return sorted(worth, key=lambda finding: -finding.severity)
