"""The table as Markdown, with the paper's figures beside it, and which of its orderings hold."""

from __future__ import annotations

from collections.abc import Mapping

from foley_synthesis.evaluation import report
from foley_synthesis.evaluation.measure import Table

PAPER_PERCENT_REAL = {
    "real sound match": 46.90,
    "full": 40.01,
    "no spacetime": 37.88,
    "trained from scratch": 36.46,
    "full, parametric": 34.66,
    "image match": 32.98,
    "image + spacetime match": 33.77,
    "no RNN": 29.96,
    "random": 19.77,
}
"""Per cent of people who took it for real, Visually Indicated Sounds, figure 5a."""
ORDER = (
    "real sound", "real sound, 56 ms late", "real sound through PCA", "real sound match", "full, with action",
    "fine-tuned", "full", "no spacetime", "no RNN", "trained from scratch", "full, parametric",
    "full, with action, parametric", "fine-tuned, parametric", "no spacetime, parametric", "no RNN, parametric",
    "trained from scratch, parametric", "image match", "image + spacetime match", "nearest clip, velocity zero",
    "random", "training mean", "silence",
)  # fmt: skip
ORDERINGS = (
    ("real sound match", "full"), ("full", "no spacetime"), ("full", "full, parametric"), ("full", "image match"),
    ("full", "image + spacetime match"), ("full", "no RNN"), ("no RNN", "random"), ("image match", "random"),
    ("fine-tuned", "trained from scratch"), ("full", "trained from scratch"),
)  # fmt: skip
"""Pairs of the paper: people took the first for real more often."""


def markdown(tables: Mapping[str, Table]) -> str:
    """One table for every set of contacts."""
    parts = []
    for name, table in tables.items():
        f = table.facts
        paper = {method: f"{percent:.1f} %" for method, percent in PAPER_PERCENT_REAL.items()}
        parts += [
            f"### {name}: {f['contacts']} contacts with {f['objects']} objects in {f['scenes']} scenes",
            "",
            report.markdown(table, ORDER, {"paper: labelled real": paper}),
            _verdicts(table),
            "",
            "By paired differences; what stands in neither column is open.",
            "",
        ]
    return "\n".join(parts)


def orderings(table: Table) -> dict[str, dict[str, list[str]]]:
    """For every pair of the paper, by which figures it holds, is reversed, or is open.

    It is open where the 95 % interval of the paired difference has both signs.
    """
    found = {}
    for pair, differences in table.differences(ORDERINGS).items():
        verdicts: dict[str, list[str]] = {"holds": [], "reversed": [], "open": []}
        for metric in table.metrics:
            ends = differences.get(metric.key, {})
            low, high = ends.get("low"), ends.get("high")
            if metric.better == "none" or low is None or high is None:
                continue
            if low <= 0.0 <= high:
                verdicts["open"].append(metric.key)
            else:
                more = metric.better == "higher"
                verdicts["holds" if (low > 0.0) == more else "reversed"].append(metric.key)
        found[pair] = verdicts
    return found


def _verdicts(table: Table) -> str:
    titles = {metric.key: metric.title for metric in table.metrics}
    lines = [["ordering of the paper", "holds", "reversed"]]
    for pair, verdicts in orderings(table).items():
        lines.append([pair, *(", ".join(titles[k] for k in verdicts[v]) for v in ("holds", "reversed"))])
    return report.grid(lines)
