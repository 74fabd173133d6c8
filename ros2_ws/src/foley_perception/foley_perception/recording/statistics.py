"""How well each topic was recorded: rate, gaps, losses, skew. Works on times alone, live or from a bag."""

from __future__ import annotations

import array
import dataclasses
import math

import numpy as np

from foley_perception.recording.cdr import AudioHead

_GAP_FACTOR = 2.0  # a step beyond this many medians is a gap
_LOST_FACTOR = 1.5  # where only stamps tell: a step beyond this hides at least one message
_EDGE_S = 0.5  # silence at the start or end of a recording that is a gap
_MIN_PERIODIC = 10  # messages before a topic's period can be told


@dataclasses.dataclass(frozen=True)
class TopicReport:
    """The figures of foley_msgs/msg/TopicStatistics, in the same units."""

    topic: str
    type: str
    messages: int
    bytes: int
    rate: float  # [Hz]
    max_gap: float  # [s]; for a periodic topic the recording's start and end count as messages
    lost: int
    gaps: int
    skew_median: float  # [s]; NaN without stamps
    skew_p99: float  # [s]
    expected: bool
    dropped: int = 0  # received but not written, because the disk was too slow; contained in `lost`


class TopicMonitor:
    """Watches one topic.

    Args:
        periodic: published at a steady rate, so that silence is a gap.
    """

    def __init__(self, topic: str, message_type: str, *, periodic: bool, expected: bool) -> None:
        self.topic, self.type, self.periodic, self.expected = topic, message_type, periodic, expected
        self.messages = 0
        self.bytes = 0
        self.last_arrival_ns: int | None = None
        self.last_stamp_ns: int | None = None
        self._stamps = array.array("q")
        self._skews = array.array("f")
        self._lost_sequence = 0
        self._sequence = 0
        self._sequences = False  # sequence numbers were seen
        self._stream: tuple[str, int, int] | None = None  # id, next sample, samples per chunk
        self._lost_samples = 0.0

    def update(
        self,
        arrival_ns: int,
        size: int,
        *,
        stamp_ns: int | None = None,
        sequence: int = 0,
        audio: AudioHead | None = None,
    ) -> None:
        """One message arrived. ``sequence`` counts the publisher's messages from 1; 0 is unknown."""
        self.messages += 1
        self.bytes += size
        self.last_arrival_ns, self.last_stamp_ns = arrival_ns, stamp_ns
        self._stamps.append(arrival_ns if stamp_ns is None else stamp_ns)
        if stamp_ns is not None:
            self._skews.append((arrival_ns - stamp_ns) * 1e-9)
        if sequence > 0:
            # A smaller number is another publisher (a restart): nothing is known to be lost.
            if self._sequences and sequence > self._sequence + 1:
                self._lost_sequence += sequence - self._sequence - 1
            self._sequence, self._sequences = sequence, True
        if audio is not None and audio.frames:
            if self._stream is not None and self._stream[0] == audio.stream_id:
                missing = audio.first_sample - self._stream[1]
                if missing > 0:
                    self._lost_samples += missing / max(self._stream[2], 1)
            self._stream = (audio.stream_id, audio.first_sample + audio.frames, audio.frames)

    def silent_s(self, now_ns: int, since_ns: int) -> float:
        """Seconds since the last arrival, or since ``since_ns`` if there was none."""
        return (now_ns - max(self.last_arrival_ns or since_ns, since_ns)) * 1e-9

    def report(
        self, *, start_ns: int | None = None, end_ns: int | None = None, dropped: int = 0
    ) -> TopicReport:
        """Figures of the recording from ``start_ns`` to ``end_ns`` (arrival times)."""
        stamps = (
            np.sort(np.frombuffer(self._stamps, dtype=np.int64)) if self._stamps else np.empty(0, np.int64)
        )
        skews = np.frombuffer(self._skews, dtype=np.float32)
        skew = float(np.median(skews)) if skews.size else math.nan
        steps = np.diff(stamps) * 1e-9
        positive = steps[steps > 0]
        median = float(np.median(positive)) if positive.size else 0.0
        periodic = self.periodic and stamps.size >= _MIN_PERIODIC and median > 0
        if periodic:
            shift = round(0.0 if math.isnan(skew) else skew * 1e9)
            edges = []
            if start_ns is not None:
                edges.append((int(stamps[0]) - (start_ns - shift)) * 1e-9)
            if end_ns is not None:
                edges.append(((end_ns - shift) - int(stamps[-1])) * 1e-9)
            # Topics do not begin and end at the same moment; that much at each edge is no loss.
            allowed = max(2 * _GAP_FACTOR * median, _EDGE_S)
            steps = np.append(steps, [e for e in edges if e > allowed])
        return TopicReport(
            topic=self.topic,
            type=self.type,
            messages=self.messages,
            bytes=self.bytes,
            rate=self._rate(stamps),
            max_gap=float(steps.max()) if steps.size else 0.0,
            lost=self._lost(steps, median, periodic) + dropped,
            gaps=int(np.count_nonzero(steps > _GAP_FACTOR * median)) if periodic else 0,
            skew_median=skew,
            skew_p99=float(np.quantile(skews, 0.99)) if skews.size else math.nan,
            expected=self.expected,
            dropped=dropped,
        )

    @staticmethod
    def _rate(stamps: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> float:
        if stamps.size < 2 or stamps[-1] == stamps[0]:
            return 0.0
        return float((stamps.size - 1) / ((stamps[-1] - stamps[0]) * 1e-9))

    def _lost(
        self, steps: np.ndarray[tuple[int, ...], np.dtype[np.float64]], median: float, periodic: bool
    ) -> int:
        if self._stream is not None:
            return round(self._lost_samples)
        if self._sequences:
            return self._lost_sequence
        if not periodic:
            return 0
        long = steps[steps > _LOST_FACTOR * median]
        return int(np.sum(np.round(long / median) - 1))
