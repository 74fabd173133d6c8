"""Scores of sounds as text and as a picture of loudness."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from foley_synthesis.evaluation import report
from foley_synthesis.evaluation.measure import Table
from foley_synthesis.evaluation.sound_metrics import REAL


def facts(table: Table) -> str:
    """What the figures are of."""
    f = table.facts
    return (
        f"{f['contacts']} contacts with {f['objects']} objects in {f['scenes']} scenes, split `{f['split']}`."
    )


def markdown(table: Table) -> str:
    """The table with its notes."""
    return f"{facts(table)}\n\n{report.markdown(table)}"


def draw_loudness(table: Table, names: list[str], path: Path) -> None:
    """Loudness of predicted over that of real sounds, for each method."""
    plt = report.pyplot()
    figure, axes = plt.subplots(
        1, len(names), figsize=(3.2 * len(names), 3.2), squeeze=False, layout="constrained"
    )
    for axis, name in zip(axes[0], names, strict=True):
        cell = table.cells[name]["loudness_r"]
        made, real = np.asarray(cell.values).T
        axis.plot([real.min(), real.max()], [real.min(), real.max()], color="0.7", lw=1)
        axis.plot(real, made, ".", ms=4)
        axis.set_title(f"{name} (r = {cell.found.value:.2f})", fontsize=9)
        axis.set(xlabel=f"{REAL} [dB]", ylabel="predicted [dB]")
    figure.savefig(path, dpi=100)
    plt.close(figure)
