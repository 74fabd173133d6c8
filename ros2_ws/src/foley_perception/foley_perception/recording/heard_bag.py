"""A bag whose foreign sound reads as AudioChunks.

The first reading counts the samples of every message (``foley_common.foreign_audio``) and keeps where each lies, so
that a stretch of time reads the same afterwards. What was compressed is decoded once, into a temporary file.
"""

from __future__ import annotations

import collections
import tempfile
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foley_common import topic_map, topics
from foley_common.audio_formats import AudioFormat
from foley_common.foreign_audio import TYPES, HeardChunk
from foley_common.topics import MICROPHONE
from foley_perception.recording import cdr, definitions
from foley_perception.recording.bag import Bag, BagMessage, BagTopic
from foley_perception.recording.cdr import AudioHead
from foley_perception.recording.foreign_sound import ForeignSounds, head_of, robot_formats
from foley_perception.recording.session import ROBOT_KEY, recorded_map

_COLUMNS = (
    7  # log time, number among those of that time, first sample, stamp, head, place in the file, frames
)


class _Source(NamedTuple):
    """A foreign message, in the order in which they lie in the bag."""

    message: BagMessage
    number: int  # among its topic's of one log time


class HeardBag(Bag):
    """See the module's docstring.

    Args:
        raw: by device, what messages hold that do not say it, before what the recording's robot file says.
        mapping: the registry's names -> topics, beside what the bag's own metadata map.

    Attributes:
        foreign: the types that topics have, of those that read as AudioChunks.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        raw: Mapping[str, AudioFormat] | None = None,
        mapping: Mapping[str, str] | None = None,
    ) -> None:
        self.foreign: dict[str, BagTopic] = {}
        self._raw, self._mapping = dict(raw or {}), dict(mapping or {})
        self._sounds = ForeignSounds()
        self._told_topics: set[str] = set()  # of AudioInfo
        self._rows: dict[str, array[int]] = collections.defaultdict(lambda: array("q"))
        self._heads: list[
            tuple[AudioHead, AudioFormat | None]
        ] = []  # one for each run that differs in place alone
        self._placed: dict[str, NDArray[np.int64]] | None = None  # when all was read once
        self._file: Any = None
        super().__init__(path)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        super().close()

    def messages(self, *, start_ns: int | None = None, end_ns: int | None = None) -> Iterator[BagMessage]:
        if self._placed is None:
            if start_ns is not None or end_ns is not None:
                for _ in self.messages():
                    pass
            else:
                yield from self._first_reading()
                return
        numbers: dict[tuple[str, int], int] = collections.Counter()
        for message in super().messages(start_ns=start_ns, end_ns=end_ns):
            if message.topic not in self.foreign:
                yield message
            elif (heard := self._again(message, numbers)) is not None:
                yield heard

    def told(self, name: str) -> str:
        """Type and coding of a topic whose sound is foreign."""
        return self._sounds.told(name)

    @property
    def unheard(self) -> dict[str, str]:
        """Foreign topics of which something cannot be heard, and why; complete when all was read."""
        return self._sounds.troubles()

    # ---- inside ----------------------------------------------------------------------------------------
    def _add_topic(
        self, name: str, kind: str, text: str, encoding: str, offered: str = "", mark: str = ""
    ) -> None:
        super()._add_topic(name, kind, text, encoding, offered, mark)
        topic = self.topics[name]
        if not self._sounds.add_topic(name, kind, topic.definition, topic.encoding):
            return
        if kind not in TYPES:
            self._told_topics.add(name)
            return
        ours = definitions.find(MICROPHONE.type)
        self.foreign[name] = topic
        self.topics[name] = BagTopic(name, ours.type, ours.text, "ros2msg", topic.qos, ours.type_hash)

    def _first_reading(self) -> Iterator[BagMessage]:
        asked: set[str] = set()  # topics of which more waits than is kept
        numbers: dict[tuple[str, int], int] = collections.Counter()
        for message in super().messages():
            name = message.topic
            if name not in self.foreign:
                if name in self._told_topics:
                    yield from self._new(self._sounds.add(name, message.data, message.log_time))
                yield message
                continue
            key = (name, message.log_time)
            source = _Source(message, numbers[key])
            numbers[key] += 1
            yield from self._new(
                self._sounds.add(name, message.data, message.log_time, message.sequence, source)
            )
            if self._sounds.is_full(name) and name not in asked:
                asked.add(name)
                yield from self._new(self._sounds.assume(self._described(self._whole_session())))
        yield from self._new(self._sounds.finish(self._described(self.session)))
        self.problems += self.unheard.values()
        self._placed = {}
        for name, rows in self._rows.items():
            table = np.array(rows, dtype=np.int64).reshape(-1, _COLUMNS)
            self._placed[name] = table[np.lexsort((table[:, 1], table[:, 0]))]
        self._rows.clear()

    def _whole_session(self) -> dict[str, Any]:
        """The metadata before all was read: they stand at the end of the bag's file, if not in metadata.yaml."""
        if ROBOT_KEY in self.session:
            return self.session
        whole = Bag(self.path)
        for _ in whole.messages():
            pass
        whole.close()
        return whole.session

    def _described(self, session: Mapping[str, Any]) -> dict[str, AudioFormat]:
        """By topic, what a person says of messages that nobody describes."""
        if not self._sounds.waiting:
            return {}
        by_device = robot_formats(str(session.get(ROBOT_KEY, ""))) | self._raw
        mapped = topic_map.merged(recorded_map(session)[0], self._mapping)
        found = {}
        for name in self._sounds.waiting:
            for topic in topics.read_by("audio"):
                called = mapped.get(topic.name)
                if topic.device in by_device and (
                    name == called or (called is None and name.endswith("/" + topic.name))
                ):
                    found[name] = by_device[topic.device]
        return found

    def _new(self, heard: list[tuple[str, HeardChunk]]) -> Iterator[BagMessage]:
        for name, chunk in heard:
            source: _Source = chunk.of
            head = head_of(chunk)
            place = -1 if chunk.form is not None else self._keep(chunk.samples)
            same = _without_place(head), chunk.form
            if not self._heads or self._heads[-1] != same:
                self._heads.append(same)
            self._rows[name].extend(
                (
                    source.message.log_time,
                    source.number,
                    chunk.first_sample,
                    chunk.time_ns,
                    len(self._heads) - 1,
                    place,
                    len(chunk.samples),
                )
            )
            yield _as_chunk(source.message, head, chunk.samples)

    def _keep(self, samples: NDArray[np.float32]) -> int:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="foley_sound_")  # noqa: SIM115 - closed with the bag
        place = int(self._file.seek(0, 2))
        self._file.write(np.ascontiguousarray(samples, np.float32).tobytes())
        return place

    def _again(self, message: BagMessage, numbers: dict[tuple[str, int], int]) -> BagMessage | None:
        """A message that was read before; None for one without sound."""
        assert self._placed is not None
        name, at = message.topic, message.log_time
        number = numbers[name, at]
        numbers[name, at] = number + 1
        table = self._placed.get(name)
        if table is None:
            return None
        row = int(np.searchsorted(table[:, 0], at))
        while row < len(table) and table[row, 0] == at and table[row, 1] != number:
            row += 1
        if row == len(table) or table[row, 0] != at:
            return None
        _, _, first_sample, time_ns, number_of_head, place, frames = table[row].tolist()
        head, form = self._heads[number_of_head]
        head = head._replace(header=head.header._replace(time_ns=time_ns), first_sample=first_sample)

        def fetch() -> bytes:
            if form is not None:
                samples = self._sounds.samples(name, message.data, form)
            else:
                self._file.seek(place)
                read = self._file.read(4 * frames * head.channels)
                samples = np.frombuffer(read, np.float32).reshape(-1, head.channels)
            return cdr.write_audio(head, samples)

        return BagMessage(name, at, message.publish_time, message.sequence, fetch)


def _without_place(head: AudioHead) -> AudioHead:
    return head._replace(
        header=head.header._replace(time_ns=0), first_sample=0, size=0, stamp_uncertainty=-1.0
    )


def _as_chunk(message: BagMessage, head: AudioHead, samples: NDArray[np.float32]) -> BagMessage:
    data = cdr.write_audio(head, samples)
    return BagMessage(message.topic, message.log_time, message.publish_time, message.sequence, lambda: data)
