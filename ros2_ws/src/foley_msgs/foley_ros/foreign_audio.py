"""A microphone's topic as AudioChunks, whatever type its publisher has.

::

    mic/audio  AudioChunk ----------------------------------------------> callback
               AudioData, AudioStamped, RawAudio, ... --> ForeignSound -> callback
    audio_info AudioInfo, where it is published beside ------^

The graph says which type a topic has, so :meth:`ForeignAudio.look` is asked again every second: a driver may start
later, or be another one after its restart. Which of the two packages ``audio_common_msgs`` is there is told by the
fields of the class that is installed, and that the publisher's is the same one by its hash.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from rclpy.node import Node
from rclpy.subscription import Subscription

from foley_common import topics as registry
from foley_common.audio_formats import AudioFormat, AudioFormatError, audio_format
from foley_common.foreign_audio import (
    INFO_TYPE,
    TYPES,
    ForeignSound,
    HeardChunk,
    Layout,
    info_topics,
    layout_of,
)
from foley_common.topics import MICROPHONE, Topic
from foley_msgs.msg import AudioChunk
from foley_ros import convert, qos, topics

OURS = MICROPHONE.type
DEVICES = registry.devices("audio")
Callback = Callable[[Any], None]


@dataclasses.dataclass(frozen=True)
class RawAudioConfig:
    """The parameter that every node has."""

    raw_audio: tuple[str, ...] = dataclasses.field(
        default=(),
        metadata={
            "doc": "what messages of a microphone hold that do not say it, as `microphone=S16LE 16000 1`: coding, rate "
            "[Hz], channels"
        },
    )

    def __post_init__(self) -> None:
        self.formats()

    def formats(self) -> dict[str, AudioFormat]:
        """By device. Raises ValueError naming the entry."""
        found = {}
        for entry in self.raw_audio:
            device, _, text = (part.strip() for part in entry.partition("="))
            words = text.split()
            if len(words) != 3 or not all(word.isdigit() for word in words[1:]):
                raise ValueError(
                    f"raw_audio: `{entry}` is not `device=CODING RATE CHANNELS`, as microphone=S16LE 16000 1"
                )
            if device not in DEVICES:
                raise ValueError(f"raw_audio: `{device}` is no microphone; known are {', '.join(DEVICES)}")
            if device in found:
                raise ValueError(f"raw_audio: {device} is given twice; leave one out")
            try:
                found[device] = audio_format(words[0], int(words[1]), int(words[2]))
            except AudioFormatError as error:
                raise ValueError(f"raw_audio: `{entry}`: {error}") from error
        return found


class ForeignAudio:
    """The type that one microphone's topic has now, and its messages as AudioChunks.

    Args:
        callback: takes AudioChunks.
        raw: what messages hold that do not say it.
        listen: makes a subscription: class, topic, callback, profile.
        unlisten: ends it.
    """

    def __init__(
        self,
        node: Node,
        topic: Topic,
        callback: Callback,
        raw: AudioFormat | None,
        *,
        listen: Callable[..., Subscription],
        unlisten: Callable[[Subscription], None],
    ) -> None:
        self._node, self._callback, self._raw = node, callback, raw
        self._listen, self._unlisten = listen, unlisten
        self.name = topic.name
        self._topic = node.resolve_topic_name(topic.name)
        self._system_time = not node.get_parameter("use_sim_time").value
        self.type, self.message_class = OURS, topics.message_class(OURS)
        self._sound: ForeignSound | None = None
        self._info: Subscription | None = None
        self._troubles: list[str] = []

    # ---- what is subscribed to -------------------------------------------------------------------------
    @property
    def callback(self) -> Callable[..., None]:
        """Of the subscription: with the message's information where the type is foreign."""
        return self._callback if self._sound is None else self._take

    def look(self) -> bool:
        """Ask the graph; whether the topic is to be subscribed to anew."""
        everyone = self._node.get_publishers_info_by_topic(self._topic)
        publishers = {p.topic_type: p for p in everyone}
        self._troubles = []
        usable: dict[str, Any] = {}
        for kind, publisher in publishers.items():
            if kind == OURS:
                usable[kind] = self.message_class if self.type == OURS else topics.message_class(OURS)
            elif kind in TYPES:
                try:
                    usable[kind] = class_of(kind, publisher)
                except (ImportError, AttributeError, ValueError) as error:
                    self._troubles.append(f"{self.name}: {error}")
        if not usable:
            self._follow_info()
            return False
        wanted = self.type if self.type in usable else min(usable, key=lambda kind: kind != OURS)
        if len(usable) > 1:
            self._troubles.append(
                f"{self.name}: is published as {' and as '.join(sorted(usable))}; {wanted} is heard: give the other "
                "one a topic of its own"
            )
        several = sorted(topics.node_of(p) for p in everyone if p.topic_type == wanted)
        if wanted != OURS and len(several) > 1:  # of ours a stream's name tells them apart
            self._troubles.append(
                f"{self.name}: {' and '.join(several)} publish {wanted} on {self._topic}, and their sound is mixed: "
                "give each microphone a topic of its own"
            )
        changed = wanted != self.type
        if changed:
            self._become(wanted, usable[wanted])
        self._follow_info()
        return changed

    def handles(self, kind: str) -> bool:
        """Whether a type that somebody publishes is looked after here."""
        return kind == OURS or kind in TYPES

    def _become(self, kind: str, message_class: type[Any]) -> None:
        self._end_info()
        self.type, self.message_class, self._sound = kind, message_class, None
        if kind != OURS:
            self._sound = ForeignSound(self._topic, self._raw, name=uuid.uuid4().hex[:8])
            self._node.get_logger().info(f"{self._topic}: heard as {kind}")

    # ---- AudioInfo -------------------------------------------------------------------------------------
    def _follow_info(self) -> None:
        if self._sound is None or layout_of(self.message_class()) not in (Layout.DATA, Layout.STAMPED):
            return
        for name in info_topics(self._topic):
            offered = [
                p.qos_profile
                for p in self._node.get_publishers_info_by_topic(name)
                if p.topic_type == INFO_TYPE
            ]
            if not offered:
                continue
            profile = qos.fitting(qos.LATCHED, offered)
            if self._info is not None:
                if self._info.topic_name == name and qos.same(profile, self._info.qos_profile):
                    return
                self._end_info()
            self._info = self._listen(topics.message_class(INFO_TYPE), name, self._told, profile)
            return

    def _end_info(self) -> None:
        if self._info is not None:
            self._unlisten(self._info)
            self._info = None

    def _told(self, info: Any) -> None:
        if self._sound is not None:
            self._hand_on(self._sound.told(info))

    # ---- messages --------------------------------------------------------------------------------------
    def _take(self, message: Any, info: Mapping[str, Any]) -> None:
        if self._sound is None:
            return
        arrival = int(info.get("received_timestamp") or 0) if self._system_time else 0
        arrival = arrival or int(self._node.get_clock().now().nanoseconds)
        number = int(info.get("publication_sequence_number") or 0)
        self._hand_on(self._sound.feed(message, arrival, number))

    def _hand_on(self, chunks: list[HeardChunk]) -> None:
        for chunk in chunks:
            self._callback(_message(chunk))

    def troubles(self) -> list[str]:
        """What is wrong, one sentence each."""
        now = int(self._node.get_clock().now().nanoseconds)
        told = self._sound.trouble(now) if self._sound is not None else ""
        return [*self._troubles, *([told] if told else [])]


def _message(chunk: HeardChunk) -> AudioChunk:
    return convert.array_to_audio(
        chunk.samples,
        time_ns=chunk.time_ns,
        frame_id=chunk.frame_id,
        stream_id=chunk.stream_id,
        first_sample=chunk.first_sample,
        sample_rate=chunk.sample_rate,
        stamp_source=AudioChunk.STAMP_ARRIVAL if chunk.by_arrival else AudioChunk.STAMP_DRIVER,
        stamp_uncertainty=chunk.uncertainty_s,
    )


def class_of(kind: str, publisher: Any) -> type[Any]:
    """The class of a foreign type, when it is the publisher's.

    Raises:
        ImportError, AttributeError, ValueError: it is not installed, or is another package's of the same name.
    """
    package = kind.split("/")[0]
    try:
        found = topics.message_class(kind)
    except (ImportError, AttributeError) as error:
        hint = (
            "; two packages have this name, and the other one is installed"
            if topics.installed(package)
            else ""
        )
        raise type(error)(
            f"is published as {kind}, which is not installed here{hint}: install ros-jazzy-"
            f"{package.replace('_', '-')} or source the workspace of the driver before Foley starts"
        ) from error
    ours, theirs = topics.installed_hash(kind), topics.hash_text(publisher.topic_type_hash)
    if ours and theirs and ours != theirs:
        raise ValueError(
            f"is published as {kind} of another package of this name than the one that is installed here (their "
            f"definitions differ, {theirs[:15]} and {ours[:15]}): source the workspace of the driver before Foley "
            "starts"
        )
    return found
