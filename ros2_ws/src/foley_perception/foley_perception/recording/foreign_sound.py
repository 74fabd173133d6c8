"""Sound of other packages' messages in recordings, by the definitions that come with it."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_common.audio_formats import AudioFormat, AudioFormatError
from foley_common.foreign_audio import INFO_TYPE, TYPES, ForeignSound, HeardChunk, info_topics
from foley_perception.recording.cdr import AudioHead, Buffer, Header
from foley_perception.recording.typed import UnreadableMessage, read_typed, store_of

_ARRIVAL, _DRIVER = 0, 1  # AudioChunk.STAMP_*
_MOST_WAITING = 20_000


class ForeignSounds:
    """All foreign microphones of a recording, and what is said of them beside.

    Args:
        raw: what messages of a topic hold that do not say it.
    """

    def __init__(self, raw: dict[str, AudioFormat] | None = None) -> None:
        self._raw = raw or {}
        self._sounds: dict[str, ForeignSound] = {}
        self._stores: dict[str, tuple[str, Any]] = {}
        self._infos: dict[str, Any] = {}  # by topic, the newest

    def add_topic(self, name: str, kind: str, definition: str, encoding: str = "ros2msg") -> bool:
        """Whether a topic is one of them, or tells of one."""
        if kind not in TYPES and kind != INFO_TYPE:
            return False
        self._stores[name] = kind, store_of(((kind, definition, encoding),))
        if kind in TYPES:
            self._sounds[name] = ForeignSound(name, self._raw.get(name), most_waiting=_MOST_WAITING)
            for topic, info in self._infos.items():
                if topic in info_topics(name):
                    self._sounds[name].told(info)
        return True

    def is_sound(self, name: str) -> bool:
        return name in self._sounds

    def add(
        self, name: str, data: Buffer, arrival_ns: int, sequence: int = 0, of: Any = None
    ) -> list[tuple[str, HeardChunk]]:
        """A message of a topic that was added; chunks with their topics, as soon as their place is known."""
        kind, store = self._stores[name]
        try:
            message = read_typed(store, kind, data)
        except UnreadableMessage as error:
            return [(name, c) for c in self._sounds[name].refuse(str(error))] if name in self._sounds else []
        if kind == INFO_TYPE:
            self._infos[name] = message
            return [
                (topic, chunk)
                for topic, sound in self._sounds.items()
                if name in info_topics(topic)
                for chunk in sound.told(message)
            ]
        return [(name, chunk) for chunk in self._sounds[name].feed(message, arrival_ns, sequence, of)]

    def is_full(self, name: str) -> bool:
        """Whether so many messages of a topic wait for somebody to describe them that the first ones are given up."""
        return name in self._sounds and self._sounds[name].full

    def assume(self, raw: dict[str, AudioFormat]) -> list[tuple[str, HeardChunk]]:
        """What messages of topics hold that nobody described; those that waited."""
        return [
            (name, chunk)
            for name, sound in self._sounds.items()
            if sound.waits and name in raw
            for chunk in sound.assume(raw[name])
        ]

    def finish(self, raw: dict[str, AudioFormat] | None = None) -> list[tuple[str, HeardChunk]]:
        """What is held back, when all was added; ``raw`` likewise of those that nobody described."""
        found = self.assume(raw or {})
        return found + [(name, chunk) for name, sound in self._sounds.items() for chunk in sound.flush()]

    def samples(self, name: str, data: Buffer, form: AudioFormat) -> NDArray[np.float32]:
        """Of a message that was added before and decodes alone: [frames, channels]."""
        kind, store = self._stores[name]
        return self._sounds[name].samples(read_typed(store, kind, data), form)

    @property
    def waiting(self) -> list[str]:
        """Topics of which nobody said what they hold."""
        return [name for name, sound in self._sounds.items() if sound.waits]

    def told(self, name: str) -> str:
        """What a topic holds: type and coding."""
        sound = self._sounds[name]
        return f"{self._stores[name][0]}, {sound.format_text or 'not decoded'}"

    def troubles(self) -> dict[str, str]:
        """Of each topic, what is wrong with it."""
        return {name: text for name, sound in self._sounds.items() if (text := sound.trouble())}


class Codings:
    """What the foreign microphones of a recording hold, by their first messages; an auditor (see auditor.py)."""

    _MOST = 200  # messages of each topic

    def __init__(self) -> None:
        self._sounds = ForeignSounds()
        self._left: dict[str, int] = {}

    def add_topic(self, name: str, message_type: str, definition: str) -> None:
        if self._sounds.add_topic(name, message_type, definition):
            self._left[name] = self._MOST

    def add(self, topic: str, data: Buffer, arrival_ns: int) -> None:
        if self._left.get(topic, 0) > 0:
            self._left[topic] -= 1
            self._sounds.add(topic, data, arrival_ns)

    def clock_steps(self) -> dict[str, list[tuple[int, float]]]:
        return {}

    def lines(self) -> list[str]:
        """A line for each topic."""
        return [f"{name}: {self._sounds.told(name)}" for name in self._left if self._sounds.is_sound(name)]


def head_of(chunk: HeardChunk) -> AudioHead:
    """A chunk as the head of an AudioChunk."""
    return AudioHead(
        Header(chunk.time_ns, chunk.frame_id),
        chunk.stream_id,
        chunk.first_sample,
        chunk.sample_rate,
        chunk.samples.shape[1],
        _ARRIVAL if chunk.by_arrival else _DRIVER,
        chunk.uncertainty_s,
        chunk.samples.size,
        0,
    )


def robot_formats(text: str) -> dict[str, AudioFormat]:
    """By device, what a recording's robot file says of messages that do not say it; none where it cannot be read."""
    from foley_common.foreign_audio import raw_formats
    from foley_common.robot_file import RobotFile, RobotFileError

    with contextlib.suppress(RobotFileError, AudioFormatError):
        return raw_formats(RobotFile.parse(text).sound)
    return {}
