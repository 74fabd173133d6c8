"""An evaluation as tables and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from foley_synthesis.evaluation.checkpoint.evaluate import Evaluation
from foley_synthesis.evaluation.report import draw_matrix, pyplot, rich_table


def tables(evaluation: Evaluation) -> list[Any]:
    """Tables for a rich console."""
    e = evaluation
    contacts = len(e.materials.items)
    return [
        rich_table(e.materials, f"Material, {contacts} contacts (chance {e.chance:.3f})"),
        rich_table(e.calibration, "Calibration"),
        rich_table(e.sound, f"Error of the predicted sound, {len(e.sound.items)} contacts"),
    ]


def save_confusion(evaluation: Evaluation, path: Path) -> None:
    """A picture of the confusion matrices, each row divided by its sum."""
    plt = pyplot()
    count = len(evaluation.confusion)
    figure, axes = plt.subplots(1, count, figsize=(4.6 * count, 4.4), squeeze=False, layout="constrained")
    for axis, (mode, matrix) in zip(axes[0], evaluation.confusion.items(), strict=True):
        title = f"{mode}: {evaluation.accuracy[mode].value:.2f} (chance {evaluation.chance:.2f})"
        draw_matrix(axis, matrix, evaluation.labels, title)
    figure.savefig(path, dpi=110)
    plt.close(figure)
