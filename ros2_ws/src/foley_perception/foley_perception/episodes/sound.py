"""A microphone in a bag: its streams as one pass over the messages finds them, and the sound of any stretch.

A stream's sample clock is fitted to all of it, and what was never received is known of all of it, before a sample is
kept: so a stretch of ten seconds is the same whether it is read alone or with the two hours around it.
"""

from __future__ import annotations

import collections
import copy
import itertools
import math
from array import array
from collections.abc import Iterable, Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.clock_fit import ClockError, SampleClock, fit_clock
from foley_perception.audio.clock_steps import StepDetector
from foley_perception.audio.stream_order import Place, StreamOrder
from foley_perception.audit.moving import Count
from foley_perception.clips.channels import CHANNEL
from foley_perception.episodes.index import Index, Range
from foley_perception.episodes.tracks import AudioSegment, AudioTrack, EpisodeError, Gap, gaps_of
from foley_perception.recording import cdr
from foley_perception.recording.bag import BagMessage

MAX_STREAM_S = 4 * 3600.0
MAX_HEADS = 65_536  # of a stream, that its clock is fitted to: 11 minutes at 100 Hz. Of more, each second, fourth, ...


class Stream:
    """One stream of a microphone, from its first sample to its last. Samples are counted as the stream counts them."""

    def __init__(self, topic: str, head: cdr.AudioHead) -> None:
        self.topic, self.stream_id, self.sample_rate = topic, head.stream_id, head.sample_rate
        self.first_sample = self.stop_sample = head.first_sample
        self.index = Index()
        self.arrivals: Range = (2**63 - 1, 0)
        self._known: list[list[int]] = []  # [start, stop) of what was received, in order
        self._heads = array("q")  # first sample, stamp, arrival
        self._stride = self._chunks = 0
        self._order = StreamOrder()
        self._steps = StepDetector(head.sample_rate)
        self._cuts: list[int] = []  # first samples of new clocks
        self._stamp_ns: int | None = None

    def place(self, head: cdr.AudioHead) -> Place:
        """Where the next chunk belongs in it."""
        return self._order.place(head.first_sample, head.frames)

    def feed(
        self, head: cdr.AudioHead, message: BagMessage, arrival: int, finite: NDArray[np.bool_], late: bool
    ) -> None:
        """A chunk, when it arrived by the bag's clock, which of its samples [frames] are numbers, and whether others
        that follow it came before it.

        Raises:
            EpisodeError: another rate, or a count that cannot be.
        """
        if head.sample_rate != self.sample_rate:
            raise EpisodeError(
                f"{self.topic}: sample_rate changes from {self.sample_rate} to {head.sample_rate} Hz within stream "
                f"`{self.stream_id}`; the driver must begin a new stream_id when its rate changes"
            )
        stop = head.first_sample + head.frames
        self.first_sample = min(self.first_sample, head.first_sample)
        self.stop_sample = max(self.stop_sample, stop)
        if (length := self.stop_sample - self.first_sample) > MAX_STREAM_S * self.sample_rate:
            raise EpisodeError(
                f"{self.topic}: first_sample jumps by {length / self.sample_rate:.0f} s within stream "
                f"`{self.stream_id}`, more than a recording may last ({MAX_STREAM_S:.0f} s): the driver's sample "
                "counter is broken"
            )
        self.index.add(arrival, head.first_sample, stop - 1)
        self.arrivals = min(self.arrivals[0], message.log_time), max(self.arrivals[1], message.log_time)
        if finite.all():
            self._receive(head.first_sample, stop)
        else:
            for start, end in runs(finite):
                self._receive(head.first_sample + start, head.first_sample + end)
        self._keep(head, message.log_time)
        # Of chunks that share a stamp it is the first one's.
        if not late and head.header.time_ns not in (self._stamp_ns, 0):
            self._stamp_ns = head.header.time_ns
            step = self._steps.add(head.first_sample, head.header.time_ns)
            self._cuts += [step.first_sample] if step is not None else []

    def _receive(self, start: int, stop: int) -> None:
        if self._known and start < self._known[-1][0]:  # late
            self._known = _joined([*self._known, [start, stop]])
        elif self._known and start <= self._known[-1][1]:
            self._known[-1][1] = max(self._known[-1][1], stop)
        else:
            self._known.append([start, stop])

    def _keep(self, head: cdr.AudioHead, arrival: int) -> None:
        if self._chunks % (1 << self._stride) == 0:
            self._heads.extend((head.first_sample, head.header.time_ns, arrival))
            if len(self._heads) > 3 * MAX_HEADS:
                self._heads = array("q", self.heads[::2].tobytes())
                self._stride += 1
        self._chunks += 1

    @property
    def heads(self) -> NDArray[np.int64]:
        """First sample, stamp and arrival [n, 3] of its chunks in order, thinned out where they are very many."""
        heads = np.array(self._heads, dtype=np.int64).reshape(-1, 3)
        return heads[np.argsort(heads[:, 0], kind="stable")]

    def of_one_clock(self) -> list[Stream]:
        """Itself, in parts where its stamps step: from there on another clock holds."""
        last = self._steps.finish()
        cuts = [*self._cuts, *([last.first_sample] if last is not None else [])]
        edges = [self.first_sample, *cuts, self.stop_sample]
        return [self._part(a, b) for a, b in itertools.pairwise(edges)] if cuts else [self]

    def _part(self, first: int, stop: int) -> Stream:
        part = copy.copy(self)
        part.first_sample, part.stop_sample = first, stop
        known = ([max(a, first), min(b, stop)] for a, b in self._known)
        part._known = [run for run in known if run[0] < run[1]]
        heads = self.heads
        inside = (heads[:, 0] >= first) & (heads[:, 0] < stop)
        part._heads = array("q", heads[inside].ravel().tobytes())
        return part

    @cached_property
    def clock(self) -> SampleClock:
        """Fitted to the whole stream. Raises EpisodeError."""
        heads = self.heads
        heads = heads[heads[:, 1] != 0]  # those without a stamp are placed by their count
        # Of chunks that share a stamp it is the first one's.
        heads = heads[np.diff(heads[:, 1], prepend=heads[:1, 1] - 1) != 0]
        try:
            return fit_clock(heads[:, 0], heads[:, 1], self.sample_rate)
        except ClockError as error:
            raise EpisodeError(f"{self.topic}: {error}") from error

    @property
    def start_ns(self) -> int:
        return int(self.clock.time_ns(self.first_sample))

    @property
    def end_ns(self) -> int:
        return int(self.clock.time_ns(self.stop_sample))

    @property
    def missing(self) -> tuple[tuple[int, int], ...]:
        """[start, stop), counted from its first sample, of what was never received."""
        edges = [self.first_sample, *(edge for run in self._known for edge in run), self.stop_sample]
        pairs = zip(edges[::2], edges[1::2], strict=True)
        return tuple((a - self.first_sample, b - self.first_sample) for a, b in pairs if a < b)

    def samples_within(self, start_ns: int, end_ns: int) -> tuple[int, int]:
        """[first, stop) of its samples in a stretch of time; none where it lies outside of it."""
        first = math.floor(float(self.clock.sample_at(start_ns)))
        # An even number of samples is left out: positions between two samples are rounded to the even one.
        first = max(first - (first - self.first_sample) % 2, self.first_sample)
        stop = min(math.ceil(float(self.clock.sample_at(end_ns))), self.stop_sample)
        return (first, stop) if first < stop else (self.first_sample, self.first_sample)


class SoundOutline:
    """The streams of one topic. Everything is fed to it in the order in which it was written."""

    def __init__(self, topic: str, channel: int = CHANNEL) -> None:
        self.topic, self.channel = topic, channel
        self._streams: list[Stream] = []
        self._recent: collections.deque[tuple[str, int, int]] = collections.deque(maxlen=8)
        self.unreadable = Count()
        self._error: EpisodeError | None = (
            None  # of the first chunk that cannot be used: told when it is asked for
        )

    def feed(self, message: BagMessage, arrival: int) -> None:
        """A message, and when it arrived by the bag's clock."""
        if self._error is not None:
            return
        if (wrong := _wrong_with(message)) is not None:
            self.unreadable.add(message.log_time, wrong)
            return
        try:
            head = checked_head(self.topic, message, self.channel)
            key = (head.stream_id, head.first_sample, head.header.time_ns)
            if not head.frames or key in self._recent:
                return  # nothing, or what came twice
            self._recent.append(key)
            streams = self._streams
            if not streams or streams[-1].stream_id != head.stream_id:
                streams.append(Stream(self.topic, head))
            place = streams[-1].place(head)
            if place == Place.BACK:  # a restarted source that kept its name
                streams.append(Stream(self.topic, head))
                streams[-1].place(head)
            samples = cdr.read_audio_samples(message.data, head)[:, self.channel]
            streams[-1].feed(head, message, arrival, np.isfinite(samples), place == Place.LATE)
        except EpisodeError as error:
            self._error = error

    @cached_property
    def streams(self) -> tuple[Stream, ...]:
        """In order of time.

        Raises:
            EpisodeError: no samples, no such channel, a rate that changes in a stream or is not what its stamps say.
        """
        if self._error is not None:
            raise self._error
        if not self._streams and self.unreadable.messages:
            raise EpisodeError(f"{self.topic}: no chunk can be read ({self.unreadable.shown})")
        if not self._streams:
            raise EpisodeError(
                f"{self.topic}: no samples; is the microphone muted or its driver without permission?"
            )
        parts = (part for stream in self._streams for part in stream.of_one_clock())
        return tuple(sorted(parts, key=lambda stream: stream.start_ns))

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Inside of streams and between them."""
        return gaps_of(self.streams)

    @property
    def start_ns(self) -> int:
        return self.streams[0].start_ns

    @property
    def end_ns(self) -> int:
        return max(stream.end_ns for stream in self.streams)

    def ranges(self, start_ns: int, end_ns: int) -> list[Range]:
        """Arrivals within which the sound of a stretch of time lies."""
        found = []
        for stream in self.streams:
            first, stop = stream.samples_within(start_ns, end_ns)
            if first < stop:
                found += stream.index.ranges(first, stop - 1, neighbours=False)
        return found

    def track(
        self, messages: Iterable[BagMessage], start_ns: int | None = None, end_ns: int | None = None
    ) -> AudioTrack:
        """The sound of a stretch of time, or of all, out of messages that hold it, and perhaps more.

        Raises:
            EpisodeError: as of ``streams``.
        """
        if start_ns is None or end_ns is None:
            edges = [(stream.first_sample, stream.stop_sample) for stream in self.streams]
        else:
            edges = [stream.samples_within(start_ns, end_ns) for stream in self.streams]
        return AudioTrack(tuple(self.segments(messages, dict(zip(self.streams, edges, strict=True)))))

    def segments(
        self, messages: Iterable[BagMessage], wanted: Mapping[Stream, tuple[int, int]]
    ) -> list[AudioSegment]:
        """[first, stop) of each stream, out of messages that hold them, and perhaps more."""
        parts = {s: (first, np.zeros(stop - first, np.float32)) for s, (first, stop) in wanted.items()}
        known = {stream: np.zeros(len(part), np.bool_) for stream, (_, part) in parts.items()}
        for message in messages:
            if _wrong_with(message) is not None:
                continue
            head = checked_head(self.topic, message, self.channel)
            stream = self._stream_of(head, message.log_time)
            if stream is None or stream not in parts:
                continue
            first, part = parts[stream]
            begin = head.first_sample - first
            low, high = max(begin, 0), min(begin + head.frames, len(part))
            if low < high:
                samples = cdr.read_audio_samples(message.data, head)[:, self.channel]
                part[low:high], known[stream][low:high] = samples[low - begin : high - begin], True
        return [_segment(stream, *parts[stream], known[stream]) for stream in parts]

    def every_channel(
        self, messages: Iterable[BagMessage], stream: Stream, first: int, stop: int
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """[first, stop) of one stream, out of messages that hold it, and perhaps more.

        Returns:
            Samples [n, channels], 0 where nothing was received, and which of them were [n]. As many channels as the
            first of the chunks has.
        """
        sound, known = np.zeros((stop - first, 1), np.float32), np.zeros(stop - first, np.bool_)
        for message in messages:
            if _wrong_with(message) is not None:
                continue
            head = checked_head(self.topic, message, self.channel)
            begin = head.first_sample - first
            low, high = max(begin, 0), min(begin + head.frames, len(sound))
            if self._stream_of(head, message.log_time) is not stream or low >= high:
                continue
            samples = cdr.read_audio_samples(message.data, head)[low - begin : high - begin]
            if not known.any() and sound.shape[1] != head.channels:
                sound = np.zeros((len(sound), head.channels), np.float32)
            finite = np.asarray(np.isfinite(samples).all(axis=1), np.bool_)
            width = min(sound.shape[1], head.channels)
            sound[low:high, :width] = np.where(finite[:, None], samples[:, :width], 0.0)
            known[low:high] = finite
        return sound, known

    def _stream_of(self, head: cdr.AudioHead, arrival: int) -> Stream | None:
        for stream in self.streams:
            if (
                stream.stream_id == head.stream_id
                and stream.arrivals[0] <= arrival <= stream.arrivals[1]
                and stream.first_sample <= head.first_sample < stream.stop_sample
            ):
                return stream
        return None


def _segment(
    stream: Stream, first: int, samples: NDArray[np.float32], known: NDArray[np.bool_]
) -> AudioSegment:
    known &= np.isfinite(samples)
    samples[~known] = 0.0
    missing = tuple(runs(~known))
    return AudioSegment(stream.stream_id, stream.sample_rate, first, samples, missing, stream.clock)


def _joined(known: list[list[int]]) -> list[list[int]]:
    """The same runs in order, those that touch as one."""
    result: list[list[int]] = []
    for start, stop in sorted(known):
        if result and start <= result[-1][1]:
            result[-1][1] = max(result[-1][1], stop)
        else:
            result.append([start, stop])
    return result


def runs(true: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """[start, stop) of each run of true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], true, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _wrong_with(message: BagMessage) -> str | None:
    """Why a message is no chunk; None where it is one."""
    try:
        cdr.read_audio_head(message.data)
    except cdr.CdrError as error:
        return str(error)
    return None


def checked_head(topic: str, message: BagMessage, channel: int) -> cdr.AudioHead:
    """The head of a chunk. Raises EpisodeError."""
    try:
        head = cdr.read_audio_head(message.data)
    except cdr.CdrError as error:
        raise EpisodeError(f"{topic}: a chunk cannot be read ({error})") from error
    if head.sample_rate < 1 or head.channels < 1 or head.size % head.channels:
        raise EpisodeError(
            f"{topic}: a chunk has sample_rate={head.sample_rate}, channels={head.channels}, {head.size} "
            "samples; the driver must fill in rate and channels"
        )
    if channel >= head.channels:
        raise EpisodeError(f"{topic}: channel {channel} was asked for, there are {head.channels}")
    return head
