"""What is told of a hearing model that somebody is given: figures, data, how it was made, where it fails, licence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foley_synthesis.hearing.model_file import HearingFile

LICENCE = "Apache-2.0"
_LIMITS = """\
It learned from simulated sound alone, and calibration, sets and abstention hold for contacts like those of its
validation set. Of recordings it says less: where they are unlike anything simulated it abstains, and where it does not
it is wrong more often than is stated here. It hears one contact at a time."""
_COLUMNS = (
    ("balanced_accuracy", "balanced accuracy"),
    ("log10_e_mae", "error of log10 E [Pa]"),
    ("log10_density_mae", "error of log10 density"),
    ("action_accuracy", "action"),
    ("contact_accuracy", "contact or none"),
)


def card(
    file: HearingFile, metrics: Mapping[str, Any], *, commands: Sequence[str] = (), more: Sequence[str] = ()
) -> str:
    """A page of Markdown.

    Args:
        metrics: of its training.
        commands: that made it, in their order.
        more: further sections.
    """
    sets = file.facts["sets"]
    lines = {
        "licence": LICENCE,
        "parameters": f"{metrics['parameters'] / 1e6:.2f} million in {metrics['members']} networks",
        "hears": f"{file.front_end.before_s:g} s before to {file.front_end.after_s:g} s after the onset",
        "says": ", ".join(file.vocabulary.labels),
        "trained on": f"{sets['train']['contacts']} generated contacts and "
        f"{sets['train']['clips'] - sets['train']['contacts']} sounds that are none; it contains no recorded data",
        "calibrated for": f"`{file.calibration['calibrated_for']}`",
    }
    stages = file.calibration["stages"]
    promises = [
        (
            "all" if stage["heard_s"] is None else f"{1000 * stage['heard_s']:.0f} ms",
            f"{stage['sets']['coverage']:.2f}",
            f"{stage['abstention']['target_risk']:.2f}",
            f"{stage['abstention']['kept'] / max(stage['abstention']['contacts'], 1):.2f}",
        )
        for stage in stages
    ]
    figures = metrics["validation"]
    rows = [
        (name, *(f"{row[key]:.3f}" if key in row else "" for key, _ in _COLUMNS))
        for name, row in figures.items()
    ]
    parts = [
        "# A hearing model of Foley",
        "What a touched thing is made of, from the sound of one contact; see docs/hearing.md of Foley.",
        _rows(("", ""), lines.items()),
        f"## Limits\n\n{_LIMITS}",
        f"## On its validation set\n\nChance is {metrics['chance']:.3f}.\n\n"
        + _rows(("heard", *(title for _, title in _COLUMNS)), rows),
        "## What is promised of contacts like those\n\n"
        + _rows(("heard", "coverage of sets", "risk of an answer, at most", "share answered"), promises),
        *more,
    ]
    if commands:
        parts.append("## How it was made\n\n```\n" + "\n".join(commands) + "\n```")
    return "\n\n".join(parts) + "\n"


def recorded_card(figures: Mapping[str, Any], commands: Sequence[str]) -> str:
    """A section about what hears recordings, from the figures of `training.recorded`."""
    said = [
        "## Hearing recordings",
        "Whatever does not sound like a contact of the simulated world is heard by linear heads over two networks that "
        "learned from recordings and are used as they are: YAMNet (Google, trained on AudioSet, Apache-2.0) and aiSFX "
        "(A. B. Ma and A. Lerch, 2022, CC BY 4.0), in half precision. The heads learned from "
        f"{figures['contacts']} generated contacts, whose balanced accuracy over all materials is "
        f"{figures['validation']['all']:.2f} on others of them: they are drawn so widely that many cannot be told.",
    ]
    if "left_out" in figures:
        left = figures["left_out"]
        asked = ", ".join(left["asked"])
        said.append(
            f"{figures['recordings']} labelled recordings, no part of it, calibrate it: biases of {asked}, how "
            "metal is told from glass, temperatures, sets, novelty, and from which confidence on it answers. No head "
            "was fitted to their labels. With each of their sources left out of that in turn, balanced accuracy among "
            f"{asked} is "
            f"{left['balanced_accuracy']:.2f} (chance {1 / len(left['asked']):.2f}); of all materials "
            f"{left['answered']:.0%} are answered, and {left['right_where_answered']:.0%} of those answers are right."
        )
    else:
        said.append(
            "It was calibrated on generated contacts alone: what it promises does not hold for recordings."
        )
    if commands:
        said.append("```\n" + "\n".join(commands) + "\n```")
    return "\n\n".join(said) + "\n"


def _rows(head: Sequence[str], rows: Any) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
