"""A probe as a Markdown table and pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from foley_synthesis.evaluation.probes.probe import SIMPLE, SIMPLE_LIMIT, ProbeResult
from foley_synthesis.evaluation.report import draw_matrices, grid, pyplot


def markdown(result: ProbeResult) -> str:
    """One table per set, with what the figures are figures of."""
    parts = []
    for query in result.queries:
        parts += [
            f"### {result.target} on {query.name}",
            f"{query.contacts} contacts with {query.objects} objects in {query.scenes} scenes, "
            f"{query.classes} classes; chance {query.chance:.3f}, "
            f"plain accuracy of the most frequent training class {query.majority:.3f}. "
            f"95 % intervals over scenes, objects, contacts and {result.seeds} seeds.",
        ]
        lines = [["input", "balanced accuracy", "accuracy", "mean of draws", "p", "verdict", "classifier"]]
        for name, s in query.scores.items():
            figures = [s.balanced.text(), s.plain.text(), f"{s.seeds_mean:.3f}", f"{s.p_value:.3f}"]
            lines.append([name, *figures, s.verdict, result.classifiers[name]])
        parts.append(grid(lines))
    parts.append("\n".join(f"- {note}" for note in (*result.notes, *result.failures())))
    return "\n\n".join(parts).rstrip() + "\n"


def save_bars(result: ProbeResult, path: Path) -> None:
    """Balanced accuracy with its interval, a group of bars per set."""
    plt = pyplot()
    names = list(result.classifiers)
    figure, axis = plt.subplots(
        figsize=(2.5 + 1.1 * len(names) * len(result.queries), 4.2), layout="constrained"
    )
    width = 0.8 / len(names)
    for k, name in enumerate(names):
        scores = [query.scores[name] for query in result.queries]
        x = np.arange(len(scores)) + (k - (len(names) - 1) / 2) * width
        values = np.asarray([s.balanced.value for s in scores])
        ends = np.asarray([[s.balanced.low for s in scores], [s.balanced.high for s in scores]])
        axis.bar(x, values, 0.9 * width, yerr=np.abs(ends - values), capsize=3, label=name)
        for at, top, value in zip(x, ends[1], values, strict=True):
            axis.text(at, top + 0.02, f"{value:.2f}", ha="center", fontsize=8)
    for k, query in enumerate(result.queries):
        label = "chance" if k == 0 else None
        axis.plot([k - 0.45, k + 0.45], [query.chance] * 2, "k--", linewidth=1, label=label)
    if SIMPLE in names:
        axis.axhline(SIMPLE_LIMIT, color="tab:blue", linestyle=":", linewidth=1, label=f"limit of {SIMPLE}")
    axis.set_xticks(range(len(result.queries)), [f"{a.name}\n{a.contacts} contacts" for a in result.queries])
    axis.set_ylim(0.0, 1.1)
    axis.set_ylabel(f"balanced accuracy of {result.target}")
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(path, dpi=110)
    plt.close(figure)


def save_confusions(result: ProbeResult, path: Path) -> None:
    """Confusion matrices, a line of them for each query."""
    lines = [
        [
            (f"{name}, {query.name}: {s.balanced.value:.2f} (chance {s.chance:.2f})", s.confusion)
            for name, s in query.scores.items()
        ]
        for query in result.queries
    ]
    draw_matrices(lines, result.labels, path)
