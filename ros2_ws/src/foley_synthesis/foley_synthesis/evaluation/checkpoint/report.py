"""An evaluation as tables and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from foley_synthesis.evaluation.checkpoint.evaluate import Evaluation
from foley_synthesis.evaluation.report import draw_matrices, rich_table


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
    line = [
        (f"{mode}: {evaluation.accuracy[mode].value:.2f} (chance {evaluation.chance:.2f})", matrix)
        for mode, matrix in evaluation.confusion.items()
    ]
    draw_matrices([line], evaluation.labels, path)
