"""A fitted fusion as tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from foley_synthesis.beliefs.fitted import FittedFusion
from foley_synthesis.evaluation.fusion.measure import PICTURED, SOURCES
from foley_synthesis.evaluation.fusion.taps import FUSED, INDEPENDENT, NEWEST
from foley_synthesis.metrics.bootstrap import Interval

_LEAST_SHARE = 0.02  # of cases, of a bin that is drawn
_COLUMNS = {
    "balanced_accuracy": "balanced accuracy",
    "log_loss": "log loss [nat]",
    "brier_score": "Brier",
    "expected_calibration_error": "ECE",
    "answered": "answered",
    "wrong_where_answered": "wrong where answered",
}


def markdown(figures: Mapping[str, Any]) -> str:
    """Of `measure_fusion`: a row for each number of contacts and each source."""
    lines = [
        "| contacts | objects | evidence | " + " | ".join(_COLUMNS.values()) + " |",
        "| --- " * (3 + len(_COLUMNS)) + "|",
    ]
    for contacts, row in figures.items():
        for source in [name for name in (*SOURCES, *PICTURED) if name in row]:
            cells = [_text(row[source][key]) for key in _COLUMNS]
            lines.append(f"| {contacts} | {row['objects']} | {source} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def taps(figures: Mapping[str, Any]) -> str:
    """Of `measure_taps` for several sets: a row for each set, series, number of taps and way to fuse."""
    columns = [*_COLUMNS.values(), "ECE if calibrated", "coverage at .95", "right of these"]
    lines = [
        "| set | taps | objects | way | " + " | ".join(columns) + " |",
        "| --- " * (4 + len(columns)) + "|",
    ]
    for name, series in figures.items():
        for where, rows in series.items():
            for contacts, row in rows.items():
                for way in (FUSED, NEWEST, INDEPENDENT):
                    keys = [*_COLUMNS, "coverage_at_95", "right_among_covered"]
                    cells = [_text(row[way][key]) if key in row[way] else "" for key in keys]
                    cells.insert(len(_COLUMNS), f"{row['error_if_calibrated']:.3f}" if way == FUSED else "")
                    what = f"{contacts} {where}"
                    lines.append(
                        f"| {name} | {what} | {row['objects']} | {way} | " + " | ".join(cells) + " |"
                    )
    return "\n".join(lines) + "\n"


def parts(figures: Mapping[str, Any]) -> str:
    """Of `measure_parts` for several sets."""
    names = {
        "single": "of one material, split",
        "spliced": "of two, found",
        "both_materials_right": "both materials right",
    }
    lines = [
        "| set | contacts a part | " + " | ".join(names.values()) + " | one answer for two, before and now |"
    ]
    lines.append("| --- " * (3 + len(names)) + "|")
    for name, rows in figures.items():
        for contacts, row in rows.items():
            cells = [f"{_text(row[key])} of {row[key]['of']}" for key in names]
            answers = row["answers_one_material"]
            cells.append(f"{answers['without']['value']:.2f}, {answers['with_parts']['value']:.2f}")
            lines.append(f"| {name} | {contacts} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def draw_reliability(figures: Mapping[str, Any], path: Path) -> None:
    """A diagram for each set: what is said against what is right, after 1, 2, 4 and 8 taps."""
    from matplotlib.figure import Figure

    shown = [
        (name, where, rows) for name, series in figures.items() for where, rows in series.items() if rows
    ]
    figure = Figure(figsize=(3.0 * len(shown), 3.2), layout="constrained")
    for k, (name, where, rows) in enumerate(shown):
        axes = figure.add_subplot(1, len(shown), k + 1)
        axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
        for contacts, row in rows.items():
            found = row["reliability"]
            kept = [i for i, n in enumerate(found["share"]) if n >= _LEAST_SHARE]
            axes.plot(
                [found["said"][i] for i in kept], [found["right"][i] for i in kept], marker="o", markersize=3,
                linewidth=1, label=f"{contacts}: ECE {row[FUSED]['expected_calibration_error']['value']:.3f}",
            )  # fmt: skip
        axes.set(title=f"{name}, {where}", xlabel="said", xlim=(0, 1), ylim=(0, 1))
        axes.title.set_fontsize(9)
        axes.legend(fontsize=7, loc="upper left")
    if shown:
        figure.axes[0].set_ylabel("right")
        figure.savefig(path, dpi=70)


def answers(fitted: FittedFusion) -> str:
    """From how probable a class on each amount of evidence is an answer."""
    lines = ["| evidence | answers from | bound on their risk | answered on validation |", "| --- " * 4 + "|"]
    for rule in fitted.config.answers or ():
        least = f"{rule.least_probability:.2f}" if rule.answers else "never"
        bound = f"{rule.risk_bound:.2f}" if rule.answers else ""
        lines.append(f"| {rule.text} | {least} | {bound} | {rule.answered} of {rule.objects} |")
    return "\n".join(lines) + "\n"


def _text(figure: Mapping[str, float | None]) -> str:
    known = {key: float("nan") if value is None else value for key, value in figure.items()}
    return Interval(known["value"], known["low"], known["high"]).text()
