"""How well each topic was recorded: rate, gaps, losses, skew. Works on times alone, live or from a bag."""

from __future__ import annotations

import array
import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.audio.stream_order import Place, StreamOrder
from foley_perception.recording.cdr import AudioHead
from foley_perception.recording.labels import Pause, overlap_ns
from foley_perception.recording.losses import PublisherCount

Stamps = NDArray[np.int64]  # [n], in order

_LATEST_NS = 2**62
_GAP_FACTOR = 2.0  # a step beyond this many medians is a gap
_LOST_FACTOR = 1.5  # where only stamps tell: a step beyond this hides at least one message
_REGULAR = (0.2, 0.8)  # and only where steps are this near to their median, in this share of them
_STEP_SEEN_NS = 200_000_000  # topics see a step of their clock within this
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
    max_gap_at: float = math.nan  # [s] from the recording's start: when the longest gap began
    dropped: int = 0  # received but not written, because the disk was too slow; contained in `lost`


class TopicMonitor:
    """Watches one topic.

    Args:
        periodic: published at a steady rate, so that silence is a gap.
        pauses: of the recording, in order; whoever feeds the monitor adds one before what came after it. What was not
            kept then is neither lost nor a gap.
    """

    def __init__(
        self,
        topic: str,
        message_type: str,
        *,
        periodic: bool,
        expected: bool,
        pauses: Sequence[Pause] = (),
    ) -> None:
        self.topic, self.type, self.periodic, self.expected = topic, message_type, periodic, expected
        self.messages = 0
        self.bytes = 0
        self.last_arrival_ns: int | None = None
        self.last_stamp_ns: int | None = None
        self._stamps, self._arrivals = array.array("q"), array.array("q")
        self._stream_ns: tuple[int, int] | None = None  # first sample and time of the stream that goes on
        self._skews = array.array("f")  # less the first: of a simulation's clock it is 1.8e9 s
        self._first_skew_ns = 0
        self._first_arrival_ns: int | None = None
        self._count = PublisherCount()
        self._stream: tuple[str, int, int] | None = None  # id, next sample, samples per chunk
        self._lost_samples = 0.0
        self._miscounted = 0
        self._order = StreamOrder()
        self._pauses, self._passed = pauses, 0  # of them, how many lie behind the newest message
        self._over: list[
            tuple[int, float]
        ] = []  # as `clock_steps`: what lies between two messages, and was a pause

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
        resumed = len(self._pauses) > self._passed and self._pass(arrival_ns)
        self.messages += 1
        self.bytes += size
        self.last_arrival_ns, self.last_stamp_ns = arrival_ns, stamp_ns
        if self._first_arrival_ns is None:
            self._first_arrival_ns = arrival_ns
        # Arrival stands for stamps where there are none at all.
        times = self._arrivals if stamp_ns is None else self._stamps
        times.append(self._by_count(arrival_ns if stamp_ns is None else stamp_ns, audio))
        if resumed and len(times) > 1:
            self._over.append((times[-1], (times[-1] - times[-2]) * 1e-9))
        if stamp_ns is not None:
            if not self._skews:
                self._first_skew_ns = arrival_ns - stamp_ns
            self._skews.append((arrival_ns - stamp_ns - self._first_skew_ns) * 1e-9)
        if sequence > 0:
            self._count.add(sequence)

    def _pass(self, arrival_ns: int) -> bool:
        """Whether a pause lies before a message that arrived: what was counted before it does not go on."""
        before = self._passed
        while self._passed < len(self._pauses) and self._pauses[self._passed].middle_ns <= arrival_ns:
            self._passed += 1
        if self._passed == before or not self.messages:
            return False
        self._count.interrupted()
        self._stream = None
        return True

    def _by_count(self, time_ns: int, audio: AudioHead | None) -> int:
        """When a message was measured: of sound by its count, which does not jitter."""
        if audio is None or not audio.frames or not audio.sample_rate:
            return time_ns
        if self._stream is None or self._stream[0] != audio.stream_id:
            self._order = StreamOrder()
            self._stream_ns = None
        place = self._order.place(audio.first_sample, audio.frames)
        self._count_samples(audio, place)
        if self._stream_ns is None or place == Place.BACK:
            self._stream_ns = (audio.first_sample, time_ns)
        first_sample, begin_ns = self._stream_ns
        time_ns = begin_ns + (audio.first_sample - first_sample) * NS_PER_S // audio.sample_rate
        return min(time_ns, _LATEST_NS)  # a count may be anything

    def _count_samples(self, audio: AudioHead, place: Place) -> None:
        if place == Place.LATE:
            self._lost_samples -= audio.frames / max(self._stream[2] if self._stream else 1, 1)
            return
        if self._stream is not None and self._stream[0] == audio.stream_id:
            missing = audio.first_sample - self._stream[1]
            if missing > 0:
                self._lost_samples += missing / max(self._stream[2], 1)
            self._miscounted += place == Place.BACK
        self._stream = (audio.stream_id, audio.first_sample + audio.frames, audio.frames)

    @property
    def lost_so_far(self) -> int:
        """Messages missing by the count of samples or of their publisher, for a display; :meth:`report` judges."""
        return max(round(self._lost_samples), 0) if self._stream is not None else self._count.lost

    def silent_s(self, now_ns: int, since_ns: int) -> float:
        """Seconds since the last arrival, or since ``since_ns`` if there was none."""
        return (now_ns - max(self.last_arrival_ns or since_ns, since_ns)) * 1e-9

    def report(
        self,
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
        dropped: int = 0,
        clock_steps: Sequence[tuple[int, float]] = (),
    ) -> TopicReport:
        """Figures of the recording from ``start_ns`` to ``end_ns`` (arrival times), without its pauses.

        Args:
            clock_steps: stamp [ns] after and size [s] of each time that the clock of the stamps was set: stamps jump
                over it, and nothing was lost.
        """
        stamps = _believable(
            np.sort(np.array(self._stamps or self._arrivals, np.int64)), sum(s for _, s in self._over)
        )
        skews = np.frombuffer(self._skews, dtype=np.float32).astype(np.float64) + self._first_skew_ns * 1e-9
        steps = _without_steps(stamps, np.diff(stamps) * 1e-9, [*clock_steps, *self._over])
        positive = steps[steps > 0]
        median = float(np.median(positive)) if positive.size else 0.0
        periodic = self.periodic and stamps.size >= _MIN_PERIODIC and median > 0
        lost = self._lost(steps, median, periodic)
        if periodic:
            steps = np.append(steps, self._edges(stamps, median, start_ns, end_ns))
        return TopicReport(
            topic=self.topic,
            type=self.type,
            messages=self.messages,
            bytes=self.bytes,
            rate=self._rate(stamps, self._over),
            max_gap=float(steps.max()) if steps.size else 0.0,
            max_gap_at=self._begin_of(int(np.argmax(steps)), stamps, start_ns) if steps.size else math.nan,
            lost=lost + dropped,
            gaps=int(np.count_nonzero(steps > _GAP_FACTOR * median)) if periodic else 0,
            skew_median=float(np.median(skews)) if skews.size else math.nan,
            skew_p99=float(np.quantile(skews, 0.99)) if skews.size else math.nan,
            expected=self.expected,
            dropped=dropped,
        )

    def _begin_of(self, step: int, stamps: Stamps, start_ns: int | None) -> float:
        """When an interval of stamps began [s]; of silence at an edge, that edge."""
        first = self._first_arrival_ns
        lead = (first - start_ns) * 1e-9 if first is not None and start_ns is not None else 0.0
        if step < stamps.size - 1:
            return lead + float(stamps[step] - stamps[0]) * 1e-9
        at_start = lead > _EDGE_S and step == stamps.size - 1
        return 0.0 if at_start else lead + float(stamps[-1] - stamps[0]) * 1e-9

    def _edges(self, stamps: Stamps, median: float, start_ns: int | None, end_ns: int | None) -> list[float]:
        """Silence at start and end [s], by arrival: the recording's limits are of that clock."""
        first, last = self._first_arrival_ns, self.last_arrival_ns
        assert first is not None and last is not None
        # Topics do not begin and end at the same moment; that much at each edge is no loss.
        slower = max((last - first) / max(int(stamps[-1] - stamps[0]), 1), 1.0)
        allowed = max(2 * _GAP_FACTOR * median * slower, _EDGE_S)
        edges = (
            self._unpaused_s(start_ns, first) if start_ns is not None else 0.0,
            self._unpaused_s(last, end_ns) if end_ns is not None else 0.0,
        )
        return [edge for edge in edges if edge > allowed]

    def _unpaused_s(self, start_ns: int, end_ns: int) -> float:
        return (end_ns - start_ns - overlap_ns(self._pauses, start_ns, end_ns)) * 1e-9

    @staticmethod
    def _rate(stamps: Stamps, over: Sequence[tuple[int, float]]) -> float:
        if stamps.size < 2 or stamps[-1] == stamps[0]:
            return 0.0
        seconds = float(stamps[-1] - stamps[0]) * 1e-9 - sum(size for _, size in over)
        return (stamps.size - 1 - len(over)) / seconds if seconds > 0 else 0.0

    def _lost(self, steps: NDArray[np.float64], median: float, periodic: bool) -> int:
        if self._stream is not None:
            # A count that often falls back is none of samples, or of two microphones.
            return round(self._lost_samples) if self._miscounted <= 0.01 * self.messages else 0
        if self._count.seen:
            return self._count.lost
        near, share = _REGULAR
        if not periodic or np.mean(np.abs(steps - median) <= near * median) < share:
            return 0
        long = steps[steps > _LOST_FACTOR * median]
        return int(np.sum(np.round(long / median) - 1))


def _believable(stamps: Stamps, paused_s: float = 0.0) -> Stamps:
    """Sorted stamps without those of damaged messages: farther off than nearly all others lie apart."""
    if stamps.size < 2 * _MIN_PERIODIC:
        return stamps
    low, high = stamps[stamps.size // 20], stamps[-1 - stamps.size // 20]
    beyond = int(high - low) + 10 * NS_PER_S + round(paused_s * NS_PER_S)
    inside: Stamps = stamps[(stamps >= low - beyond) & (stamps <= high + beyond)]
    return inside


def _without_steps(
    stamps: Stamps, steps: NDArray[np.float64], clock_steps: Sequence[tuple[int, float]]
) -> NDArray[np.float64]:
    """Intervals [s] of stamps less what the clock was set ahead within them."""
    for after_ns, size in clock_steps:
        # The interval that ends nearest to where the step was seen.
        low, high = np.searchsorted(stamps[1:], [after_ns - _STEP_SEEN_NS, after_ns + _STEP_SEEN_NS])
        if size > 0 and high > low:
            longest = low + int(np.argmax(steps[low:high]))
            if steps[longest] > 0.8 * size:
                steps[longest] = max(steps[longest] - size, 0.0)
    return steps
