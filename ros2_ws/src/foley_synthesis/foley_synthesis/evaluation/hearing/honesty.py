"""Whether a model knows when it does not know: what it does say of real recordings, and what it says of no contact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.evaluation.hearing.answers import Answers
from foley_synthesis.evaluation.hearing.baselines import classes_of
from foley_synthesis.evaluation.hearing.choices import restricted
from foley_synthesis.evaluation.hearing.choices import said as most_probable
from foley_synthesis.evaluation.hearing.sounds import Sound
from foley_synthesis.hearing.inference.risk import interval


def share(hits: NDArray[np.bool_]) -> dict[str, Any]:
    """How many of how many, with the exact 95 % interval of Clopper and Pearson."""
    n, k = len(hits), int(hits.sum())
    low, high = interval(k, n)
    return {"count": k, "of": n, "value": k / n if n else None, "low": low, "high": high}


def on_contacts(
    sounds: Sequence[Sound],
    answers: Answers,
    asked: Sequence[str],
    prior: NDArray[np.floating] | None = None,
) -> dict[str, Any]:
    """Of recordings whose material is in the vocabulary.

    `answered` are those that it does not abstain on; `first_choice_right` is its first choice of 13 among those;
    `asked_right` the same among those of the asked materials, told that it is one of them.
    """
    truth = np.array([sound.material for sound in sounds])
    known = truth >= 0
    answered = known & ~answers.abstain
    first = most_probable(answers.p)
    narrow = classes_of(sounds, asked)
    of_asked = answered & (narrow >= 0)
    found: dict[str, Any] = {
        "answered": share(answered[known]),
        "first_choice_right": share((first == truth)[answered]),
        "asked_right": share((most_probable(restricted(answers.p, asked, prior)) == narrow)[of_asked]),
        "by_source": {},
    }
    for source in dict.fromkeys(sound.scene for sound in sounds):
        rows = np.array([sound.scene == source for sound in sounds])
        if (known & rows).any():
            found["by_source"][source] = {
                "answered": share(answered[known & rows]),
                "first_choice_right": share((first == truth)[answered & rows]),
            }
    if answers.sets is not None and answers.set_coverage is not None:
        inside = answers.sets[np.arange(len(truth)), np.maximum(truth, 0)]
        found["material_set"] = {
            "promised": float(np.nanmedian(answers.set_coverage)),
            "covered": share(inside[known]),
            "mean_size": float(answers.sets[known].sum(axis=1).mean()),
            "covered_where_answered": share(inside[answered]),
        }
    return found


def on_others(sounds: Sequence[Sound], answers: Answers) -> dict[str, Any]:
    """Kind -> share of its sounds that it abstains on; `all` together, and the mean over kinds."""
    kinds = np.array([sound.label for sound in sounds])
    found: dict[str, Any] = {
        kind: share(answers.abstain[kinds == kind]) for kind in dict.fromkeys(kinds.tolist())
    }
    mean = float(np.mean([row["value"] for row in found.values()]))
    return {"kinds": found, "all": share(answers.abstain), "mean_over_kinds": mean}


def lines(found: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """A table of what :func:`on_contacts` gives of every model, headings first."""
    head = [
        "model",
        "answers",
        "first choice of 13 right",
        "of the asked right",
        "set holds the truth",
        "set size",
    ]
    rows = [head]
    for name, row in found.items():
        held = row.get("material_set")
        rows.append(
            [
                name, text(row["answered"]), text(row["first_choice_right"]), text(row["asked_right"]),
                f"{text(held['covered'])}, promised {held['promised']:.2f}" if held else "",
                f"{held['mean_size']:.1f}" if held else "",
            ]
        )  # fmt: skip
    return rows


def text(figure: Mapping[str, Any]) -> str:
    """`0.41 [0.35, 0.47] (98 of 240)`."""
    if not figure["of"]:
        return "none"
    return f"{figure['value']:.2f} [{figure['low']:.2f}, {figure['high']:.2f}] ({figure['count']} of {figure['of']})"
