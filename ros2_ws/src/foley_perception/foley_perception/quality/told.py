"""What is wrong with a bag, each thing once, by whoever found it: files, audit, or the reader of episodes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from foley_common.times import NS_PER_S
from foley_perception.audit.finding import Finding, Severity
from foley_perception.episodes.episode import Episode

_MOST = 200  # findings that are kept


class Told:
    """Findings of a bag that is read in pieces: counts of one piece are others than those of the next.

    Args:
        found: of the whole bag.
        unheard: foreign topics of which something cannot be heard, and why.
    """

    def __init__(self, found: Sequence[Finding], unheard: Mapping[str, str]) -> None:
        self._found: dict[tuple[str, str], list[Finding]] = {}
        self._texts = {finding.text for finding in found}
        why = set(unheard.values())
        for finding in found:
            self._add(dataclasses.replace(finding, rule="sound_foreign") if finding.text in why else finding)

    def _add(self, finding: Finding) -> None:
        self._found.setdefault((finding.rule, finding.topic), []).append(finding)

    def reader(self, text: str, severity: Severity = Severity.ERROR) -> None:
        """What a reader of the bag says that is not told yet."""
        rest = text
        for known in self._texts:
            rest = rest.replace(known, "")
        if rest.strip("; ") and text not in self._texts:
            self._texts.add(text)
            self._add(Finding("reader", severity, "", text))

    def episode(self, piece: Episode) -> None:
        """What the reader of a piece says: of each rule and topic the first piece in which something is found."""
        known = {(f.rule, f.topic) for found in self._found.values() for f in found}
        new = [f for f in piece.findings if (f.rule, f.topic) not in known and f.text not in self._texts]
        for finding in new:
            self._add(finding)
        self._texts |= {finding.text for finding in piece.findings}
        for problem in piece.problems:
            self.reader(problem, Severity.PROBLEM)

    def figures(self, start_ns: int) -> list[dict[str, Any]]:
        """The worst first."""
        found = sorted((f for same in self._found.values() for f in same), key=lambda f: -f.severity)
        return [
            {
                "rule": f.rule,
                "severity": f.severity.name.lower(),
                "topic": f.topic,
                "text": f.text,
                "time_s": None if f.time_ns is None else (f.time_ns - start_ns) / NS_PER_S,
            }
            for f in found[:_MOST]
        ]
