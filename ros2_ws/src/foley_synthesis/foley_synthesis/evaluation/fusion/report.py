"""A fitted fusion as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from foley_synthesis.beliefs.fitted import FittedFusion
from foley_synthesis.evaluation.fusion.measure import SOURCES
from foley_synthesis.metrics.bootstrap import Interval

_COLUMNS = {
    "balanced_accuracy": "balanced accuracy",
    "log_loss": "log loss [nat]",
    "expected_calibration_error": "ECE",
    "answered": "answered",
    "wrong_where_answered": "wrong where answered",
}


def markdown(figures: Mapping[str, Any]) -> str:
    """Of `measure_fusion`: a row for each number of contacts and each source."""
    lines = [
        "| contacts | objects | evidence | " + " | ".join(_COLUMNS.values()) + " |",
        "| --- " * (3 + len(_COLUMNS)) + "|",
    ]
    for contacts, row in figures.items():
        for source in SOURCES:
            cells = [_text(row[source][key]) for key in _COLUMNS]
            lines.append(f"| {contacts} | {row['objects']} | {source} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def answers(fitted: FittedFusion) -> str:
    """From how probable a class on each amount of evidence is an answer."""
    lines = ["| evidence | answers from | bound on their risk | answered on validation |", "| --- " * 4 + "|"]
    for rule in fitted.config.answers or ():
        least = f"{rule.least_probability:.2f}" if rule.answers else "never"
        bound = f"{rule.risk_bound:.2f}" if rule.answers else ""
        lines.append(f"| {rule.text} | {least} | {bound} | {rule.answered} of {rule.objects} |")
    return "\n".join(lines) + "\n"


def _text(figure: Mapping[str, float | None]) -> str:
    known = {key: float("nan") if value is None else value for key, value in figure.items()}
    return Interval(known["value"], known["low"], known["high"]).text()
