"""What the heads of a microphone's chunks say of it: counter, streams, rate, channels, when stamps were taken."""

from __future__ import annotations

import array
import copy
import dataclasses
from collections.abc import Iterator

import numpy as np

from foley_common.times import NS_PER_S
from foley_perception.audio.clock_steps import ClockStep, StepDetector
from foley_perception.audio.stream_order import Place, StreamOrder
from foley_perception.audit.clock_time import moment
from foley_perception.audit.finding import Finding, Severity
from foley_perception.audit.rate import RateCheck
from foley_perception.recording.cdr import AudioHead

MISCOUNTED = 0.1  # share of chunks whose first_sample does not follow: no lost chunks, a broken counter
_LEAST = 4  # chunks of which that can be said
INTERLEAVED = 0.1  # share of chunks that go on where an older one of another source ended
_PAIRS = 4096  # steps from chunk to chunk that are kept for their medians
_ENDS = 4  # sources on one topic that are told apart
END_STAMP_S = 0.001  # a chunk that arrives so much before it can be over was stamped too late
END_STAMP_ERROR_S = 0.02
_SAME_CLOCK_S = 1.0
_LATENCIES = 8192


@dataclasses.dataclass
class _Change:
    """A value that changed within a stream, first."""

    before: int
    after: int
    time_ns: int


class ChunkAudit:
    """Heads of one topic's chunks, in the order in which they came."""

    def __init__(self) -> None:
        self.chunks = 0
        self.repeated = 0
        self.begins: list[int] = []  # stamps of the first chunk of each stream, by its name or count
        self._last: AudioHead | None = None
        self._last_arrival = 0
        self._streams: dict[str, None] = {}
        self._id_returns = self._end_returns = self._new_ids = 0
        self._return_ns = 0
        self._ends: list[int] = []  # where further chunks of each source would go on, the newest last
        self._recent: list[tuple[str, int, int]] = []
        self._pairs = self._wrong = self._backwards = 0
        self._wrong_ns: int | None = None
        self._steps = array.array("q")  # of first_sample, frames, stamp [ns], arrival [ns], four a pair
        self._rate: _Change | None = None
        self._channels: _Change | None = None
        self._early = array.array("d")  # arrival - stamp - length [s]
        self._lengths = array.array("d")
        self._every, self._first_ns = 1, 0
        self._order = StreamOrder()
        self._clock: StepDetector | None = None
        self._rate_of_clock, self._wrong_rate = RateCheck(0), ""
        self._steps_found: list[tuple[int, float]] = []  # stamp [ns] and size [s]

    def add(self, head: AudioHead, arrival_ns: int) -> bool:
        """Take in one head; whether its samples go on with, or begin, something new (a repeated chunk "
        "does not)."""
        stamp = head.header.time_ns
        key = (head.stream_id, head.first_sample, stamp)
        if stamp and key in self._recent:
            self.repeated += 1
            return False
        self._recent = [*self._recent[-7:], key]
        self.chunks += 1
        self._first_ns = self._first_ns or stamp or arrival_ns
        last = self._last
        if last is None or head.stream_id != last.stream_id:
            self._order = StreamOrder()
        place = self._order.place(head.first_sample, head.frames)
        if last is not None and head.stream_id == last.stream_id:
            self._follow(last, head, arrival_ns, place)
        elif head.stream_id in self._streams:
            self._id_returns += 1
            self._return_ns = self._return_ns or stamp or arrival_ns
        else:
            self._new_ids += 1
            if len(self.begins) < 1000:
                self.begins.append(stamp)
        if len(self._streams) < 1000:
            self._streams[head.stream_id] = None
        self._source(head, stamp or arrival_ns)
        if stamp and head.sample_rate and self.chunks % self._every == 0:
            length = head.frames / head.sample_rate
            self._early.append((arrival_ns - stamp) / NS_PER_S - length)
            self._lengths.append(length)
            if len(self._early) >= _LATENCIES:
                self._every *= 2
                self._early, self._lengths = self._early[::2], self._lengths[::2]
        self._watch_clock(last, head, place)
        self._last, self._last_arrival = head, arrival_ns
        return True

    def _watch_clock(self, last: AudioHead | None, head: AudioHead, place: Place) -> None:
        if place == Place.LATE:
            return
        stamp = head.header.time_ns
        goes_on = (
            last is not None and last.stream_id == head.stream_id and last.sample_rate == head.sample_rate
        )
        if self._clock is None or last is None or not goes_on or place == Place.BACK:
            self._close_clock()
            self._clock = StepDetector(head.sample_rate) if head.sample_rate else None
            self._rate_of_clock = RateCheck(head.sample_rate)
        if self._clock is not None and stamp and (last is None or stamp != last.header.time_ns):
            step = self._clock.add(head.first_sample, stamp)
            if step is not None:
                later = self._rate_of_clock.split(step.first_sample)
                self._wrong_rate = self._wrong_rate or self._rate_of_clock.check()
                self._rate_of_clock = later
            self._told(step)
            self._rate_of_clock.add(head.first_sample, stamp)

    def _close_clock(self) -> None:
        if self._clock is not None:
            step = self._clock.finish()
            self._told(step)
            if step is not None:
                self._rate_of_clock.split(step.first_sample)
            self._wrong_rate = self._wrong_rate or self._rate_of_clock.check()

    def _told(self, step: ClockStep | None) -> None:
        if step is not None:
            self._steps_found.append((step.stamp_ns, step.size_s))

    def _follow(self, last: AudioHead, head: AudioHead, arrival_ns: int, place: Place) -> None:
        stamp = head.header.time_ns
        if head.sample_rate != last.sample_rate and self._rate is None:
            self._rate = _Change(last.sample_rate, head.sample_rate, stamp)
        if head.channels != last.channels and self._channels is None:
            self._channels = _Change(last.channels, head.channels, stamp)
        step = head.first_sample - last.first_sample
        self._pairs += 1
        if step < last.frames:
            self._wrong += 1
            if step < 0 and place == Place.BACK:
                self._backwards += 1
                if len(self.begins) < 1000:
                    self.begins.append(stamp or arrival_ns)
            if self._wrong_ns is None:
                self._wrong_ns = stamp or arrival_ns
        if self._pairs <= _PAIRS:
            elapsed = stamp - last.header.time_ns if stamp and last.header.time_ns else -1
            steps = (step, last.frames, elapsed, arrival_ns - self._last_arrival)
            self._steps.extend(max(-(2**62), min(int(value), 2**62)) for value in steps)

    def _source(self, head: AudioHead, time_ns: int) -> None:
        """Several counters on one topic take turns: a chunk goes on where not the last one, but an older "
        "one ended."""
        end = head.first_sample + head.frames
        if head.first_sample in self._ends:
            older = head.first_sample != self._ends[-1]
            self._end_returns += older
            if older and not self._return_ns:
                self._return_ns = time_ns
            self._ends.remove(head.first_sample)
        self._ends = [*self._ends[1 - _ENDS :], end]

    # ---- rules -----------------------------------------------------------------------------------------
    @property
    def interleaved(self) -> bool:
        """Whether several sources take turns."""
        returns = max(self._id_returns, self._end_returns)
        return returns >= _LEAST and returns >= INTERLEAVED * self.chunks

    def miscounted(self) -> tuple[float, float] | None:
        """Median step of first_sample and of samples, where the one does not count the other."""
        if self._pairs < _LEAST or self.interleaved:
            return None
        steps = np.frombuffer(self._steps, np.int64).reshape(-1, 4)
        step, frames = float(np.median(steps[:, 0])), float(np.median(steps[:, 1]))
        if self._wrong >= max(_LEAST, MISCOUNTED * self._pairs):
            if step >= frames:  # not most of the time: tell what it does where it is wrong
                wrong = steps[steps[:, 0] < steps[:, 1]]
                step = float(np.median(wrong[:, 0])) if len(wrong) else 0.0
            return step, frames
        if step <= 1.5 * frames or self._last is None:
            return None
        # Twice as far each time: every other chunk is lost, or the counter counts all channels. Time tells.
        elapsed = steps[:, 2] if (steps[:, 2] >= 0).all() else steps[:, 3]
        passed = float(np.median(elapsed)) * self._last.sample_rate / NS_PER_S
        return (step, frames) if abs(passed - frames) < 0.3 * frames else None

    def findings(self, topic: str, start_ns: int | None, *, measured: bool = True) -> Iterator[Finding]:
        """What is wrong.

        Args:
            measured: arrival times are measured, and not copies of the stamps.
        """
        if self.interleaved:
            names = [name for name in self._streams if name]
            who = ", ".join(names[:3]) if len(names) > 1 else "two counters of first_sample"
            yield Finding(
                "sound_streams",
                Severity.ERROR,
                topic,
                f"{topic}: two streams interleave ({who}; first at {moment(self._return_ns, start_ns)}): two "
                "microphones publish on one topic; give each a topic of its own, by a remap or a namespace",
                self._return_ns,
            )
            return
        wrong = self.miscounted()
        if wrong is not None:
            step, frames = wrong
            grows = "never increases" if step == 0 else f"increases by {step:.0f} a chunk"
            yield Finding(
                "sound_count",
                Severity.ERROR,
                topic,
                f"{topic}: first_sample {grows}, each chunk has {frames:.0f} samples (from "
                f"{moment(self._wrong_ns or self._first_ns, start_ns)} on): the driver must count the "
                "samples of a "
                "channel since its stream began",
                self._wrong_ns,
            )
        else:
            yield from self._clock_steps(topic, start_ns)
            rate = self._wrong_rate or self._rate_of_clock.check()
            if rate and self._rate is None:
                yield Finding("sound_rate", Severity.ERROR, topic, f"{topic}: {rate}")
        if wrong is None and self._backwards:
            yield Finding(
                "sound_restarts",
                Severity.PROBLEM,
                topic,
                f"{topic}: first_sample falls back {self._backwards} time(s) within a stream, first at "
                f"{moment(self._wrong_ns, start_ns)}: taken for a restart; the driver must begin a new "
                "stream_id then",
                self._wrong_ns,
            )
        if self._new_ids > max(_LEAST, MISCOUNTED * self.chunks):
            yield Finding(
                "sound_restarts",
                Severity.PROBLEM,
                topic,
                f"{topic}: stream_id is new in {self._new_ids} of {self.chunks} chunks: each begins a clock "
                "of its own, "
                "and live nodes start anew; keep it for as long as first_sample counts on",
            )
        if self.repeated:
            yield Finding(
                "sound_repeated",
                Severity.PROBLEM,
                topic,
                f"{topic}: {self.repeated} chunks came twice and count once: is the topic bridged or played "
                "twice?",
            )
        yield from self._changes(topic, start_ns)
        if measured:
            yield from self._end_stamps(topic)

    def clock_steps(self) -> list[tuple[int, float]]:
        """Stamp [ns] after, and size [s], of each step of the stamps."""
        # What is still open is looked at without being closed: more may come.
        last = copy.deepcopy(self._clock).finish() if self._clock is not None else None
        return [*self._steps_found, *([(last.stamp_ns, last.size_s)] if last is not None else [])]

    def _clock_steps(self, topic: str, start_ns: int | None) -> Iterator[Finding]:
        found = self.clock_steps()
        if not found:
            return
        told = ", ".join(f"{size * 1e3:+.0f} ms at {moment(at, start_ns)}" for at, size in found[:3])
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        yield Finding(
            "sound_step",
            Severity.PROBLEM,
            topic,
            f"{topic}: stamps step against first_sample by {told}{more}: a new clock begins there. The clock "
            "was set, or the driver lost samples without counting them: synchronise clocks before recording, "
            "enlarge the driver's buffer",
            found[0][0],
        )

    def _changes(self, topic: str, start_ns: int | None) -> Iterator[Finding]:
        for name, change, severity, cost in (
            ("sample_rate", self._rate, Severity.ERROR, ""),
            ("channels", self._channels, Severity.PROBLEM, "; channel 0 is used"),
        ):
            if change is not None:
                yield Finding(
                    "sound_format",
                    severity,
                    topic,
                    f"{topic}: {name} changes from {change.before} to {change.after} within a stream at "
                    f"{moment(change.time_ns, start_ns)}; the driver must begin a new stream_id when its "
                    f"{name} "
                    f"changes{cost}",
                    change.time_ns,
                )

    def _end_stamps(self, topic: str) -> Iterator[Finding]:
        """No chunk can arrive before its last sample was captured."""
        if len(self._early) < 10:
            return
        early, length = np.frombuffer(self._early, np.float64), float(np.median(self._lengths))
        middle = float(np.median(early))
        latest = float(np.quantile(early, 0.95))
        if latest > -END_STAMP_S or middle + length < -_SAME_CLOCK_S:
            return
        late = -middle
        yield Finding(
            "sound_end_stamp",
            Severity.ERROR if late >= END_STAMP_ERROR_S else Severity.PROBLEM,
            topic,
            f"{topic}: stamps are at least {late * 1e3:.1f} ms late: a chunk of {length * 1e3:.1f} ms "
            "arrives "
            f"{(middle + length) * 1e3:.1f} ms after its stamp, so the stamp is not its first sample's; the "
            "driver "
            "must subtract samples / sample_rate",
        )
