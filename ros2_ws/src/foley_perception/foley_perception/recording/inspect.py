"""A recorded bag judged afterwards, by the same statistics as live."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from foley_perception.recording import cdr, definitions
from foley_perception.recording.bag import Bag
from foley_perception.recording.config import RecorderConfig
from foley_perception.recording.recording import AUDIO_TYPE, TopicSpec
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

    @property
    def duration_s(self) -> float:
        return max(self.end_ns - self.start_ns, 0) * 1e-9

    @property
    def messages(self) -> int:
        return sum(topic.messages for topic in self.topics)


def spec_of(topic: str) -> TopicSpec | None:
    """What the recorder's defaults say of a topic, whatever its namespace."""
    matches = [
        s for s in RecorderConfig().specs if topic == s.name or topic.endswith("/" + s.name.lstrip("/"))
    ]
    return max(matches, key=lambda s: len(s.name), default=None)


def inspect_bag(path: str | Path, *, check_index: bool = False) -> BagReport:
    """Read every message's header and say how well the bag was recorded.

    Args:
        check_index: say as well where an index is wrong, by which others read it.

    Raises:
        BagError: not a bag.
    """
    bag = Bag(path)
    monitors: dict[str, TopicMonitor] = {}
    stamp_at: dict[str, tuple[int, bool] | None] = {}
    start, end = 2**63 - 1, 0
    for message in bag.messages():
        monitor = monitors.get(message.topic)
        if monitor is None:
            topic, spec = bag.topics[message.topic], spec_of(message.topic)
            monitor = monitors[message.topic] = TopicMonitor(
                topic.name,
                topic.type,
                periodic=spec is not None and spec.periodic,
                expected=spec is not None and spec.required,
            )
            stamp_at[message.topic] = definitions.stamp_offset(topic.definition)
        start, end = min(start, message.log_time), max(end, message.log_time)
        data = message.data
        monitor.update(
            message.log_time,
            len(data),
            stamp_ns=cdr.read_first_stamp(data, stamp_at[message.topic]),
            sequence=message.sequence,
            audio=cdr.audio_head_or_none(data) if monitor.type == AUDIO_TYPE else None,
        )
    for name, topic in bag.topics.items():
        if name not in monitors:
            spec = spec_of(name)
            expected = spec is not None and spec.required
            monitors[name] = TopicMonitor(name, topic.type, periodic=False, expected=expected)
    reports = tuple(
        m.report(start_ns=start, end_ns=end) for m in sorted(monitors.values(), key=lambda m: m.topic)
    )
    size = sum(file.stat().st_size for file in bag.files)
    report = BagReport(
        Path(path),
        tuple(bag.files),
        size,
        start if end else 0,
        end,
        reports,
        bag.session,
        (*bag.problems, *(_cured(fault, path) for fault in (bag.index_faults() if check_index else ()))),
    )
    bag.close()
    return report


def _cured(fault: str, path: str | Path) -> str:
    return f"{fault}; `foley bag recover {path}` writes a bag with a right index beside it"


def verdicts(report: BagReport) -> list[str]:
    """What is wrong with a recording, in words; empty if nothing is."""
    wrong = list(report.problems)
    if report.messages == 0:
        wrong.append("there is not a single message")
    present = {name for t in report.topics if t.messages for name in (t.topic,)}
    for spec in RecorderConfig().specs:
        names = (spec.name, f"{spec.name}/compressed")  # images may have been recorded as JPEG
        if spec.required and not any(f"/{t}".endswith(f"/{name}") for t in present for name in names):
            wrong.append(f"{spec.name}: nothing was recorded")
    for topic in report.topics:
        if topic.lost:
            wrong.append(f"{topic.topic}: {topic.lost} messages were lost")
        if topic.gaps and topic.expected:
            wrong.append(f"{topic.topic}: {topic.gaps} gaps, the longest {topic.max_gap:.3f} s")
    return wrong
