"""Scores as a table and as pictures."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import numpy as np

from foley_synthesis.evaluation.sounds.methods import REAL
from foley_synthesis.evaluation.sounds.run import Scores

COLUMNS: tuple[tuple[str, str, str, bool], ...] = (
    ("loudness_db", "loudness error [dB]", ".1f", False),
    ("loudness_r", "its r", ".2f", True),
    ("centroid_octaves", "centroid error [octaves]", ".2f", False),
    ("centroid_r", "its r", ".2f", True),
    ("stft_relative", "STFT", ".2f", False),
    ("envelope_relative", "envelope", ".2f", False),
    ("onset_f1", "onset F1", ".2f", True),
    ("sync_ms", "sync error [ms]", ".1f", False),
    ("cdpam", "CDPAM", ".3f", False),
    ("frechet", "Frechet", ".1f", False),
    ("material_accuracy", "material", ".2f", True),
    ("action_accuracy", "action", ".2f", True),
    ("reaction_accuracy", "reaction", ".2f", True),
    ("taken_for_real", "taken for real by a machine", ".2f", True),
)
"""Key, title, format, and whether more is better."""
_NOTES = {
    "stft_relative": "STFT and envelope: L2 distance over the size of the real one, so that silence is 1 away from "
    "everything. Onsets agree within 50 ms.",
    "cdpam": "CDPAM was trained on speech: sounds are brought to one level and gated 50 dB below their peak, it heard "
    "0.6 s around the contact of {cdpam} contacts, and says nothing alone.",
    "frechet": "Frechet distances are taken in {frechet} and biased upwards by few contacts: compare them only within "
    "this table, and with that of as many real training sounds.",
    "material_accuracy": "Probes for material, action and reaction learned from real training sounds (chance: "
    "{chance}).",
    "taken_for_real": "The machine chooses one of two sounds for a touch; it learned on other scenes and stands in for "
    "nobody.",
    "loudness_db": "Intervals: 95 %, over scenes, objects and contacts.",
}
"""What a reader must know of a column, where it is shown."""


def markdown(figures: dict[str, Any]) -> str:
    """The table with its notes."""
    shown = [c for c in COLUMNS if any(c[0] in row for row in figures["rows"].values())]
    lines = [
        f"{figures['contacts']} contacts with {figures['objects']} objects in {figures['scenes']} scenes, "
        f"split `{figures['split']}`.",
        "",
        "| row | " + " | ".join(title for _, title, _, _ in shown) + " |",
        "| --- " * (len(shown) + 1) + "|",
    ]
    for name, row in figures["rows"].items():
        lines.append(f"| {name} | {' | '.join(_cell(row.get(key), form) for key, _, form, _ in shown)} |")
    chance = ", ".join(f"{target} {value:.2f}" for target, value in figures["chance"].items())
    told = " ".join(note for key, note in _NOTES.items() if key in {c[0] for c in shown})
    notes = told.format(cdpam=figures["cdpam_contacts"], frechet=figures["judges"]["frechet"], chance=chance)
    return "\n".join([*lines, "", textwrap.fill(notes, 118), ""])


def _cell(value: dict[str, Any] | None, form: str) -> str:
    if value is None or value.get("value") is None:
        return ""
    text = format(value["value"], form)
    if value.get("low") is not None:
        text += f" [{value['low']:{form}}, {value['high']:{form}}]"
    return text


def draw(scores: Scores, path: Path) -> None:
    """One bar for each row and measure."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = scores.figures["rows"]
    shown = [c for c in COLUMNS if any(c[0] in row for row in rows.values())]
    names = [name for name in rows if name != REAL][::-1]
    across = 5
    down = -(-len(shown) // across)
    figure, axes = plt.subplots(
        down, across, figsize=(3.0 * across, 0.9 + down * (0.8 + 0.22 * len(names))), sharey=True,
        layout="constrained", squeeze=False,
    )  # fmt: skip
    for axis, (key, title, _, more) in zip(axes.flat, shown, strict=False):
        cells = [rows[name].get(key) or {} for name in names]
        values = np.array([np.nan if c.get("value") is None else c["value"] for c in cells], float)
        reach = np.array([
            [v - c["low"], c["high"] - v] if c.get("low") is not None else [0.0, 0.0]
            for v, c in zip(values, cells, strict=True)
        ])  # fmt: skip
        axis.barh(
            names, values, xerr=np.abs(np.nan_to_num(reach.T)), color="#4477aa", ecolor="0.35", height=0.7
        )
        axis.set_title(f"{title}\n({'more' if more else 'less'} is better)", fontsize=8)
        axis.tick_params(labelsize=7)
        real = rows.get(REAL, {}).get(key) or {}
        if real.get("value") is not None and more:
            axis.axvline(real["value"], color="#cc3311", lw=1)
    for axis in list(axes.flat)[len(shown) :]:
        axis.set_visible(False)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def draw_loudness(scores: Scores, names: list[str], path: Path) -> None:
    """Loudness of made over that of real sounds, for each model."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        1, len(names), figsize=(3.2 * len(names), 3.2), squeeze=False, layout="constrained"
    )
    real = scores.loudness[REAL]
    for axis, name in zip(axes[0], names, strict=True):
        axis.plot([real.min(), real.max()], [real.min(), real.max()], color="0.7", lw=1)
        axis.plot(real, scores.loudness[name], ".", ms=4)
        r = scores.figures["rows"][name]["loudness_r"]["value"]
        axis.set_title(f"{name} (r = {r:.2f})", fontsize=9)
        axis.set(xlabel="real [dB]", ylabel="made [dB]")
    figure.savefig(path, dpi=100)
    plt.close(figure)
