"""A recorded bag judged afterwards, by the same statistics as live."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from foley_common import topic_map
from foley_perception.recording import cdr, definitions
from foley_perception.recording.auditor import Auditor
from foley_perception.recording.bag import Bag, BagMessage
from foley_perception.recording.compression import encoded_topics
from foley_perception.recording.config import RecorderConfig
from foley_perception.recording.errors import BagError
from foley_perception.recording.labels import LABEL_TYPE, Pause, Pauses, overlap_ns
from foley_perception.recording.metadata_check import information_faults
from foley_perception.recording.namespaces import empty_namespace
from foley_perception.recording.recording import AUDIO_TYPE, TopicSpec
from foley_perception.recording.session import recorded_map
from foley_perception.recording.statistics import TopicMonitor, TopicReport


@dataclasses.dataclass(frozen=True)
class BagReport:
    path: Path
    files: tuple[Path, ...]
    bytes: int
    start_ns: int
    end_ns: int
    topics: tuple[TopicReport, ...]
    session: dict[str, Any]
    problems: tuple[str, ...]
    named: Mapping[str, str]  # the bag's topics -> the registry's names
    namespace: str = ""  # of the robot that is meant; empty: of any
    pauses: tuple[Pause, ...] = ()  # by arrival, in which nothing was kept

    @property
    def duration_s(self) -> float:
        """Without pauses."""
        paused = overlap_ns(self.pauses, self.start_ns, self.end_ns)
        return max(self.end_ns - self.start_ns - paused, 0) * 1e-9

    @property
    def messages(self) -> int:
        return sum(topic.messages for topic in self.topics)


def spec_of(topic: str, namespace: str = "") -> TopicSpec | None:
    """What the recorder's defaults say of a topic, of one namespace or of any."""
    if prefix := namespace.strip("/"):
        return next((s for s in RecorderConfig().specs if topic == f"/{prefix}/{s.name}"), None)
    matches = [
        s for s in RecorderConfig().specs if topic == s.name or topic.endswith("/" + s.name.lstrip("/"))
    ]
    return max(matches, key=lambda s: len(s.name), default=None)


def inspect_bag(
    path: str | Path,
    *,
    check_index: bool = False,
    namespace: str = "",
    mapping: Mapping[str, str] | None = None,
    audit: Auditor | None = None,
) -> BagReport:
    """Read every message's header and say how well the bag was recorded.

    Args:
        check_index: say as well where an index or metadata.yaml is wrong, by which others read it.
        namespace: of the robot that is meant, where the bag holds several.
        mapping: the registry's names -> topics of the bag that bear other names, beside what its metadata map.
        audit: is shown each message.

    Raises:
        BagError: not a bag, or nothing in it lies in the namespace.
    """
    bag = Bag(path)
    inspection = Inspection()
    for message in bag.messages():
        inspection.add(bag, message, audit)
    report = inspection.report(
        bag, check_index=check_index, namespace=namespace, mapping=mapping, audit=audit
    )
    bag.close()
    return report


class Inspection:
    """The figures of a bag, whose messages are shown to it one by one: for whoever reads the bag for more than that."""

    def __init__(self) -> None:
        self.start_ns, self.end_ns = 2**63 - 1, 0  # of arrival
        self.pauses = Pauses()
        self._monitors: dict[str, TopicMonitor] = {}
        self._stamp_at: dict[str, tuple[int, bool] | None] = {}

    def add(self, bag: Bag, message: BagMessage, audit: Auditor | None = None) -> int | None:
        """The next message of a bag; its stamp [ns], None where it has none."""
        name = message.topic
        monitor = self._monitors.get(name)
        if monitor is None:
            topic = bag.topics[name]
            monitor = self._monitors[name] = TopicMonitor(
                topic.name, topic.type, periodic=False, expected=False, pauses=self.pauses.spans
            )
            self._stamp_at[name] = definitions.stamp_offset(topic.definition)
            if audit is not None:
                audit.add_topic(topic.name, topic.type, topic.definition)
        self.start_ns, self.end_ns = min(self.start_ns, message.log_time), max(self.end_ns, message.log_time)
        data = message.data
        if audit is not None:
            audit.add(name, data, message.log_time)
        if monitor.type == LABEL_TYPE:
            self.pauses.see(data)
        stamp_ns = cdr.read_first_stamp(data, self._stamp_at[name])
        monitor.update(
            message.log_time,
            len(data),
            stamp_ns=stamp_ns,
            sequence=message.sequence,
            audio=cdr.audio_head_or_none(data) if monitor.type == AUDIO_TYPE else None,
        )
        return stamp_ns

    def report(
        self,
        bag: Bag,
        *,
        check_index: bool = False,
        namespace: str = "",
        mapping: Mapping[str, str] | None = None,
        audit: Auditor | None = None,
    ) -> BagReport:
        """What :func:`inspect_bag` returns, when all messages were added.

        Raises:
            BagError: nothing in the bag lies in the namespace.
        """
        monitors, path = self._monitors, bag.path
        mapped = topic_map.merged(recorded_map(bag.session)[0], mapping or {})  # known after all messages
        named = topic_map.ours(mapped)
        if wrong := empty_namespace(namespace, monitors.keys(), mapped.values()):
            raise BagError(f"{path}: {wrong}")
        for name, topic in bag.topics.items():
            monitor = monitors.setdefault(
                name, TopicMonitor(name, topic.type, periodic=False, expected=False)
            )
            spec = _spec_of(name, named, namespace)
            monitor.periodic = spec is not None and spec.periodic and monitor.messages > 0
            monitor.expected = spec is not None and spec.required
        steps = audit.clock_steps() if audit is not None else {}
        reports = tuple(
            m.report(start_ns=self.start_ns, end_ns=self.end_ns, clock_steps=steps.get(m.topic, ()))
            for m in sorted(monitors.values(), key=lambda m: m.topic)
        )
        reports = _joined(reports, encoded_topics(bag.session))
        faults = []
        if check_index:
            counts = {name: monitor.messages for name, monitor in monitors.items()}
            told = [fault for fault in information_faults(bag, counts) if fault not in bag.problems]
            faults = [f"{fault}; {_cure(path)}" for fault in [*told, *bag.index_faults()]]
        return BagReport(
            path=Path(path),
            files=tuple(bag.files),
            bytes=sum(file.stat().st_size for file in bag.files),
            start_ns=self.start_ns if self.end_ns else 0,
            end_ns=self.end_ns,
            topics=reports,
            session=bag.session,
            problems=(*bag.problems, *faults),
            named=named,
            namespace=namespace,
            pauses=tuple(self.pauses.spans),
        )


class Wrong(NamedTuple):
    """What the figures of a bag say against it."""

    rule: str  # as docs/recording.md names it
    topic: str  # empty where it is about the whole bag
    text: str

    def __str__(self) -> str:
        return self.text


def _cure(path: str | Path) -> str:
    return f"`foley bag recover {path}` writes a whole bag beside it"


def verdicts(report: BagReport) -> list[Wrong]:
    """What is wrong with a recording by its files and figures; empty if nothing is."""
    told = [Wrong("file", "", text) for text in report.problems]
    if report.messages == 0:
        told.append(Wrong("empty", "", "there is not a single message"))
    present = {report.named.get(t.topic, t.topic) for t in report.topics if t.messages}
    whose = report.namespace.strip("/")
    where = f" in /{whose}" if whose else ""
    for spec in RecorderConfig().specs:
        names = (spec.name, f"{spec.name}/compressed")  # images may have been recorded as JPEG
        if spec.required and not any(_is_called(topic, name, whose) for topic in present for name in names):
            text = f"{spec.name}: nothing was recorded{where} (of another name? --map {spec.name}=TOPIC)"
            told.append(Wrong("missing", spec.name, text))
    for topic in report.topics:
        name = topic.topic
        if topic.lost:
            text = (
                f"{name}: {topic.lost} messages were lost; see `foley doctor`, and give the recorder a core"
            )
            told.append(Wrong("lost", name, text))
        if topic.gaps and topic.expected:
            text = (
                f"{name}: {topic.gaps} gaps, the longest {topic.max_gap:.3f} s from {topic.max_gap_at:.3f} s on; "
                "was it unplugged, or the machine too busy?"
            )
            told.append(Wrong("gaps", name, text))
    return told


def _joined(reports: tuple[TopicReport, ...], encoded: Mapping[str, str]) -> tuple[TopicReport, ...]:
    """What is missing of the encoded images of a topic, and lies beside them as it came, is not lost."""
    counts = {report.topic: report.messages for report in reports}
    kept = {raw: name for raw, name in encoded.items() if counts.get(raw) and counts.get(name)}
    beside = {name: counts[raw] for raw, name in kept.items()}
    return tuple(
        dataclasses.replace(r, lost=0, gaps=0)
        if r.topic in kept
        else dataclasses.replace(r, lost=max(r.lost - beside.get(r.topic, 0), 0))
        for r in reports
    )


def _is_called(topic: str, name: str, namespace: str) -> bool:
    """Whether a topic has a name in a namespace, or in any; one that is mapped has the registry's name itself."""
    if topic == name:
        return True
    return topic == f"/{namespace}/{name}" if namespace else f"/{topic}".endswith(f"/{name}")


def _spec_of(topic: str, named: Mapping[str, str], namespace: str) -> TopicSpec | None:
    if topic in named:
        return next((s for s in RecorderConfig().specs if s.name == named[topic]), None)
    spec = spec_of(topic, namespace)
    return spec if spec is not None and spec.name not in named.values() else None
