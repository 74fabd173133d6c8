"""An evaluation as tables and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from foley_synthesis.evaluation.checkpoint.evaluate import Evaluation
from foley_synthesis.metrics.bootstrap import Interval


def tables(evaluation: Evaluation) -> list[Any]:
    """Tables for a rich console."""
    from rich.table import Table

    e = evaluation
    accuracy = Table(title=f"Balanced material accuracy, {e.contacts} contacts (chance {e.chance:.3f})")
    for column in ("", "accuracy", "95 % interval", "hardness MAE [log10 Pa]"):
        accuracy.add_column(column, justify="left" if not column else "right")
    for name, value in e.accuracy.items():
        hardness = e.hardness_mae.get(name)
        accuracy.add_row(name, f"{value.value:.3f}", _range(value), _with_range(hardness) if hardness else "")
    for name, value in e.hardness_mae.items():
        if name not in e.accuracy:
            accuracy.add_row(name, "", "", _with_range(value))
    calibration = Table(title="Calibration")
    for column in ("", "Brier", "of uniform", "log loss", "ECE", "coverage", "accuracy where sure"):
        calibration.add_column(column, justify="left" if not column else "right")
    for name, c in e.calibration.items():
        calibration.add_row(
            name,
            f"{c['brier']:.3f}",
            f"{c['brier_of_uniform']:.3f}",
            f"{c['log_loss']:.3f}",
            f"{c['expected_calibration_error']:.3f}",
            f"{c['coverage']:.2f}",
            f"{c['accuracy_where_sure']:.3f}",
        )
    sound = Table(title=f"Error of the predicted sound, {e.planned_contacts} contacts")
    for column in ("", "envelope", "loudness [dB]", "centroid [octaves]"):
        sound.add_column(column, justify="left" if not column else "right")
    for name, row in e.sound.items():
        sound.add_row(name, *(_with_range(row[k]) for k in ("envelope", "loudness_db", "centroid_octaves")))
    return [accuracy, calibration, sound]


def save_confusion(evaluation: Evaluation, path: Path) -> None:
    """A picture of the confusion matrices, each row divided by its sum."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np

    count = len(evaluation.confusion)
    figure, axes = plt.subplots(1, count, figsize=(4.6 * count, 4.4), squeeze=False, layout="constrained")
    ticks = range(len(evaluation.labels))
    for axis, (mode, matrix) in zip(axes[0], evaluation.confusion.items(), strict=True):
        share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1.0)
        axis.imshow(share, vmin=0.0, vmax=1.0, cmap="Blues")
        axis.set_xticks(ticks, evaluation.labels, rotation=45, ha="right")
        axis.set_yticks(ticks, evaluation.labels)
        axis.set_title(f"{mode}: {evaluation.accuracy[mode].value:.2f} (chance {evaluation.chance:.2f})")
        axis.set_xlabel("said")
        axis.set_ylabel("truth")
        for i in ticks:
            for j in ticks:
                if matrix[i, j]:
                    colour = "white" if share[i, j] > 0.55 else "black"
                    axis.text(
                        j, i, f"{int(matrix[i, j])}", ha="center", va="center", color=colour, fontsize=8
                    )
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _range(value: Interval) -> str:
    return f"[{value.low:.3f}, {value.high:.3f}]"


def _with_range(value: Interval) -> str:
    return f"{value.value:.3f} {_range(value)}" if value.value == value.value else "-"
