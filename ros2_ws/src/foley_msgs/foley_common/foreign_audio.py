"""Sound in the messages of other packages, as chunks that count their samples.

Read are, by their fields, as two packages are called ``audio_common_msgs``:

======================  ======================================================  ======================================
message                 fields                                                  format
======================  ======================================================  ======================================
AudioData (ros-drivers)  data                                                   AudioInfo on a topic beside it
AudioDataStamped         header, audio.data                                     likewise
AudioInfo                channels, sample_rate, sample_format, coding_format
Audio (the newer one)    audio_data.*_data, info.format, .channels, .rate       its own
AudioStamped             header, audio                                          its own
RawAudio (Foxglove)      timestamp, data, format, sample_rate, number_of_channels  its own
======================  ======================================================  ======================================

A message is any object with these attributes: rclpy's, or what a bag's reader makes of its own definitions. A stamp is
taken for the capture of the message's first sample, as all three say or do; robot.yaml's latency puts right what is not
so. Without a stamp it is the arrival less the message's length.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_common.audio_codecs import Decoder, Piece, WholeFiles, decoder, is_whole_file
from foley_common.audio_count import PieceCounter, Placed
from foley_common.audio_formats import AudioFormat, AudioFormatError, audio_format, decode_pcm
from foley_common.times import NS_PER_S

PACKAGES = ("audio_common_msgs", "foxglove_msgs")
TYPES: tuple[str, ...] = (
    "audio_common_msgs/msg/AudioData",
    "audio_common_msgs/msg/AudioDataStamped",
    "audio_common_msgs/msg/Audio",
    "audio_common_msgs/msg/AudioStamped",
    "foxglove_msgs/msg/RawAudio",
)
"""What a microphone's topic may hold beside ours."""
INFO_TYPE = "audio_common_msgs/msg/AudioInfo"

_ARRAYS = {
    "float32_data": ("f4", "F32LE"),
    "int32_data": ("i4", "S32LE"),
    "int16_data": ("i2", "S16LE"),
    "int8_data": ("i1", "S8"),
    "uint8_data": ("u1", "U8"),
}  # of the newer AudioData
_PATIENCE_NS = 2 * NS_PER_S
ARRIVAL_UNCERTAINTY_S = 0.005  # of a time that only arrival tells, at least


class Layout(enum.Enum):
    """What a message is, by its fields."""

    DATA = "AudioData of ros-drivers"
    STAMPED = "AudioDataStamped of ros-drivers"
    INFO = "AudioInfo of ros-drivers"
    AUDIO = "Audio of audio_common 2023 and newer"
    AUDIO_STAMPED = "AudioStamped of audio_common 2023 and newer"
    RAW = "RawAudio of Foxglove"


def layout_of(message: Any) -> Layout | None:
    """None for what holds no sound."""

    def has(*names: str) -> bool:
        return all(hasattr(message, name) for name in names)

    if has("timestamp", "data", "format", "sample_rate", "number_of_channels"):
        return Layout.RAW
    if has("coding_format", "sample_format", "sample_rate", "channels"):
        return Layout.INFO
    if has("header", "audio"):
        inside = layout_of(message.audio)
        return (
            {Layout.DATA: Layout.STAMPED, Layout.AUDIO: Layout.AUDIO_STAMPED}.get(inside) if inside else None
        )
    if has("audio_data", "info"):
        return Layout.AUDIO
    return Layout.DATA if has("data") and not has("header") and not has("float32_data") else None


def info_topics(topic: str) -> tuple[str, ...]:
    """Where the AudioInfo of a topic may be: beside it, or called after it."""
    above, bare = topic.rsplit("/", 1)[0], topic.removesuffix("_stamped")
    return tuple(
        dict.fromkeys((f"{above}/audio_info", f"{bare}_info", f"{bare}/audio_info", f"{topic}_info"))
    )


@dataclasses.dataclass(frozen=True, eq=False)
class HeardChunk:
    """What an AudioChunk holds."""

    time_ns: int  # capture of the first sample
    by_arrival: bool
    uncertainty_s: float
    frame_id: str
    stream_id: str
    first_sample: int
    sample_rate: int
    samples: NDArray[np.float32]  # [frames, channels]
    of: Any = None  # the message that it was made of, as `feed` was told
    form: AudioFormat | None = (
        None  # by which that message decodes alone; None where it needs those before it
    )


@dataclasses.dataclass(frozen=True, eq=False)
class _Message:
    """What is read of a message before it is decoded."""

    stamp_ns: int  # 0 where there is none
    frame_id: str
    data: bytes
    form: AudioFormat | None  # None: AudioInfo tells it
    arrival_ns: int
    sequence: int
    of: Any = None


class ForeignSound:
    """The messages of one topic to chunks.

    Args:
        topic: as it is named to the user.
        raw: what messages hold that do not say it, until an AudioInfo does.
        name: that stream ids begin with.
        most_waiting: messages that wait for their AudioInfo.
    """

    def __init__(
        self, topic: str, raw: AudioFormat | None = None, *, name: str = "", most_waiting: int = 256
    ) -> None:
        self.topic = topic
        self.messages = self.undecoded = self.dropped = 0
        self._raw, self._name, self._most_waiting = raw, name or topic, most_waiting
        self._told: AudioFormat | None = None
        self._untold = ""  # why the newest AudioInfo does not say it
        self._waiting: collections.deque[_Message] = collections.deque()
        self._first_waiting_ns: int | None = None
        self._trouble = ""
        self._form: AudioFormat | None = None
        self._decoder: Decoder | None = None
        self._counter: PieceCounter[tuple[_Message, Piece]] | None = None
        self._by_arrival: bool | None = None
        self._channels = self._streams = 0

    # ---- in --------------------------------------------------------------------------------------------
    def told(self, info: Any) -> list[HeardChunk]:
        """An AudioInfo, and what waited for it. After one that cannot be read nobody knows what messages hold."""
        try:
            self._told = audio_format(
                info.coding_format,
                int(info.sample_rate),
                int(info.channels),
                sample_format=info.sample_format,
                what=f"{self.topic}: AudioInfo",
            )
        except AudioFormatError as error:
            self._told, self._untold = None, str(error)
            return []
        self._untold = ""
        return self._waited()

    def assume(self, raw: AudioFormat) -> list[HeardChunk]:
        """What messages hold that nobody described, and those that waited."""
        self._raw = raw
        return self._waited() if self._told is None else []

    @property
    def waits(self) -> bool:
        """For somebody to say what messages hold."""
        return bool(self._waiting)

    @property
    def full(self) -> bool:
        """The next message that waits takes the place of the first one."""
        return len(self._waiting) >= self._most_waiting

    def feed(self, message: Any, arrival_ns: int, sequence: int = 0, of: Any = None) -> list[HeardChunk]:
        """A message, when it came, and its publisher's number for it (0: unknown); ``of`` comes back with its chunk."""
        self.messages += 1
        try:
            read = dataclasses.replace(self._read(message, arrival_ns, sequence), of=of)
        except (AudioFormatError, AttributeError, TypeError, ValueError) as error:
            return self._refused(error)
        if read.form is None and self._told is None and self._raw is None:
            self._wait(read)
            return []
        return self._hear(read)

    def refuse(self, why: str) -> list[HeardChunk]:
        """A message that could not even be read; it is missing."""
        self.messages += 1
        return self._refused(AudioFormatError(why))

    def flush(self) -> list[HeardChunk]:
        """What is held back, when no more will come."""
        return self._chunks(self._counter.flush()) if self._counter is not None else []

    # ---- out -------------------------------------------------------------------------------------------
    @property
    def format_text(self) -> str:
        """As it was last decoded; empty before."""
        return self._form.text if self._form is not None else ""

    @property
    def lost(self) -> int:
        return self._counter.lost if self._counter is not None else 0

    def trouble(self, now_ns: int | None = None) -> str:
        """What is wrong, with its cure; empty where nothing is.

        Args:
            now_ns: None where nothing more will come.
        """
        if self._trouble or self._untold:
            return self._trouble or self._untold
        first = self._first_waiting_ns
        if first is not None and (now_ns is None or now_ns - first > _PATIENCE_NS):
            return (
                f"{self.topic}: nobody says what its messages hold: no AudioInfo on {info_topics(self.topic)[0]}; have "
                "the driver publish it, or write `sound: {microphone: {raw: {coding: S16LE, sample_rate: 16000, "
                "channels: 1}}}` with what it is into robot.yaml"
            )
        if self.dropped and now_ns is None:
            return (
                f"{self.topic}: {self.dropped} messages came so long before anybody said what they hold that they are "
                "left out; write it into robot.yaml (`sound: {microphone: {raw: ...}}`)"
            )
        doubt = self._counter.doubt if self._counter is not None else ""
        return f"{self.topic}: {doubt}" if doubt else ""

    # ---- inside ----------------------------------------------------------------------------------------
    def _read(self, message: Any, arrival_ns: int, sequence: int) -> _Message:
        layout = layout_of(message)
        if layout == Layout.RAW:
            form = audio_format(
                message.format, message.sample_rate, message.number_of_channels, what=self.topic
            )
            return _Message(_ns(message.timestamp), "", bytes(message.data), form, arrival_ns, sequence)
        stamp_ns, frame_id = 0, ""
        if layout in (Layout.STAMPED, Layout.AUDIO_STAMPED):
            stamp_ns, frame_id = _ns(message.header.stamp), str(message.header.frame_id)
            message = message.audio
        if layout in (Layout.DATA, Layout.STAMPED):
            return _Message(stamp_ns, frame_id, bytes(message.data), None, arrival_ns, sequence)
        if layout in (Layout.AUDIO, Layout.AUDIO_STAMPED):
            data, coding = _array_of(message.audio_data, self.topic)
            form = audio_format(coding, message.info.rate, message.info.channels, what=f"{self.topic}: info")
            return _Message(stamp_ns, frame_id, data, form, arrival_ns, sequence)
        raise AudioFormatError(
            f"{self.topic}: its messages hold no sound by their fields; known are {', '.join(TYPES)}"
        )

    def _wait(self, read: _Message) -> None:
        if self._first_waiting_ns is None:
            self._first_waiting_ns = read.arrival_ns
        self._waiting.append(read)
        if len(self._waiting) > self._most_waiting:
            self._waiting.popleft()
            self.dropped += 1

    def _waited(self) -> list[HeardChunk]:
        waiting, self._waiting = list(self._waiting), collections.deque()
        self._first_waiting_ns = None
        return [chunk for read in waiting for chunk in self._hear(read)]

    def _hear(self, read: _Message) -> list[HeardChunk]:
        form = read.form or self._told or self._raw
        assert form is not None
        before = self._begin(form)
        try:
            piece = self._decode(read.data, form)
        except AudioFormatError as error:
            return before + self._refused(error)
        self._trouble = ""
        if piece is None:
            counter = self._counter
            return before + (self._chunks(counter.hold_nothing(read.sequence)) if counter is not None else [])
        return before + self._count(dataclasses.replace(read, form=form), piece)

    def _begin(self, form: AudioFormat) -> list[HeardChunk]:
        """Another format is another stream."""
        if form == self._form:
            return []
        done = self.flush()
        self._form, self._decoder = form, None if form.pcm else decoder(form)
        self._new_stream()
        return done

    def _decode(self, data: bytes, form: AudioFormat) -> Piece | None:
        if not data:
            return None
        return self._decoder.feed(data) if self._decoder is not None else _decoded_alone(data, form)

    def samples(self, message: Any, form: AudioFormat) -> NDArray[np.float32]:
        """Of a message that was fed before, by the format that its chunk named: [frames, channels]."""
        piece = _decoded_alone(self._read(message, 0, 0).data, form)
        return piece.samples if piece is not None else np.zeros((0, form.channels), np.float32)

    def _count(self, read: _Message, piece: Piece) -> list[HeardChunk]:
        by_arrival, frames = read.stamp_ns == 0, len(piece.samples)
        done: list[HeardChunk] = []
        counter = self._counter
        same = counter is not None and counter.sample_rate == piece.sample_rate
        if not same or self._by_arrival != by_arrival or self._channels != piece.samples.shape[1]:
            done = self.flush()
            self._new_stream()
            counter = None
        if counter is None:
            counter = self._counter = PieceCounter(piece.sample_rate)
            self._by_arrival, self._channels = by_arrival, piece.samples.shape[1]
        length = frames * NS_PER_S // piece.sample_rate
        begin = read.arrival_ns - length if by_arrival else read.stamp_ns
        begin -= piece.delay * NS_PER_S // piece.sample_rate
        return done + self._chunks(counter.add((read, piece), frames, begin, read.sequence))

    def _new_stream(self) -> None:
        if self._counter is not None:
            self._streams += self._counter.restarts + 1
        self._counter = None

    def _chunks(self, placed: list[Placed[tuple[_Message, Piece]]]) -> list[HeardChunk]:
        by_arrival = bool(self._by_arrival)
        return [
            HeardChunk(
                time_ns=max(p.time_ns, 0),
                by_arrival=by_arrival,
                uncertainty_s=max(p.spread_s, ARRIVAL_UNCERTAINTY_S) if by_arrival else p.spread_s,
                frame_id=p.sound[0].frame_id,
                stream_id=f"{self._name}#{self._streams + p.stream}",
                first_sample=p.first_sample,
                sample_rate=p.sound[1].sample_rate,
                samples=p.sound[1].samples,
                of=p.sound[0].of,
                form=p.sound[0].form if self._decoder is None else None,
            )
            for p in placed
        ]

    def _refused(self, error: Exception) -> list[HeardChunk]:
        self.undecoded += 1
        text = str(error)
        self._trouble = text if text.startswith(self.topic) else f"{self.topic}: {text}"
        return []


def _decoded_alone(data: bytes, form: AudioFormat) -> Piece | None:
    if is_whole_file(data):
        return WholeFiles().feed(data)
    return Piece(decode_pcm(data, form), form.sample_rate)


def _ns(stamp: Any) -> int:
    return int(stamp.sec) * NS_PER_S + int(stamp.nanosec)


def _array_of(data: Any, topic: str) -> tuple[bytes, str]:
    """The bytes of the one array of the newer AudioData that is filled, and their coding."""
    filled = [name for name in _ARRAYS if len(getattr(data, name))]
    if len(filled) > 1:
        raise AudioFormatError(
            f"{topic}: both {' and '.join(filled)} are filled; the driver must fill one of them"
        )
    if not filled:
        return b"", "S16LE"
    kind, coding = _ARRAYS[filled[0]]
    return np.asarray(getattr(data, filled[0])).astype(f"<{kind}", copy=False).tobytes(), coding


def raw_formats(sound: Mapping[str, Any]) -> dict[str, AudioFormat]:
    """A robot file's ``sound``: what messages of each device hold that do not say it. Raises AudioFormatError."""
    return {
        device: audio_format(
            entry.raw.coding, entry.raw.sample_rate, entry.raw.channels, what=f"sound.{device}.raw"
        )
        for device, entry in sound.items()
        if entry.raw is not None
    }
