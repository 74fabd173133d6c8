"""The analysis as Markdown and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from foley_synthesis.evaluation.report import grid, pyplot


def markdown(figures: dict[str, Any]) -> str:
    """Tables: models first, then every group."""
    parts = [
        f"{figures['answers']} answers of {figures['participants']} participants; {figures['left_out']} left out, who "
        "missed catch trials. 50 % cannot be told from a recording."
    ]
    lines = [["model", "labelled real", "95 %", "answers", "p against 50 % (Holm)"]]
    for model, row in figures["models"].items():
        p = figures["against_half"][model]["p_holm"]
        ends = f"{row['low']:.1f}-{row['high']:.1f} %"
        lines.append([model, _rate(row), ends, str(row["answers"]), f"{p:.3g}"])
    parts.append(grid(lines))
    if pairs := figures["between_models"]:
        tests = [[pair, f"{v['p']:.3g}", f"{v['p_holm']:.3g}"] for pair, v in pairs.items()]
        parts.append(grid([["pair", "p", "p (Holm)"], *tests]))
    models = list(figures["models"])
    for group, rows in figures["groups"].items():
        values = sorted({v for of in rows.values() for v in of})
        cells = [
            [value, *(_rate(rows[m][value]) if value in rows[m] else "" for m in models)] for value in values
        ]
        parts.append(grid([[group, *models], *cells]))
    return "\n\n".join(parts) + "\n"


def plot(figures: dict[str, Any], path: Path) -> None:
    """Per cent labelled real by model, with intervals and the line of 50 %."""
    plt = pyplot()
    rows = sorted(figures["models"].items(), key=lambda item: item[1]["percent"])
    figure, axes = plt.subplots(figsize=(6, 0.6 * len(rows) + 1.2), constrained_layout=True)
    for y, (_, row) in enumerate(rows):
        axes.plot([row["low"], row["high"]], [y, y], color="#2a6f4e", linewidth=2)
        axes.plot(row["percent"], y, "o", color="#2a6f4e")
    axes.axvline(50, color="#888", linewidth=1, linestyle="--")
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlim(0, 100)
    axes.set_xlabel("made sounds said to be real [%]")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _rate(row: dict[str, Any]) -> str:
    return f"{row['percent']:.1f} +- {row['standard_error']:.1f} %"
