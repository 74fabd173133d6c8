"""What a rule of the audit found."""

from __future__ import annotations

import dataclasses
import enum


class Severity(enum.IntEnum):
    """What a finding costs."""

    NOTE = 0  # worth knowing; nothing is lost, and a bag with notes alone is good
    PROBLEM = 1  # bearable: it is told, and what can be used is used
    ERROR = 2  # a main device cannot be believed: no data set is made of it


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is wrong, as a sentence for whoever recorded."""

    rule: str  # its name in the table of docs/recording.md, as `sound_range`
    severity: Severity
    topic: str  # as it is named in the bag; empty where it is about the whole recording
    text: str  # topic, time, value and cure
    time_ns: int | None = None  # ROS time of what was found first

    @property
    def line(self) -> str:
        """As it is printed: `error: ...`."""
        return f"{self.severity.name.lower()}: {self.text}"

    def __str__(self) -> str:
        return self.text
