"""Ablations as a table and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from foley_synthesis.evaluation import report
from foley_synthesis.evaluation.windows.ablate import METRICS
from foley_synthesis.evaluation.windows.ablations import FULL
from foley_synthesis.evaluation.windows.curve_report import interval_of

_DIFFERENCES = ("energy_db", "onset_f1")
_DRAWN = ("energy_db", "foreground_db", "onset_f1", "level_r")


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """A line for each variant and each thing that it is told; several seeds have the spread over them, too."""
    headings = []
    for metric in METRICS:
        headings += [metric.heading] + ([f"less {FULL}"] if metric.key in _DIFFERENCES else [])
    lines = [["variant", "", "told", "seeds", *headings]]
    for row in rows:
        line = [row["variant"], row["meaning"], row["told"], str(len(row["seeds"]))]
        for metric in METRICS:
            spread = f" ±{row[metric.key]['seed_std']:{metric.format}}" if len(row["seeds"]) > 1 else ""
            line.append(interval_of(row[metric.key]).text(metric.format) + spread)
            if metric.key in _DIFFERENCES:
                apart = row.get("less_full", {}).get(metric.key)
                line.append(interval_of(apart).text(f"+{metric.format}") if apart else "")
        lines.append(line)
    return report.grid(lines)


def draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """A panel for each figure, a bar for each row with its interval over scenes, a dot for each seed."""
    plt = report.pyplot()
    panels = [metric for metric in METRICS if metric.key in _DRAWN]
    figure, axes = plt.subplots(
        1, len(panels), figsize=(3.0 + 2.6 * len(panels), 1.2 + 0.32 * len(rows)), squeeze=False, sharey=True
    )
    places = np.arange(len(rows))
    for axis, metric in zip(axes[0], panels, strict=True):
        found = [interval_of(row[metric.key]) for row in rows]
        values = np.array([one.value for one in found])
        low, high = (np.array([getattr(one, end) for one in found]) for end in ("low", "high"))
        apart = np.nan_to_num(np.maximum([values - low, high - values], 0.0))
        axis.barh(places, values, xerr=apart, capsize=3, color="#9db8d2", ecolor="#333333", height=0.7)
        for place, row in zip(places, rows, strict=True):
            each = [value for value in row[metric.key]["each"] if value is not None]
            axis.plot(each, [place] * len(each), "o", color="#b3441e", markersize=3)
        axis.set_title(f"{metric.heading} ({metric.better} is better)", fontsize=9)
    axes[0][0].set_yticks(places, [f"{row['variant']} ({row['told']})" for row in rows], fontsize=8)
    axes[0][0].invert_yaxis()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
