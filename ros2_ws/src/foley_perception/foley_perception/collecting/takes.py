"""The takes of a session: their names, what became of each, and the table at the end."""

from __future__ import annotations

import dataclasses
import enum
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

SEVERITIES = ("error", "problem", "note")
SNAPSHOT = "_snapshot"  # behind the name


class Outcome(enum.Enum):
    KEPT = "kept"
    DISCARDED = "discarded"
    FAILED = "failed"  # the recorder could not begin it, or not record it to its end
    LOST = "lost"  # the recorder died; what is on the disk can be recovered


@dataclasses.dataclass
class Take:
    """One take. ``name`` is empty where the recorder chose it, ``path`` where it did not begin; ``success`` is None
    where nobody said."""

    name: str
    path: str
    session_id: str = ""
    outcome: Outcome | None = None  # None: it is being recorded
    duration_s: float = 0.0
    bytes: int = 0
    error: str = ""
    findings: tuple[str, ...] = ()
    success: bool | None = None
    labels: int = 0
    topics: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    kept: str = ""  # of a lost one: what lies on the disk

    @property
    def title(self) -> str:
        return Path(self.path).name or self.name or "unnamed"

    @property
    def severities(self) -> dict[str, int]:
        """How many findings of each."""
        count = Counter(finding.partition(":")[0] for finding in self.findings)
        return {severity: count[severity] for severity in SEVERITIES}

    @property
    def good(self) -> bool:
        """It was recorded as it was meant to, and its audit found neither an error nor a problem."""
        found = self.severities
        return self.outcome is Outcome.KEPT and not self.error and not found["error"] + found["problem"]

    @property
    def verdict(self) -> str:
        """In a few words."""
        if self.outcome is None:
            return "in progress"
        if not self.path:
            return "did not begin"
        if self.outcome is not Outcome.KEPT:
            return str(self.outcome.value)
        if self.good:
            return "good"
        counts = [f"{n} {severity}{'s' if n > 1 else ''}" for severity, n in self.severities.items() if n]
        return ", ".join([*(["incomplete"] if self.error else []), *counts])

    @property
    def figures(self) -> dict[str, Any]:
        """For metrics.json."""
        figures = dataclasses.asdict(self)
        return figures | {
            "outcome": self.outcome.value if self.outcome is not None else "in progress",
            "good": self.good,
            "severities": self.severities,
            "findings": list(self.findings),
            "topics": {topic: dict(values) for topic, values in self.topics.items()},
        }


class Names:
    """`mug_taps` gives mug_taps_001, mug_taps_002 and so on. Without a name the recorder makes them from the time.

    Args:
        taken: names of bags that are known to be there.
    """

    def __init__(self, stem: str, taken: Iterable[str] = ()) -> None:
        self._stem = stem
        self._numbers: Counter[str] = Counter()  # the last, of takes and of snapshots
        self.saw(taken)

    def saw(self, taken: Iterable[str]) -> None:
        """Bags of these names are there: numbering goes on behind the highest."""
        pattern = re.compile(re.escape(self._stem) + rf"({SNAPSHOT})?_(\d+)")
        for name in taken if self._stem else ():
            if (match := pattern.match(name)) is not None:
                suffix, number = match[1] or "", int(match[2])
                self._numbers[suffix] = max(self._numbers[suffix], number)

    def next(self, suffix: str = "") -> str:
        """The next name, which counts as used."""
        if not self._stem:
            return ""
        self._numbers[suffix] += 1
        return f"{self._stem}{suffix}_{self._numbers[suffix]:03d}"


def bags_in(folder: Path) -> list[str]:
    """Names of what lies in a folder that can be seen from here."""
    try:
        return [entry.name for entry in folder.iterdir()]
    except OSError:
        return []


def counts(takes: Sequence[Take]) -> dict[str, int]:
    """How many of each outcome; a lost one counts as failed, too."""
    count = Counter(take.outcome for take in takes)
    return {
        "kept": count[Outcome.KEPT],
        "discarded": count[Outcome.DISCARDED],
        "failed": count[Outcome.FAILED] + count[Outcome.LOST],
    }
