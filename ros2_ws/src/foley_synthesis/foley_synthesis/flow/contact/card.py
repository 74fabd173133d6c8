"""What is told of a flow of contacts that somebody is given: figures, data, how it was made, licence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LICENCE = "Apache-2.0"
_COLUMNS = (
    ("foreground_db", "foreground [dB]", ".2f"),
    ("foreground_mean_db", "mean of draws [dB]", ".2f"),
    ("energy_db", "energy [dB]", ".2f"),
    ("level_db", "level [dB]", ".1f"),
    ("level_r", "level r", ".2f"),
    ("onset_f1", "onset F1", ".2f"),
)
_MEASURED, _MADE = "Measured", "How it was made"
_LIMITS = """\
Everything was simulated: nothing here was measured on a robot or with recorded sound. It knows 8 s of motion of a
gripper with a stick over a table of things, the surface as cameras see it, and the room's tone. In the simulator's
other world (FoleySim-B) a flow like this knew when to sound, but not what it sounds like."""


def card(
    facts: Mapping[str, Any],
    metrics: Mapping[str, Any],
    *,
    title: str,
    about: Mapping[str, str],
    table: Mapping[str, Any] | None = None,
    commands: Sequence[str] = (),
    before: str = "",
) -> str:
    """A page of Markdown.

    Args:
        facts: of the checkpoint, `ContactFlowModel.facts`.
        metrics: of its training.
        title: of the page.
        about: further lines of its first table, such as version and checksums.
        table: figures of `foley flow table`, in which methods are named; None: none were measured.
        commands: that made it, in their order.
        before: an earlier card of the same model, whose figures and commands stand where none are given.
    """
    seen = metrics["with_views"]["train"] if facts.get("sight_id") else 0
    lines = {
        **about,
        "licence": LICENCE,
        "parameters": f"{metrics['parameters'] / 1e6:.1f} million of the field, size `{facts['size']}`",
        "trained on": (
            f"{metrics['hours']:.1f} h of simulated sound and motion in {len(facts['train_scenes'])} scenes, of which "
            f"{seen} with views; it contains no recorded data"
        ),
        "training": (
            f"{metrics['steps']} steps, {metrics['seconds'] / 60:.0f} minutes, loss on validation "
            f"{metrics['best_validation']:.4f}"
        ),
        "codec": f"`{facts['codec_id']}`, within",
        "sight": f"`{facts['sight_id']}`" if facts.get("sight_id") else "trained without views",
    }
    parts = [
        f"# {title}",
        "Sound of what a tool touches, from how it moves over a surface that was seen: a rectified flow after *Hearing "
        "Hands* (Dou et al. 2025); see docs/hearing_hands.md of Foley.",
        _rows(("", ""), lines.items()),
        f"## Limits\n\n{_LIMITS}",
    ]
    measured = section(before, _MEASURED) if table is None else f"{_head(table)}\n\n{_figures(table)}"
    made = "```\n" + "\n".join(commands) + "\n```" if commands else section(before, _MADE)
    parts += [f"## {title}\n\n{text}" for title, text in ((_MEASURED, measured), (_MADE, made)) if text]
    return "\n\n".join(parts) + "\n"


def section(page: str, title: str) -> str:
    """What stands under a heading of a card; empty where there is no such heading."""
    _, found, rest = page.partition(f"\n## {title}\n")
    return rest.split("\n## ")[0].strip() if found else ""


def _head(table: Mapping[str, Any]) -> str:
    return (
        f"`foley flow table` on {table['test']}: {table['windows']} windows of 8 s in {table['scenes']} scenes, "
        f"{table['touches']} touches, {table['draws']} draws of each; 95 % intervals over scenes and windows."
    )


def _figures(table: Mapping[str, Any]) -> str:
    shown = [column for column in _COLUMNS if any(column[0] in row for row in table["methods"].values())]
    rows = [
        (name, *(_cell(row.get(key), form) for key, _, form in shown))
        for name, row in table["methods"].items()
    ]
    return _rows(("sound", *(heading for _, heading, _ in shown)), rows)


def _cell(figure: Mapping[str, float | None] | None, form: str) -> str:
    if figure is None or figure.get("value") is None:
        return ""
    value, low, high = (figure.get(name) for name in ("value", "low", "high"))
    return f"{value:{form}}" + ("" if low is None or high is None else f" [{low:{form}}, {high:{form}}]")


def _rows(head: Sequence[str], rows: Any) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
