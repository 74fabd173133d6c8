"""Any table of methods by metrics as Markdown, for a console, as HTML and as bars."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from foley_synthesis.evaluation.measure import Table

Columns = Mapping[str, Mapping[str, str]]
"""heading -> method -> text: what stands beside the figures."""


def cells(table: Table, order: Sequence[str] = (), beside: Columns | None = None) -> list[list[str]]:
    """Headings, then a line for each method: its key, what it is given, its figures, and what stands beside them.

    Args:
        order: of the methods; those that it does not name are left out. Empty: all, as they were measured.
    """
    beside = beside or {}
    lines = [["method", "given", *(m.heading for m in table.shown), *beside]]
    for method in [m for m in order if m in table.cells] or table.cells:
        row = table.cells[method]
        figures = [row[m.key].found.text(m.format) if m.key in row else "" for m in table.shown]
        lines.append(
            [method, table.given.get(method, ""), *figures, *(c.get(method, "") for c in beside.values())]
        )
    return lines


def notes(table: Table) -> str:
    """What a reader must know of the metrics that are shown."""
    return " ".join(dict.fromkeys(m.note for m in table.shown if m.note))


def grid(lines: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; the first line is its headings."""
    head, *rest = ("| " + " | ".join(line) + " |" for line in lines)
    return "\n".join([head, "| --- " * len(lines[0]) + "|", *rest])


def markdown(table: Table, order: Sequence[str] = (), beside: Columns | None = None) -> str:
    """The table, then its notes."""
    text = textwrap.fill(notes(table), 118)
    return "\n\n".join([grid(cells(table, order, beside)), *([text] if text else [])]) + "\n"


def differences(table: Table, pairs: Sequence[tuple[str, str]]) -> str:
    """Paired differences of methods as a table in Markdown, with intervals; see `Table.differences`."""
    lines = [["difference", *(m.heading for m in table.shown)]]
    for pair, row in table.differences(pairs).items():
        lines.append([pair, *(_text(row.get(m.key), m.format) for m in table.shown)])
    return grid(lines)


def _text(figure: Mapping[str, float | None] | None, form: str) -> str:
    """`+value [low, high]`; empty where it is unknown."""
    if figure is None or any(value is None for value in figure.values()):
        return ""
    return f"{figure['value']:+{form}} [{figure['low']:+{form}}, {figure['high']:+{form}}]"


def rich_table(table: Table, title: str) -> Any:
    """For a rich console."""
    from rich.table import Table as RichTable

    head, *lines = cells(table)
    found = RichTable(title=title)
    for column in head:
        found.add_column(column, justify="left" if column in head[:2] else "right")
    for line in lines:
        found.add_row(*line)
    return found


def draw_bars(table: Table, path: Path, reference: str = "") -> None:
    """A panel for each metric, a bar for each method; the reference is a line where more is better, and no bar."""
    plt = pyplot()
    shown, names = table.shown, [name for name in table.cells if name != reference][::-1]
    across = min(5, len(shown))
    down = -(-len(shown) // across)
    figure, axes = plt.subplots(
        down, across, figsize=(3.0 * across, 0.9 + down * (0.8 + 0.22 * len(names))), sharey=True,
        layout="constrained", squeeze=False,
    )  # fmt: skip
    for axis, metric in zip(axes.flat, shown, strict=False):
        found = [table.cells[name].get(metric.key) for name in names]
        values = np.array([np.nan if c is None else c.found.value for c in found])
        ends = np.array([(np.nan,) * 2 if c is None else (c.found.low, c.found.high) for c in found])
        reach = np.nan_to_num(np.abs(ends.T - values))
        axis.barh(names, values, xerr=reach, color="#4477aa", ecolor="0.35", height=0.7)
        better = "" if metric.better == "none" else f"\n({metric.better} is better)"
        axis.set_title(metric.heading + better, fontsize=8)
        axis.tick_params(labelsize=7)
        real = table.cells.get(reference, {}).get(metric.key)
        if real is not None and metric.better == "higher" and np.isfinite(real.found.value):
            axis.axvline(real.found.value, color="#cc3311", lw=1)
    for axis in list(axes.flat)[len(shown) :]:
        axis.set_visible(False)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def draw_matrix(
    axis: Any, counts: Any, labels: Sequence[str], title: str, *, names: bool = True, numbers: bool = True
) -> None:
    """A confusion matrix [classes, classes], each row (the truth) divided by its sum."""
    counts, ticks = np.asarray(counts), range(len(labels))
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axis.imshow(share, vmin=0.0, vmax=1.0, cmap="Blues")
    axis.set_xticks(ticks, labels, rotation=90 if len(labels) > 8 else 60, fontsize=8)
    axis.set_yticks(ticks, labels if names else [], fontsize=8)
    axis.set_title(title, fontsize=9)
    axis.set_xlabel("said", fontsize=8)
    axis.set_ylabel("truth" if names else "", fontsize=8)
    for i, j in zip(*np.nonzero(counts), strict=True) if numbers else ():
        colour = "white" if share[i, j] > 0.55 else "black"
        axis.text(j, i, f"{counts[i, j]:g}", ha="center", va="center", color=colour, fontsize=7)


def draw_matrices(lines: Sequence[Sequence[tuple[str, Any]]], labels: Sequence[str], path: Path) -> None:
    """Lines of confusion matrices (title, counts)."""
    plt, side = pyplot(), max(4.0, 0.42 * len(labels) + 1.2)
    size = (side * len(lines[0]), (side + 0.5) * len(lines))
    figure, axes = plt.subplots(len(lines), len(lines[0]), figsize=size, squeeze=False, layout="constrained")
    for row, line in zip(axes, lines, strict=True):
        for axis, (title, counts) in zip(row, line, strict=True):
            draw_matrix(axis, counts, labels, title)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def pyplot() -> Any:
    """matplotlib.pyplot that draws into files."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt
