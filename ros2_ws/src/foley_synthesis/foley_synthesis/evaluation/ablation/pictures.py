"""Which materials a row is read as, and for which of them a machine takes it for real."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

SHOWN = ("real sound", "full, with action", "full, with action, parametric", "full, parametric")


def draw_confusion(part: dict[str, Any], path: Path, rows: Sequence[str] = SHOWN) -> None:
    """One panel for each row.

    Args:
        part: figures of one set of contacts, with `materials` and `rows`.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = [row for row in rows if row in part["rows"]]
    names, ticks = part["materials"], range(len(part["materials"]))
    figure, axes = plt.subplots(
        2,
        len(rows),
        figsize=(3.7 * len(rows), 5.6),
        height_ratios=(3, 1.1),
        squeeze=False,
        layout="constrained",
    )
    for column, row in enumerate(rows):
        shares = np.array(part["rows"][row]["material_confusion"])
        upper, lower = axes[0, column], axes[1, column]
        upper.imshow(shares, vmin=0.0, vmax=1.0, cmap="Blues")
        accuracy = part["rows"][row]["material_accuracy"]["value"]
        upper.set_title(f"{row}: {accuracy:.2f}\n(chance {part['chance']['material']:.2f})", fontsize=9)
        upper.set_xticks(ticks, names, rotation=90, fontsize=7)
        upper.set_yticks(ticks, names if column == 0 else [], fontsize=7)
        taken = part["rows"][row]["taken_for_real_by_material"]
        lower.bar(ticks, [taken.get(name, np.nan) for name in names], color="#4477aa")
        lower.axhline(0.5, color="0.6", lw=0.8)
        lower.set_xticks([])
        lower.set_ylim(0, 1)
        if column == 0:
            upper.set_ylabel("truth, read as")
            lower.set_ylabel("taken for real\nby a machine", fontsize=8)
    figure.savefig(path, dpi=100)
    plt.close(figure)
