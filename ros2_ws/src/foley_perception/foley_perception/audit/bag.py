"""A recorded bag judged: its files, its figures, and what the audit found in its messages."""

from __future__ import annotations

from collections.abc import Iterator

from foley_perception.audit.finding import Finding, Severity
from foley_perception.audit.recording import Verdict
from foley_perception.recording.inspect import BagReport, verdicts
from foley_perception.recording.session import unknown_values


def of_bag(report: BagReport, verdict: Verdict) -> list[Finding]:
    """What is wrong with a recording, the worst first; notes are among it."""
    # Where times or counts cannot be believed, losses cannot either.
    broken = {f.topic for f in verdict.findings if f.severity == Severity.ERROR and f.topic}
    two_runs = any(f.rule == "two_runs" and f.severity == Severity.ERROR for f in verdict.findings)
    told = [
        Finding(
            wrong.rule, Severity.ERROR if wrong.rule == "empty" else Severity.PROBLEM, wrong.topic, wrong.text
        )
        for wrong in verdicts(report)
        if not (wrong.topic in broken or (two_runs and wrong.topic))
    ]
    found = [*told, *_of_metadata(report), *verdict.findings]
    return sorted(found, key=lambda finding: -finding.severity)


def _of_metadata(report: BagReport) -> Iterator[Finding]:
    for key, text in unknown_values(report.session).items():
        costs = key == "split"
        told = f"metadata: {text}; {'no data set takes the bag' if costs else 'it is not used'}"
        severity = Severity.ERROR if costs else Severity.PROBLEM
        yield Finding("metadata", severity, "", f"{told}: record with one of these, or with none")
