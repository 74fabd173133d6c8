"""Which materials a method is read as, and for which of them it fools the discriminator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from foley_synthesis.evaluation.measure import Table
from foley_synthesis.evaluation.report import draw_matrix, pyplot

SHOWN = ("real sound", "full, with action", "full, with action, parametric", "full, parametric")


def draw_confusion(table: Table, path: Path, methods: Sequence[str] = SHOWN) -> None:
    """One panel for each method."""
    plt = pyplot()
    methods = [method for method in methods if method in table.cells]
    names = table.facts["materials"]
    figure, axes = plt.subplots(
        2,
        len(methods),
        figsize=(3.7 * len(methods), 5.6),
        height_ratios=(3, 1.1),
        squeeze=False,
        layout="constrained",
    )
    for column, method in enumerate(methods):
        details, lower = table.details[method], axes[1, column]
        accuracy = table.cells[method]["material_accuracy"].found.value
        title = f"{method}: {accuracy:.2f}\n(chance {table.facts['chance']['material']:.2f})"
        shares = details["material_confusion"]
        draw_matrix(axes[0, column], shares, names, title, names=column == 0, numbers=False)
        rates = details["fooling_rate_by_material"]
        lower.bar(range(len(names)), [rates.get(name, np.nan) for name in names], color="#4477aa")
        lower.axhline(0.5, color="0.6", lw=0.8)
        lower.set_xticks([])
        lower.set_ylim(0, 1)
        if column == 0:
            lower.set_ylabel("fooling rate", fontsize=8)
    figure.savefig(path, dpi=100)
    plt.close(figure)
