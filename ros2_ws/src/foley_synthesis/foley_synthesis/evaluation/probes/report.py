"""A probe as a Markdown table and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from foley_synthesis.evaluation.probes.probe import SIMPLE, SIMPLE_LIMIT, ProbeResult
from foley_synthesis.metrics.bootstrap import Interval


def markdown(result: ProbeResult) -> str:
    """One table per set, with what the figures are figures of."""
    lines = []
    for asked in result.asked:
        lines += [
            f"### {result.target} on {asked.name}",
            "",
            f"{asked.contacts} contacts with {asked.objects} objects in {asked.scenes} scenes, "
            f"{asked.classes} classes; chance {asked.chance:.3f}, "
            f"plain accuracy of the most frequent training class {asked.majority:.3f}. "
            f"95 % intervals over scenes, objects, contacts and {result.seeds} seeds.",
            "",
            "| input | balanced accuracy | accuracy | mean of draws | p | verdict | classifier |",
            "| --- | --- | --- | --- | --- | --- | --- |",
        ]
        for name, s in asked.scores.items():
            lines.append(
                f"| {name} | {_range(s.balanced)} | {_range(s.plain)} | {s.seeds_mean:.3f} | {s.p_value:.3f} "
                f"| {s.verdict} | {result.classifiers[name]} |"
            )
        lines.append("")
    lines += [f"- {note}" for note in (*result.notes, *result.failures())]
    return "\n".join(lines).rstrip() + "\n"


def save_bars(result: ProbeResult, path: Path) -> None:
    """Balanced accuracy with its interval, a group of bars per set."""
    plt = _pyplot()
    names = list(result.classifiers)
    figure, axis = plt.subplots(
        figsize=(2.5 + 1.1 * len(names) * len(result.asked), 4.2), layout="constrained"
    )
    width = 0.8 / len(names)
    for k, name in enumerate(names):
        scores = [asked.scores[name] for asked in result.asked]
        x = np.arange(len(scores)) + (k - (len(names) - 1) / 2) * width
        values = np.asarray([s.balanced.value for s in scores])
        ends = np.asarray([[s.balanced.low for s in scores], [s.balanced.high for s in scores]])
        axis.bar(x, values, 0.9 * width, yerr=np.abs(ends - values), capsize=3, label=name)
        for at, top, value in zip(x, ends[1], values, strict=True):
            axis.text(at, top + 0.02, f"{value:.2f}", ha="center", fontsize=8)
    for k, asked in enumerate(result.asked):
        label = "chance" if k == 0 else None
        axis.plot([k - 0.45, k + 0.45], [asked.chance] * 2, "k--", linewidth=1, label=label)
    if SIMPLE in names:
        axis.axhline(SIMPLE_LIMIT, color="tab:blue", linestyle=":", linewidth=1, label=f"limit of {SIMPLE}")
    axis.set_xticks(range(len(result.asked)), [f"{a.name}\n{a.contacts} contacts" for a in result.asked])
    axis.set_ylim(0.0, 1.1)
    axis.set_ylabel(f"balanced accuracy of {result.target}")
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(path, dpi=110)
    plt.close(figure)


def save_confusions(result: ProbeResult, path: Path) -> None:
    """Confusion matrices, a row of pictures per set; each row of a matrix divided by its sum."""
    plt = _pyplot()
    names = list(result.classifiers)
    side = max(3.2, 0.42 * len(result.labels) + 1.2)
    figure, axes = plt.subplots(
        len(result.asked),
        len(names),
        figsize=(side * len(names), (side + 0.5) * len(result.asked)),
        squeeze=False,
        layout="constrained",
    )
    ticks = range(len(result.labels))
    for row, asked in zip(axes, result.asked, strict=True):
        for axis, name in zip(row, names, strict=True):
            s = asked.scores[name]
            share = s.confusion / np.maximum(s.confusion.sum(axis=1, keepdims=True), 1)
            axis.imshow(share, vmin=0.0, vmax=1.0, cmap="Blues")
            axis.set_xticks(ticks, result.labels, rotation=60, ha="right", fontsize=8)
            axis.set_yticks(ticks, result.labels, fontsize=8)
            axis.set_title(
                f"{name}, {asked.name}: {s.balanced.value:.2f} (chance {s.chance:.2f})", fontsize=9
            )
            axis.set_xlabel("said", fontsize=8)
            axis.set_ylabel("truth", fontsize=8)
            for i, j in zip(*np.nonzero(s.confusion), strict=True):
                colour = "white" if share[i, j] > 0.55 else "black"
                axis.text(j, i, str(s.confusion[i, j]), ha="center", va="center", color=colour, fontsize=7)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def _range(value: Interval) -> str:
    return f"{value.value:.3f} [{value.low:.3f}, {value.high:.3f}]"
