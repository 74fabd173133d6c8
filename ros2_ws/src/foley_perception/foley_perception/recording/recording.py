"""One recording: writer, statistics, latched messages and health, without any ROS.

The node hands over every raw message with the time it arrived; nothing here deserialises more than a header.
"""

from __future__ import annotations

import collections
import dataclasses
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from foley_common.topics import LABELS, MICROPHONE, RECORDED_QOS
from foley_perception.recording import cdr, definitions
from foley_perception.recording.auditor import Auditor
from foley_perception.recording.compression import AS_IT_ARRIVES, COMPRESSED_TYPE, Form, encoded_topic
from foley_perception.recording.errors import BagError
from foley_perception.recording.labels import LABEL_TYPE, PAUSE, Label, Pauses, write_label
from foley_perception.recording.metadata import TopicInfo
from foley_perception.recording.statistics import TopicMonitor, TopicReport
from foley_perception.recording.writer import NEVER, BagWriter, Split

if TYPE_CHECKING:  # OpenCV is loaded where images are encoded only
    from foley_perception.recording.encode import Encoder

AUDIO_TYPE = MICROPHONE.type
PROFILES: tuple[str, ...] = RECORDED_QOS
_AHEAD_BYTES = 16 << 20  # that wait for the disk while a snapshot is written
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

    @property
    def kept_in_a_pause(self) -> bool:
        """What holds on, and what people say."""
        return self.latched or self.type == LABEL_TYPE


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


class _Way(NamedTuple):
    """How the messages of one topic get into the bag."""

    topic: str  # in the bag
    form: Form
    monitor: TopicMonitor
    stamp_at: tuple[int, bool] | None
    in_pauses: bool


class Recording:
    """A recording in progress.

    Args:
        topics: topic name -> what it is.
        latched: messages from before the start, written first.
        start_ns: ROS time.
        audit: is shown every message, as it arrived.
        split: when another file begins.
        forms: topics that are compressed -> how.

    Attributes:
        monitors: by topic as it arrives; of images that are encoded they bear the name in the bag.

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
        split: Split = NEVER,
        forms: Mapping[str, Form] | None = None,
    ) -> None:
        self.start_ns = start_ns
        self.flush_period_s = flush_period_s
        self._ahead_bytes = min(_AHEAD_BYTES, queue_bytes // 4)  # half is the encoder's
        self._writer = BagWriter(
            folder,
            session=session,
            flush_period_s=flush_period_s,
            queue_bytes=queue_bytes,
            min_free_bytes=min_free_bytes,
            split=split,
        )
        self.monitors: dict[str, TopicMonitor] = {}
        self._audit = audit
        self._pauses = Pauses()
        self._paused_ns: int | None = None  # since when
        self._raw: dict[str, TopicInfo] = {}  # of encoded topics, for images that stay as they came
        self._ways: dict[str, _Way] = {}
        forms = forms or {}
        self._encoder = _encoder(queue_bytes // 2) if any(f.encodes for f in forms.values()) else None
        for name, spec in topics.items():
            self._add_topic(name, spec, forms.get(name, AS_IT_ARRIVES), (offered_qos or {}).get(name, ()))
        self._labels = next((n for n, s in topics.items() if s.type == LABEL_TYPE), f"/{LABELS.name}")
        for name, message in latched:
            if name in self.monitors:
                self.add(name, message._replace(arrival_ns=start_ns, sequence=0))

    def _add_topic(
        self, name: str, spec: TopicSpec, form: Form, offered: Sequence[Mapping[str, object]]
    ) -> None:
        definition = definitions.find(spec.type)
        info = TopicInfo(
            name,
            spec.type,
            definition.text,
            type_hash=definition.type_hash,
            offered_qos=tuple(offered),
        )
        if self._audit is not None:
            self._audit.add_topic(name, spec.type, definition.text)
        kept = info
        if form.encodes:
            self._raw[name] = info
            file = definitions.find(COMPRESSED_TYPE)
            kept = TopicInfo(
                encoded_topic(name, form),
                COMPRESSED_TYPE,
                file.text,
                type_hash=file.type_hash,
                offered_qos=tuple(offered),
            )
        self._writer.add_topic(kept, packed=form.packed)
        monitor = self.monitors[name] = TopicMonitor(
            kept.name,
            kept.type,
            periodic=spec.periodic,
            expected=spec.required,
            pauses=self._pauses.spans,
        )
        stamp_at = definitions.stamp_offset(definition.text)
        self._ways[name] = _Way(kept.name, form, monitor, stamp_at, spec.kept_in_a_pause)

    def add(self, topic: str, message: RawMessage, *, always: bool = False) -> None:
        """Take one message in; cheap enough for the thread that receives. In a pause most are left out.

        Args:
            always: also where so much waits for the disk that others are dropped.
        """
        kept, form, monitor, stamp_at, in_pauses = self._ways[topic]
        if self._paused_ns is not None and not in_pauses:
            return
        data, arrival_ns, publish_ns, sequence = message
        # It is kept before it is looked at: whatever is in it, it is in the bag.
        if form.encodes:
            self._put_image(topic, kept, form, message)
        else:
            at = publish_ns or arrival_ns
            self._writer.put(kept, arrival_ns, data, publish_time=at, sequence=sequence, always=always)
        stamp = cdr.read_first_stamp(data, stamp_at)
        audio = cdr.audio_head_or_none(data) if monitor.type == AUDIO_TYPE else None
        monitor.update(arrival_ns, len(data), stamp_ns=stamp, sequence=sequence, audio=audio)
        if self._audit is not None:
            self._audit.add(topic, data, arrival_ns)

    def _put_image(self, topic: str, kept: str, form: Form, message: RawMessage) -> None:
        assert self._encoder is not None
        data, arrival_ns, publish_ns, sequence = message
        self._writer.put_encoded(
            kept,
            arrival_ns,
            self._encoder.put(topic, form, data),
            (self._raw[topic], data),
            publish_time=publish_ns or arrival_ns,
            sequence=sequence,
        )

    # ---- pauses and files ------------------------------------------------------------------------------
    def pause(self, now_ns: int) -> None:
        """Keep nothing of what comes, but for latched topics and labels. Not to be called in a pause."""
        self._paused_ns = now_ns
        self._put_pause(now_ns, now_ns, now_ns, "begins")

    def resume(self, now_ns: int) -> float:
        """Go on. Returns how long the pause was [s]."""
        start_ns, self._paused_ns = self._paused_ns, None
        assert start_ns is not None, "not paused"
        end_ns = max(now_ns, start_ns + 1)
        self._pauses.add(start_ns, end_ns)
        self._put_pause(now_ns, start_ns, end_ns, "")
        return (end_ns - start_ns) * 1e-9

    def _put_pause(self, now_ns: int, start_ns: int, end_ns: int, value: str) -> None:
        """A label between what came before and what comes behind, in whichever chunk they lie."""
        self.add_label(Label(cdr.Header(now_ns, ""), start_ns, end_ns, "", PAUSE, value))
        self._writer.barrier()

    def add_label(self, label: Label) -> None:
        """A label that the recorder itself gives, at the time of its header. A slow disk does not cost it."""
        if self._labels not in self._ways:  # no topic of labels is recorded
            spec = TopicSpec(self._labels, LABEL_TYPE, LABELS.profile_recorded)
            self._add_topic(self._labels, spec, AS_IT_ARRIVES, ())
        self.add(self._labels, RawMessage(write_label(label), label.header.time_ns), always=True)

    @property
    def paused_ns(self) -> int | None:
        """Since when it has been paused; None: it is not."""
        return self._paused_ns

    def recorded_s(self, now_ns: int) -> float:
        """Since the start, without pauses."""
        paused = sum(p.end_ns - p.start_ns for p in self._pauses.spans if p.over)
        paused += 0 if self._paused_ns is None else max(now_ns - self._paused_ns, 0)
        return max(now_ns - self.start_ns - paused, 0) * 1e-9

    def wait(self) -> None:
        """Until what was added is about to be written, for one that adds faster than a disk writes."""
        while self._writer.queued_bytes > self._ahead_bytes and self._writer.failure is None:
            time.sleep(0.005)

    def split(self) -> None:
        """What comes next goes into another file."""
        self._writer.split()

    @property
    def files(self) -> int:
        return self._writer.files

    @property
    def free_bytes(self) -> int | None:
        """Of the disk, as it was looked at with the last flush."""
        return self._writer.free_bytes

    @property
    def dropped_of(self) -> Mapping[str, int]:
        """By topic in the bag: what was dropped because the disk was too slow."""
        return self._writer.dropped

    def not_encoded(self) -> list[str]:
        """A sentence for each topic of which images were kept as they came."""
        return [
            f"{topic}: {count} images were kept as they came, not {self._ways[topic].form}: {why}"
            for topic, (count, why) in dict(self._writer.not_encoded).items()
        ]

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
        if self._paused_ns is not None:
            return {}
        since_ns = max([self.start_ns, *(pause.end_ns for pause in self._pauses.spans if pause.over)])
        quiet = {
            name: monitor.silent_s(now_ns, since_ns)
            for name, monitor in self.monitors.items()
            if monitor.expected and (monitor.periodic or monitor.messages == 0)
        }
        return {name: seconds for name, seconds in quiet.items() if seconds > after_s}

    def finish(self, end_ns: int, *, discard: bool = False) -> RecordingResult:
        """Close the bag and judge it; ``discard`` removes it."""
        if self._paused_ns is not None:
            self.resume(end_ns)
        self._writer.close()
        if self._encoder is not None:
            self._encoder.close()
        audit = self._audit
        steps = audit.clock_steps() if audit is not None else {}
        reports = tuple(
            monitor.report(
                start_ns=self.start_ns,
                end_ns=end_ns,
                dropped=self._writer.dropped[monitor.topic],
                clock_steps=steps.get(name, ()),
            )
            for name, monitor in self.monitors.items()
        )
        size = sum(f.stat().st_size for f in self.path.iterdir()) if self.path.is_dir() else 0
        if discard:
            shutil.rmtree(self.path, ignore_errors=True)
        return RecordingResult(
            path=self.path,
            duration_s=self.recorded_s(end_ns),
            bytes=size,
            topics=reports,
            failure=self._writer.failure,
            missing=tuple(sorted(r.topic for r in reports if r.expected and r.messages == 0)),
            loss_bound_s=self.flush_period_s + self._writer.longest_flush_s,
            findings=(
                *(audit.lines() if audit is not None else ()),
                *(f"note: {text}" for text in self.not_encoded()),
            ),
        )


def _encoder(most_bytes: int) -> Encoder:
    from foley_perception.recording.encode import Encoder

    return Encoder(most_bytes)
