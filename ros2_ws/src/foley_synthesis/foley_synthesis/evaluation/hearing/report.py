"""The tables of hearing as Markdown, and its pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from foley_synthesis.evaluation import report
from foley_synthesis.evaluation.hearing import adaptation, honesty
from foley_synthesis.evaluation.hearing.real import RealTable
from foley_synthesis.evaluation.hearing.run import Findings
from foley_synthesis.flow.what import MATERIALS


def markdown(found: Findings, models: Mapping[str, str]) -> str:
    """All tables. `models` is name -> model id."""
    parts = [
        "# Hearing",
        "Models: " + ", ".join(f"{name} ({mark[:12]})" for name, mark in models.items()) + ".",
        *_real(found.real, "Real recordings"),
    ]
    if found.wide is not None:
        parts += _real(found.wide, "Real recordings, all materials that they have")
    parts += [
        "## What it does say of real recordings",
        "Of recordings with a material of the vocabulary: how many are answered; how many of those are right, of 13 "
        "and, told that it is one of the asked ones, of those.",
        report.grid(honesty.lines(found.honesty["contacts"])),
        "## Sounds that must not be answered",
        report.grid(_abstentions(found.honesty["no_contact"])),
    ]
    if found.honesty["other_materials"]:
        parts += [
            "Real recordings whose material is none of the 13:",
            report.grid(_abstentions(found.honesty["other_materials"])),
        ]
    if found.stages:
        parts += ["## As it is heard", report.grid(_stages(found.stages))]
    if found.adaptation:
        parts += [
            "## With some labelled taps",
            "Mean balanced accuracy over draws of taps, and between which values 95 % of the draws lie.",
            report.grid(adaptation.lines(found.adaptation)),
        ]
    for name, table in found.simulated.items():
        count = table.table.count("contacts", "objects")
        parts += [
            f"## Simulated: {name}",
            ", ".join(f"{value} {key}" for key, value in count.items()) + ".",
            report.markdown(table.table).rstrip(),
        ]
    parts += ["## Time of an answer", report.grid(_latency(found.latency))]
    parts += [f"Note: {note}" for note in found.notes]
    return "\n\n".join(parts) + "\n"


def _real(table: RealTable, title: str) -> list[str]:
    sources = [
        f"{name} ({sum(row.values())}: " + ", ".join(f"{k} {m}" for m, k in row.items()) + ")"
        for name, row in table.classes.items()
    ]
    lines = [["method", *table.sources]]
    for method in table.pooled.cells:
        figures = [t.cells[method]["balanced_accuracy"].found.text(".2f") for t in table.sources.values()]
        lines.append([method, *figures])
    return [
        f"## {title}",
        f"{len(table.pooled.items)} recordings of {', '.join(table.materials)}; chance is "
        f"{1 / len(table.materials):.3f}. Sources: {'; '.join(sources)}.",
        report.markdown(table.pooled).rstrip(),
        "Balanced accuracy in each source, over the materials that it has; all are asked for, so chance is the same:",
        report.grid(lines),
    ]


def _abstentions(found: Mapping[str, Any]) -> list[list[str]]:
    kinds = next(iter(found.values()))["kinds"]
    rows = [["model", "abstains on all", "mean over kinds", *kinds]]
    for name, row in found.items():
        rows.append(
            [
                name, honesty.text(row["all"]), f"{row['mean_over_kinds']:.2f}",
                *(f"{figure['value']:.2f}" for figure in row["kinds"].values()),
            ]
        )  # fmt: skip
    return rows


def _stages(found: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    rows = [["model", "heard after the onset [s]", "balanced accuracy", "answers", "median time [ms]"]]
    for name, stages in found.items():
        for stage, row in stages.items():
            figure = row["balanced_accuracy"]
            accuracy = f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"
            rows.append(
                [name, stage, accuracy, honesty.text(row["answers"]), f"{row['milliseconds']['median']:.1f}"]
            )
    return rows


def _latency(found: Mapping[str, Mapping[str, float]]) -> list[list[str]]:
    rows = [["model", "median [ms]", "95 % within [ms]"]]
    return rows + [[name, f"{row['median']:.1f}", f"{row['p95']:.1f}"] for name, row in found.items()]


def draw(found: Findings, models: Mapping[str, str], out: Path) -> list[str]:
    """Pictures; their names."""
    names = ["real.png", "confusion.png"]
    report.draw_bars(found.real.pooled, out / names[0])
    _matrices(found.real.confusions, list(found.real.confusions), found.real.materials, out / names[1])
    if found.adaptation:
        names.append("adaptation.png")
        adaptation.draw_curves(found.adaptation, out / names[-1])
    for number, table in enumerate(found.simulated.values()):
        names.append(f"simulated_{number}.png")
        _matrices(table.confusions, list(models), MATERIALS, out / names[-1])
    return names


def _matrices(counts: Mapping[str, Any], shown: list[str], labels: Any, path: Path) -> None:
    across = next((k for k in (3, 2) if len(shown) % k == 0), len(shown))
    lines = [shown[k : k + across] for k in range(0, len(shown), across)]
    report.draw_matrices([[(name, counts[name]) for name in line] for line in lines], labels, path)
