"""Wrong grasps against touches, one point for each strategy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from foley_bringup.examples.sorting.strategies import TEXT

_BESIDE = 0.06


def draw(figures: Mapping[str, Any], path: Path) -> None:
    """Write a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for number, (name, cells) in enumerate(figures["strategies"].items()):
        touches, wrong = cells["touches"], cells["wrong"]
        spread = [
            [abs((wrong[end] or 0.0) - wrong["value"])] if wrong[end] is not None else [0.0]
            for end in ("low", "high")
        ]
        beside = touches["value"] + _BESIDE * number  # those with one budget would hide each other
        axes.errorbar([beside], [wrong["value"]], yerr=spread, marker="o", capsize=3, label=TEXT[name])
    axes.set_xlabel("touches a table")
    axes.set_ylabel("wrong grasps a table")
    axes.set_ylim(bottom=0.0)
    axes.legend(fontsize=8)
    axes.set_title(f"{figures['tables']} tables of {figures['scenes']} scenes; 95 % intervals", fontsize=10)
    figure.savefig(path, dpi=150)
