"""Messages of a bag to the tracks of an episode.

Audio is read straight from its bytes, as are images (pictures.py), poses and wrenches (decode_motion.py): they are
many, and their types are frozen. Everything else goes through the definitions that the bag itself carries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_common.times import NS_PER_S
from foley_perception.audio.clock_fit import ClockError, fit_clock
from foley_perception.contact_event import Contact
from foley_perception.episodes.tracks import (
    AudioSegment,
    AudioTrack,
    EpisodeError,
    Label,
)
from foley_perception.recording import cdr
from foley_perception.recording.bag import BagMessage, BagTopic

Messages = Sequence[BagMessage]
MAX_STREAM_S = 4 * 3600.0


class Decoder:
    """Messages as objects, by the definitions inside the bag."""

    def __init__(self, topics: Mapping[str, BagTopic]) -> None:
        from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore

        self._store = get_typestore(Stores.EMPTY)
        self._types = {name: topic.type for name, topic in topics.items()}
        self._known: set[str] = set()
        for topic in topics.values():
            if not topic.definition or topic.type in self._known:
                continue
            if topic.encoding == "ros2idl":
                types = get_types_from_idl(topic.definition)
            else:
                types = get_types_from_msg(topic.definition, topic.type)
            new = {name: fields for name, fields in types.items() if name not in self._store.fielddefs}
            self._store.register(new)
            self._known.add(topic.type)

    def read(self, message: BagMessage) -> Any:
        """The message with its fields as attributes.

        Raises:
            EpisodeError: its type is not defined in the bag, or its bytes do not fit the definition.
        """
        kind = self._types[message.topic]
        data = bytes(message.data)
        try:
            # Not `Typestore.deserialize_cdr`: it refuses more than three bytes behind the message, and rclpy's
            # serialiser leaves four for every empty sequence of doubles (JointState.effort), whose alignment it
            # counts but does not write.
            if len(data) < 4 or data[0] != 0 or data[1] > 1:
                raise EpisodeError(f"{message.topic}: its encapsulation is not plain CDR")
            definition = self._store.get_msgdef(kind)
            read = definition.deserialize_cdr_le if data[1] else definition.deserialize_cdr_be
            return read(memoryview(data)[4:], 0, definition.cls, self._store)[0]
        except EpisodeError:
            raise
        except KeyError as error:
            raise EpisodeError(f"{message.topic}: the bag holds no definition of {kind}") from error
        except Exception as error:
            raise EpisodeError(f"{message.topic}: a {kind} cannot be read ({error})") from error


def stamp_ns(header: Any) -> int:
    return int(header.stamp.sec) * NS_PER_S + int(header.stamp.nanosec)


def increasing(times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices that put times in order and leave out repeated ones."""
    order = np.argsort(times, kind="stable")
    keep = np.ones(order.size, dtype=np.bool_)
    keep[1:] = np.diff(times[order]) > 0
    return np.asarray(order[keep], dtype=np.int64)


# ---- sound ---------------------------------------------------------------------------------------------
def audio_track(topic: str, messages: Messages, channel: int = 0) -> AudioTrack:
    """One channel of the microphone, stream after stream, each with its own fitted clock.

    Raises:
        EpisodeError: a rate that changes within a stream or is not what its stamps say; a missing channel.
    """
    groups: list[tuple[str, list[tuple[cdr.AudioHead, BagMessage]]]] = []
    for message in messages:
        head = _checked_head(topic, message, channel)
        if head.frames == 0:
            continue
        same = bool(groups) and groups[-1][0] == head.stream_id
        # A count that falls back is a restarted source that kept its name.
        if not same or head.first_sample < groups[-1][1][-1][0].first_sample:
            groups.append((head.stream_id, []))
        groups[-1][1].append((head, message))
    if not groups:
        raise EpisodeError(f"{topic}: no samples; is the microphone muted or its driver without permission?")
    segments = [_segment(topic, chunks, channel) for _, chunks in groups]
    return AudioTrack(tuple(sorted(segments, key=lambda s: s.start_ns)))


def _checked_head(topic: str, message: BagMessage, channel: int) -> cdr.AudioHead:
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


def _segment(topic: str, chunks: list[tuple[cdr.AudioHead, BagMessage]], channel: int) -> AudioSegment:
    heads = [head for head, _ in chunks]
    rate, first = heads[0].sample_rate, heads[0].first_sample
    for head in heads:
        if head.sample_rate != rate:
            raise EpisodeError(
                f"{topic}: sample_rate changes from {rate} to {head.sample_rate} Hz within stream "
                f"`{head.stream_id}`; the driver must begin a new stream_id when its rate changes"
            )
    length = max(head.first_sample + head.frames for head in heads) - first
    if length > MAX_STREAM_S * rate:
        raise EpisodeError(
            f"{topic}: first_sample jumps by {length / rate:.0f} s within stream `{heads[0].stream_id}`, more "
            f"than a recording may last ({MAX_STREAM_S:.0f} s): the driver's sample counter is broken"
        )
    samples, known = np.zeros(length, dtype=np.float32), np.zeros(length, dtype=np.bool_)
    for head, message in chunks:
        begin = head.first_sample - first
        samples[begin : begin + head.frames] = cdr.read_audio_samples(message.data, head)[:, channel]
        known[begin : begin + head.frames] = True
    known &= np.isfinite(samples)
    samples[~known] = 0.0
    try:
        clock = fit_clock(
            np.array([h.first_sample for h in heads]), np.array([h.header.time_ns for h in heads]), rate
        )
    except ClockError as error:
        raise EpisodeError(f"{topic}: {error}") from error
    edges = np.flatnonzero(np.diff(np.concatenate([[True], known, [True]]).astype(np.int8)))
    missing = tuple((int(a), int(b)) for a, b in edges.reshape(-1, 2))
    return AudioSegment(heads[0].stream_id, rate, first, samples, missing, clock)


# ---- events --------------------------------------------------------------------------------------------
def contacts(messages: Messages, decoder: Decoder) -> list[Contact]:
    found = []
    for message in messages:
        m = decoder.read(message)
        found.append(
            Contact(
                time_ns=stamp_ns(m.header),
                contact_id=m.contact_id,
                object_id=m.object_id,
                position=(float(m.position.x), float(m.position.y), float(m.position.z)),
                action=int(m.action),
                duration=float(m.duration),
                impulse=float(m.impulse),
                confidence=float(m.confidence),
                plan_id=m.plan_id,
                frame_id=m.header.frame_id,
            )
        )
    return sorted(found, key=lambda c: c.time_ns)


def labels(messages: Messages, decoder: Decoder) -> list[Label]:
    found = []
    for message in messages:
        m = decoder.read(message)
        start = int(m.start.sec) * NS_PER_S + int(m.start.nanosec)
        end = int(m.end.sec) * NS_PER_S + int(m.end.nanosec)
        found.append(Label(start, end, m.object_id, m.key, m.value))
    return found
