"""The table as Markdown, with the paper's figures beside it, and which of its orderings hold."""

from __future__ import annotations

from typing import Any

PAPER_PERCENT_REAL = {
    "real sound match": 46.90,
    "full": 40.01,
    "no spacetime": 37.88,
    "trained from scratch": 36.46,
    "full, parametric": 34.66,
    "image match": 32.98,
    "image + spacetime match": 33.77,
    "no RNN": 29.96,
    "random": 19.77,
}
"""Per cent of people who took it for real, Visually Indicated Sounds, figure 5a."""
ORDER = (
    "real sound", "real sound, 56 ms late", "real sound through PCA", "real sound match", "full, with action",
    "fine-tuned", "full", "no spacetime", "no RNN", "trained from scratch", "full, parametric",
    "full, with action, parametric", "fine-tuned, parametric", "no spacetime, parametric", "no RNN, parametric",
    "trained from scratch, parametric", "image match", "image + spacetime match", "nearest clip, velocity zero",
    "random", "training mean", "silence",
)  # fmt: skip
_COLUMNS = (
    ("loudness_db", "loudness error [dB]", False),
    ("loudness_r", "r", True),
    ("centroid_octaves", "centroid error [octaves]", False),
    ("centroid_r", "r", True),
    ("material_accuracy", "material", True),
    ("action_accuracy", "action", True),
    ("reaction_accuracy", "reaction", True),
    ("taken_for_real", "taken for real by the machine", True),
)
ORDERINGS = (
    ("real sound match", "full"), ("full", "no spacetime"), ("full", "full, parametric"), ("full", "image match"),
    ("full", "image + spacetime match"), ("full", "no RNN"), ("no RNN", "random"), ("image match", "random"),
    ("fine-tuned", "trained from scratch"), ("full", "trained from scratch"),
)  # fmt: skip
"""Pairs of the paper: people took the first for real more often."""


def markdown(figures: dict[str, Any]) -> str:
    """One table for every set of contacts."""
    lines = []
    for name, part in figures.items():
        chance = part["chance"]
        lines += [
            f"### {name}: {part['contacts']} contacts with {part['objects']} objects in {part['scenes']} scenes",
            "",
            "Chance: " + ", ".join(f"{target} {value:.3f}" for target, value in chance.items()) + ".",
            "",
            "| row | " + " | ".join(title for _, title, _ in _COLUMNS) + " | paper: labelled real |",
            "| --- " * (len(_COLUMNS) + 2) + "|",
        ]
        for row in (r for r in ORDER if r in part["rows"]):
            cells = [_cell(part["rows"][row][key]) for key, _, _ in _COLUMNS]
            paper = f"{PAPER_PERCENT_REAL[row]:.1f} %" if row in PAPER_PERCENT_REAL else ""
            lines.append(f"| {row} | {' | '.join(cells)} | {paper} |")
        lines += ["", *_verdicts(part["differences"]), ""]
    return "\n".join(lines)


def orderings(part: dict[str, Any]) -> dict[str, dict[str, list[str]]]:
    """For every pair of the paper, by which figures it holds, is reversed, or is open.

    It is open where the 95 % interval of the paired difference has both signs.
    """
    found = {}
    for pair, differences in part["differences"].items():
        said: dict[str, list[str]] = {"holds": [], "reversed": [], "open": []}
        for key, _, more in _COLUMNS:
            difference = differences.get(key)
            if difference is None or difference["low"] is None:
                continue
            if difference["low"] <= 0.0 <= difference["high"]:
                said["open"].append(key)
            else:
                said["holds" if (difference["low"] > 0.0) == more else "reversed"].append(key)
        found[pair] = said
    return found


def _verdicts(differences: dict[str, Any]) -> list[str]:
    titles = {key: key.removesuffix("_accuracy").replace("_", " ") for key, _, _ in _COLUMNS}
    lines = ["| ordering of the paper | holds | reversed |", "| --- | --- | --- |"]
    for pair, said in orderings({"differences": differences}).items():
        cells = [", ".join(titles[key] for key in said[verdict]) for verdict in ("holds", "reversed")]
        lines.append(f"| {pair} | {cells[0]} | {cells[1]} |")
    return [*lines, "", "By paired differences; what stands in neither column is open."]


def _cell(value: dict[str, Any]) -> str:
    if value["value"] is None:
        return ""
    return f"{value['value']:.2f} [{value['low']:.2f}, {value['high']:.2f}]"
