"""Learning curves as a table and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from foley_synthesis.evaluation import report
from foley_synthesis.evaluation.windows.curve import SHOWN
from foley_synthesis.metrics.bootstrap import Interval

_TITLES = {"energy_db": "energy score [dB]", "foreground_db": "one draw [dB]", "onset_f1": "onset F1"}


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """A line for each training."""
    lines = [["training", "hours", "parameters", "steps", *(_TITLES[name] for name in SHOWN)]]
    for row in rows:
        size = f"{row['parameters'] / 1e6:.2f} M"
        figures = (interval_of(row[name]).text(".2f") for name in SHOWN)
        lines.append([row["line"], f"{row['hours']:.2f}", size, str(row["steps"]), *figures])
    return report.grid(lines)


def draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """A panel for each figure over hours, a line for each size and end."""
    plt = report.pyplot()
    figure, axes = plt.subplots(1, len(SHOWN), figsize=(4.2 * len(SHOWN), 3.4), squeeze=False)
    for axis, name in zip(axes[0], SHOWN, strict=True):
        for line in dict.fromkeys(row["line"] for row in rows):
            some = [row for row in rows if row["line"] == line]
            found = [interval_of(row[name]) for row in some]
            values = np.array([one.value for one in found])
            low, high = (np.array([getattr(one, end) for one in found]) for end in ("low", "high"))
            hours = [row["hours"] for row in some]
            apart = np.nan_to_num(np.maximum([values - low, high - values], 0.0))
            axis.errorbar(hours, values, yerr=apart, marker="o", capsize=3, label=line)
        axis.set_xscale("log")
        axis.set_xlabel("hours of data")
        axis.set_title(_TITLES[name])
    axes[0][0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def interval_of(figure: dict[str, float | None]) -> Interval:
    """As it was before it was written to JSON."""
    value, low, high = (np.nan if (v := figure[n]) is None else v for n in ("value", "low", "high"))
    return Interval(value, low, high)
