"""Detections as a table and as pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from foley_synthesis.evaluation import report
from foley_synthesis.evaluation.impact_detection.match import peaks
from foley_synthesis.evaluation.impact_detection.run import PAPER, Impacts
from foley_synthesis.evaluation.impact_detection.videos import RATE_HZ


def markdown(found: Impacts) -> str:
    """The table."""
    facts, details = found.table.facts, found.table.details
    error = {name: row["median_error_ms"] for name, row in details.items()}
    beside = {
        "F1": {name: f"{row['f1']:.3f}" for name, row in details.items()},
        "median error [ms]": {name: "" if ms is None else f"{ms:.0f}" for name, ms in error.items()},
        "paper": {name: f"{value:.3f}" for name, value in PAPER.items()},
    }
    return (
        f"{facts['heard']} impacts that can be heard (of {facts['impacts']}), tolerance "
        f"{facts['tolerance_s']:.1f} s, {facts['seeds']} seeds.\n\n{report.markdown(found.table, beside=beside)}"
    )


def draw(found: Impacts, path: Path, shown: int = 20) -> None:
    """Precision over recall, and one video: what was heard, what was predicted, and what was found in it."""
    plt = report.pyplot()
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 4.2), width_ratios=(1, 2.2), layout="constrained")
    for name, (recall, precision) in found.curves.items():
        ap = found.table.cells[name]["average_precision"].found.value
        left.plot(recall, precision, label=f"{name} ({ap:.2f})")
    left.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02), title="impacts on long videos")
    left.legend(fontsize=8)
    video = found.tested[0]
    frames = min(len(video.cochleagram), shown * RATE_HZ)
    seconds = np.arange(frames) / RATE_HZ
    for offset, (name, colour) in enumerate((("sound itself", "0.4"), ("RGB + spacetime", "C0"))):
        strength = found.strengths[name][0][0][:frames]
        scale = max(float(np.abs(strength).max()), 1e-9)
        right.plot(seconds, strength / scale + 2.2 * (1 - offset), color=colour, lw=0.9, label=name)
        at = peaks(strength)
        right.plot(at / RATE_HZ, strength[at] / scale + 2.2 * (1 - offset), ".", color=colour)
    for impact, heard in zip(video.impacts, video.heard, strict=True):
        if impact < frames:
            right.axvline(impact / RATE_HZ, color="C3", lw=0.8, ls="-" if heard else ":")
    right.set(xlabel="s", yticks=[], title=f"{video.session_id}: impacts (red) and rise of loudness")
    right.legend(fontsize=8, loc="upper right")
    figure.savefig(path, dpi=110)
    plt.close(figure)
