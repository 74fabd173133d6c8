"""Detections as a table and as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from foley_synthesis.evaluation.impact_detection.match import peaks
from foley_synthesis.evaluation.impact_detection.run import PAPER, Impacts
from foley_synthesis.evaluation.impact_detection.videos import RATE_HZ


def markdown(figures: dict[str, Any]) -> str:
    """The table."""
    lines = [
        f"{figures['heard']} impacts that can be heard (of {figures['impacts']}), tolerance "
        f"{figures['tolerance_s']:.1f} s, {figures['seeds']} seeds.",
        "",
        "| row | average precision | F1 | median error [ms] | paper |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, row in figures["rows"].items():
        ap = row["average_precision"]
        error = "" if row["median_error_ms"] is None else f"{row['median_error_ms']:.0f}"
        paper = f"{PAPER[name]:.3f}" if name in PAPER else ""
        lines.append(
            f"| {name} | {ap['value']:.3f} [{ap['low']:.3f}, {ap['high']:.3f}] | {row['f1']:.3f} | {error} "
            f"| {paper} |"
        )
    return "\n".join(lines) + "\n"


def draw(found: Impacts, path: Path, shown: int = 20) -> None:
    """Precision over recall, and one video: what was heard, what was predicted, and what was found in it."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 4.2), width_ratios=(1, 2.2), layout="constrained")
    for name, (recall, precision) in found.curves.items():
        ap = found.figures["rows"][name]["average_precision"]["value"]
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
