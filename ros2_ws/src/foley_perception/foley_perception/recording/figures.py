"""Figures of topics as plain values, for metrics.json."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any


def topic_figures(reports: Iterable[Any]) -> dict[str, dict[str, Any]]:
    """By topic; ``reports`` are TopicReport or TopicStatistics messages. What is not finite is None."""
    names = ("messages", "bytes", "rate", "max_gap", "lost", "gaps", "skew_median", "skew_p99")
    return {r.topic: {name: _plain(getattr(r, name)) for name in names} for r in reports}


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
