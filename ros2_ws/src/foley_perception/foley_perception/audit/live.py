"""The audit of a microphone that is heard now: by stretches, so that what was put right is forgotten."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.sound_time import ChunkTime, SoundTime
from foley_perception.audit.finding import Finding, Severity
from foley_perception.audit.sound import SoundAudit
from foley_perception.recording.cdr import AudioHead, Header

STRETCH_S = 10.0
_FIRST_S = 2.0  # of a stretch that goes on, before it is judged


class LiveSound:
    """The last whole stretch of a microphone, and the one that goes on. May be used from several threads.

    Args:
        topic: as it is named to the user.
        channel: that is heard.
    """

    def __init__(self, topic: str, channel: int = 0) -> None:
        self._topic, self._channel = topic, channel
        self._lock = threading.Lock()
        self._audit = SoundAudit()
        self._time = SoundTime()
        self._before: list[Finding] = []
        self._start_ns: int | None = None
        self._seconds = 0.0
        self._chunks = self._unstamped = 0  # of the stretch that goes on

    def add(
        self,
        samples: NDArray[np.float32],  # [n, channels]
        *,
        first_sample: int,
        time_ns: int,
        stream_id: str,
        sample_rate: int,
        arrival_ns: int,
    ) -> ChunkTime:
        """One chunk, as it came; where it lies in time, as far as what it says can be believed."""
        if sample_rate < 1:
            return ChunkTime(stream_id, first_sample, time_ns or arrival_ns)
        head = AudioHead(
            Header(time_ns, ""),
            stream_id,
            first_sample,
            sample_rate,
            samples.shape[1],
            0,
            0.0,
            samples.size,
            0,
        )
        with self._lock:
            if self._start_ns is None:
                self._start_ns = time_ns or arrival_ns
            self._audit.add(head, samples, arrival_ns)
            self._chunks += 1
            self._unstamped += not time_ns
            self._seconds += len(samples) / sample_rate
            if self._seconds >= STRETCH_S:
                self._before = self._now()
                self._audit, self._seconds = SoundAudit(), 0.0
                self._chunks = self._unstamped = 0
            return self._time.place(stream_id, first_sample, len(samples), sample_rate, time_ns, arrival_ns)

    def findings(self) -> list[Finding]:
        """Problems and errors, the worst first, each rule once; times count from the first chunk."""
        with self._lock:
            now = self._now() if self._seconds >= _FIRST_S else []
            told = {finding.rule: finding for finding in (*self._before, *now)}
            done = self._time.said()
        if done:
            text = f"{self._topic}: what it says of its time cannot be true: {done}"
            told["sound_time"] = Finding("sound_time", Severity.PROBLEM, self._topic, text)
        worth = [finding for finding in told.values() if finding.severity > Severity.NOTE]
        return sorted(worth, key=lambda finding: -finding.severity)

    def _now(self) -> list[Finding]:
        found = self._audit.findings(self._topic, self._start_ns, used=self._channel)
        if self._unstamped:
            text = (
                f"{self._topic}: header.stamp is 0 in {self._unstamped} of {self._chunks} chunks: the time at which "
                "they arrived is used, which is late by an unknown time; the driver must stamp them"
            )
            found.append(Finding("stamp_zero", Severity.PROBLEM, self._topic, text))
        return found
