"""Tables that several commands print."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from foley_perception.recording.figures import topic_figures as topic_figures


def print_topics(reports: Iterable[Any], title: str) -> None:
    """One line per topic; ``reports`` are TopicReport or TopicStatistics messages."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column("topic", overflow="fold", min_width=24)
    for name in ("messages", "MB", "Hz", "lost", "gaps", "max gap", "skew p50", "skew p99"):
        table.add_column(name, justify="right")
    for report in reports:
        bad = (report.expected and not report.messages) or report.lost
        table.add_row(
            report.topic,
            str(report.messages),
            f"{report.bytes / 1e6:.2f}",
            f"{report.rate:.1f}",
            str(report.lost),
            str(report.gaps),
            _milliseconds(report.max_gap),
            _milliseconds(report.skew_median),
            _milliseconds(report.skew_p99),
            style="red" if bad else None,
        )
    console = Console()
    # Piped output is not cut to the 80 columns that rich assumes.
    (console if console.is_terminal else Console(width=140)).print(table)


def print_findings(lines: Sequence[str], at_most: int = 20, mark: str = "! ") -> None:
    """What an audit found, each sentence once."""
    once = list(dict.fromkeys(lines))
    for line in once[:at_most]:
        print(f"  {mark}{line}")
    if len(once) > at_most:
        print(f"  {mark}and {len(once) - at_most} more; all are in metrics.json")


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms" if math.isfinite(seconds) else "-"
