"""One recording: writer, statistics, latched messages and health, without any ROS.

The node hands over every raw message with the time it arrived; nothing here deserialises more than a header.
"""

from __future__ import annotations

import collections
import dataclasses
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from foley_common.topics import MICROPHONE, RECORDED_QOS
from foley_perception.recording import cdr, definitions
from foley_perception.recording.auditor import Auditor
from foley_perception.recording.errors import BagError
from foley_perception.recording.metadata import TopicInfo
from foley_perception.recording.statistics import TopicMonitor, TopicReport
from foley_perception.recording.writer import BagWriter

AUDIO_TYPE = MICROPHONE.type
PROFILES: tuple[str, ...] = RECORDED_QOS
_PERIODIC = frozenset({"audio", "state", "image"})
_LATCHED = frozenset({"latched", "tf_static"})


class RawMessage(NamedTuple):
    """A message as it came."""

    data: bytes
    arrival_ns: int
    publish_ns: int = 0
    sequence: int = 0  # of its publisher, from 1; 0 unknown


@dataclasses.dataclass(frozen=True)
class TopicSpec:
    """A topic to record: one entry of the recorder's configuration."""

    name: str
    type: str
    profile: str  # one of PROFILES
    required: bool = False

    @staticmethod
    def parse(entry: str) -> TopicSpec:
        """From ``name type profile [required]``.

        Raises:
            ValueError: names the entry and what is wrong with it.
        """
        words = entry.split()
        if len(words) not in (3, 4) or (len(words) == 4 and words[3] != "required"):
            raise ValueError(f"topics: `{entry}` is not `name package/msg/Type profile [required]`")
        if words[1].count("/") != 2:
            raise ValueError(f"topics: type `{words[1]}` in `{entry}` is not package/msg/Type")
        if words[2] not in PROFILES:
            raise ValueError(f"topics: profile `{words[2]}` in `{entry}`, known are {', '.join(PROFILES)}")
        return TopicSpec(words[0], words[1], words[2], len(words) == 4)

    @property
    def periodic(self) -> bool:
        return self.profile in _PERIODIC

    @property
    def latched(self) -> bool:
        return self.profile in _LATCHED


class LatchedStore:
    """The messages that a recording starting now would have missed: the newest of each latched topic, and
    every different one of tf_static, whose publishers each latch their own frames."""

    def __init__(self, limit: int = 1000) -> None:
        self._limit = limit
        self._kept: dict[str, collections.OrderedDict[bytes, RawMessage]] = {}

    def keep(self, topic: str, spec: TopicSpec, message: RawMessage) -> None:
        if not spec.latched:
            return
        kept = self._kept.setdefault(topic, collections.OrderedDict())
        if spec.profile == "latched":
            kept.clear()
        kept.pop(message.data, None)
        kept[message.data] = message
        while len(kept) > self._limit:
            kept.popitem(last=False)

    def items(self) -> Iterable[tuple[str, RawMessage]]:
        for topic, kept in self._kept.items():
            for message in kept.values():
                yield topic, message


@dataclasses.dataclass(frozen=True)
class RecordingResult:
    path: Path
    duration_s: float
    bytes: int
    topics: tuple[TopicReport, ...]
    failure: BagError | None
    missing: tuple[str, ...]  # required topics without a message
    loss_bound_s: float  # what a kill would have cost at worst
    findings: tuple[str, ...] = ()  # of the audit, the worst first


class Recording:
    """A recording in progress.

    Args:
        topics: topic name in the bag -> what it is.
        latched: messages from before the start, written first.
        start_ns: ROS time.
        audit: is shown every message.

    Raises:
        BagError: the bag cannot be begun.
    """

    def __init__(
        self,
        folder: Path,
        topics: Mapping[str, TopicSpec],
        *,
        session: Mapping[str, str],
        start_ns: int,
        latched: Iterable[tuple[str, RawMessage]] = (),
        offered_qos: Mapping[str, Sequence[Mapping[str, object]]] | None = None,
        flush_period_s: float = 1.0,
        queue_bytes: int = 128 << 20,
        min_free_bytes: int = 256 << 20,
        audit: Auditor | None = None,
    ) -> None:
        self.start_ns = start_ns
        self.flush_period_s = flush_period_s
        self._writer = BagWriter(
            folder,
            session=session,
            flush_period_s=flush_period_s,
            queue_bytes=queue_bytes,
            min_free_bytes=min_free_bytes,
        )
        self.monitors: dict[str, TopicMonitor] = {}
        self._audit = audit
        self._stamp_at: dict[str, tuple[int, bool] | None] = {}
        for name, spec in topics.items():
            definition = definitions.find(spec.type)
            self._writer.add_topic(
                TopicInfo(
                    name,
                    spec.type,
                    definition.text,
                    type_hash=definition.type_hash,
                    offered_qos=tuple((offered_qos or {}).get(name, ())),
                )
            )
            if audit is not None:
                audit.add_topic(name, spec.type, definition.text)
            self._stamp_at[name] = definitions.stamp_offset(definition.text)
            self.monitors[name] = TopicMonitor(
                name, spec.type, periodic=spec.periodic, expected=spec.required
            )
        for name, message in latched:
            if name in self.monitors:
                self.add(name, message._replace(arrival_ns=start_ns, sequence=0))

    def add(self, topic: str, message: RawMessage) -> None:
        """Take one message in; cheap enough for the thread that receives."""
        monitor = self.monitors[topic]
        stamp = cdr.read_first_stamp(message.data, self._stamp_at[topic])
        audio = cdr.audio_head_or_none(message.data) if monitor.type == AUDIO_TYPE else None
        monitor.update(
            message.arrival_ns, len(message.data), stamp_ns=stamp, sequence=message.sequence, audio=audio
        )
        if self._audit is not None:
            self._audit.add(topic, message.data, message.arrival_ns)
        self._writer.put(
            topic,
            message.arrival_ns,
            message.data,
            publish_time=message.publish_ns or message.arrival_ns,
            sequence=message.sequence,
        )

    @property
    def path(self) -> Path:
        return self._writer.folder

    @property
    def failure(self) -> BagError | None:
        return self._writer.failure

    @property
    def bytes_written(self) -> int:
        return self._writer.bytes_written

    @property
    def queued_bytes(self) -> int:
        return self._writer.queued_bytes

    @property
    def dropped(self) -> int:
        return sum(self._writer.dropped.values())

    def silent(self, now_ns: int, after_s: float) -> dict[str, float]:
        """Required periodic topics without a message for ``after_s``, and for how long [s]."""
        quiet = {
            name: monitor.silent_s(now_ns, self.start_ns)
            for name, monitor in self.monitors.items()
            if monitor.expected and (monitor.periodic or monitor.messages == 0)
        }
        return {name: seconds for name, seconds in quiet.items() if seconds > after_s}

    def finish(self, end_ns: int, *, discard: bool = False) -> RecordingResult:
        """Close the bag and judge it; ``discard`` removes it."""
        self._writer.close()
        audit = self._audit
        steps = audit.clock_steps() if audit is not None else {}
        reports = tuple(
            monitor.report(
                start_ns=self.start_ns,
                end_ns=end_ns,
                dropped=self._writer.dropped[name],
                clock_steps=steps.get(name, ()),
            )
            for name, monitor in self.monitors.items()
        )
        size = sum(f.stat().st_size for f in self.path.iterdir()) if self.path.is_dir() else 0
        if discard:
            shutil.rmtree(self.path, ignore_errors=True)
        return RecordingResult(
            path=self.path,
            duration_s=max(end_ns - self.start_ns, 0) * 1e-9,
            bytes=size,
            topics=reports,
            failure=self._writer.failure,
            missing=tuple(sorted(r.topic for r in reports if r.expected and r.messages == 0)),
            loss_bound_s=self.flush_period_s + self._writer.longest_flush_s,
            findings=tuple(audit.lines()) if audit is not None else (),
        )
