"""A measured surprise as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from foley_synthesis.metrics.bootstrap import Interval

ALONE = "cochleagram_l2 alone"


def alarms_table(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """Set -> figures of `run`: false alarms at 5 %, a row for each action and material."""
    labels = list(dict.fromkeys(label for f in figures.values() for label in f["alarms"]))
    lines = ["| false alarms at 5 % | " + " | ".join(figures) + " |", "| --- " * (1 + len(figures)) + "|"]
    for label in labels:
        cells = [_alarms(f["alarms"].get(label)) for f in figures.values()]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    cells = [_alarms(f[ALONE]["alarms"]["all"]) for f in figures.values()]
    lines.append("| all, by the cochleagrams' distance alone | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def power_table(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """Set -> figures of `run`: swapped material, a row for each situation."""
    lines = [
        "| set | told by | contacts | pairs | AUROC | power at 5 % | false alarms |",
        "| --- " * 7 + "|",
    ]
    for name, f in figures.items():
        rows = {
            "all": f,
            **{f"of these `{k}`": s for k, s in f["situations"].items()},
            "the cochleagrams' distance alone": f[ALONE],
        }
        for label, row in rows.items():
            told = row["alarms"].get("all", row["alarms"])
            lines.append(f"| {name} | {label} | " + _power(row["swapped material"]) + f" | {_alarms(told)} |")
    return "\n".join(lines) + "\n"


def sessions_table(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """Of `run.on_sessions`."""
    lines = [
        "| set, heard only | contacts | pairs | AUROC | power at 5 % | false alarms | by action |",
        "| --- " * 7 + "|",
    ]
    for name, row in figures.items():
        by_action = ", ".join(
            f"{label.removeprefix('action ')} {_alarms(told)}"
            for label, told in row["alarms"].items()
            if label.startswith("action ")
        )
        told = _alarms(row["alarms"]["all"])
        lines.append(f"| {name} | " + _power(row["swapped material"]) + f" | {told} | {by_action} |")
    return "\n".join(lines) + "\n"


def changes_table(figures: Mapping[str, Any]) -> str:
    """Of `run.on_changes`."""
    lines = [
        "| a thing that was | contacts | pairs | AUROC | power at 5 % | false alarms |",
        "| --- " * 6 + "|",
    ]
    for name, row in figures.items():
        lines.append(f"| {name} | " + _power(row) + f" | {_alarms(row['alarms'])} |")
    return "\n".join(lines) + "\n"


def _power(row: Mapping[str, Any]) -> str:
    if "auroc" not in row:
        return f"{row['contacts']} | {row['pairs']} | | "
    return f"{row['contacts']} | {row['pairs']} | {_text(row['auroc'])} | {_text(row['power'])}"


def _alarms(row: Mapping[str, Any] | None) -> str:
    return "" if row is None else f"{_text(row['alarms'])} of {row['contacts']}"


def _text(figure: Mapping[str, float | None]) -> str:
    known = {key: float("nan") if value is None else value for key, value in figure.items()}
    return Interval(known["value"], known["low"], known["high"]).text(".2f")
