"""Whether what was taught is enough, and what to label next."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from foley_synthesis.teaching.embedding import PLAIN
from foley_synthesis.teaching.example import Example
from foley_synthesis.teaching.left_out import CERTAINTY, LeftOut, bound_of

LEAST = 3  # contacts of each class before anything is judged
ENOUGH = 0.7  # accuracy that the lower bound must exceed
_MOST_MORE = 40  # contacts of each class that are asked for at most
_APART = 1.5  # standard deviations between the classes, from which on a difference is told
_MANY = 10  # contacts of each class, from which on more of the same will not mend a low accuracy
_DOUBTED = 0.1  # probability of its own label below which a label is doubted
_UNITS = {"level_db": "dB", "brightness_hz": "Hz", "ring_s": "s", "beats": ""}
_NAMED = {
    "level_db": "level",
    "brightness_hz": "brightness",
    "ring_s": "ring",
    "beats": "beats after the blow",
}


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Of what was taught so far."""

    enough: bool  # it is answered from now on
    reason: str  # a sentence with the bound that decides
    advice: tuple[str, ...]  # what to do next, the most urgent first; may be empty where it is enough

    def __str__(self) -> str:
        return "; ".join((self.reason, *self.advice))


def judge(examples: Sequence[Example], contact: LeftOut | None, group: LeftOut | None) -> Verdict:
    """From contacts left out one by one and, where there are several groups of each class, group by group."""
    counts = Counter(example.label for example in examples)
    positives, negatives = counts[True], counts[False]
    missing = [
        f"label {LEAST - count} more {name}{'s' if LEAST - count > 1 else ''}"
        for name, count in (("positive", positives), ("negative", negatives))
        if count < LEAST
    ]
    if missing or contact is None:
        said = f"{positives} positives and {negatives} negatives are too few to judge by"
        return Verdict(False, said, tuple(missing))
    judged = group or contact
    enough = judged.bound >= ENOUGH
    how = "each group judged by the others" if judged is group else "each contact judged by the others"
    reason = (
        f"{judged.accuracy:.2f} right ({how}), at least {judged.bound:.2f} with {CERTAINTY:.0%} certainty where "
        f"contacts are independent; {ENOUGH:.2f} is needed: {'enough' if enough else 'not enough'}"
    )
    advice = [
        *_doubts(examples, judged),
        *_more(judged, enough),
        *_groups(examples, group),
        *_differences(examples, judged),
    ]
    return Verdict(enough, reason, tuple(advice))


def _doubts(examples: Sequence[Example], judged: LeftOut) -> list[str]:
    own = np.where(judged.labels, judged.p, 1.0 - judged.p)
    doubted = [i for i in np.argsort(own).tolist() if own[i] < _DOUBTED][:2]
    return [
        f"`{examples[i].contact_id}` is labelled {str(examples[i].label).upper()} and sounds like the others "
        f"({own[i]:.2f}): look at its label"
        for i in doubted
    ]


def _more(judged: LeftOut, enough: bool) -> list[str]:
    a, b = int(judged.labels.sum()), int((~judged.labels).sum())
    found: list[str] = []
    if not enough:
        each = max(a, b)
        while each < max(a, b) + _MOST_MORE and bound_of(judged.accuracy, each, each) < ENOUGH:
            each += 1
        if bound_of(judged.accuracy, each, each) >= ENOUGH:
            parts = [
                f"{each - n} more {name}" for n, name in ((a, "positives"), (b, "negatives")) if each > n
            ]
            found.append(f"label {' and '.join(parts)}, which is enough if they are told as well as these")
        elif min(a, b) < _MANY:
            found.append(f"label {_MANY} of each: so few say little of what they have in common")
        else:
            found.append(
                "more of the same will not do: positives and negatives sound alike; tap another place, harder, or with "
                "another tool"
            )
    elif max(a, b) >= 2 * min(a, b):
        found.append(f"label more {'positives' if a < b else 'negatives'}: there are {a} and {b}")
    return found


def _groups(examples: Sequence[Example], group: LeftOut | None) -> list[str]:
    if group is not None:
        return []
    of = {label: {e.group for e in examples if e.label is label} for label in (True, False)}
    if of[True].isdisjoint(of[False]) and len(of[True]) == len(of[False]) == 1:
        return [
            "positives are of one recording or object and negatives of another, so that it may be those which are told "
            "apart: label both of the same thing, in turn, or of a second one each"
        ]
    names = [name for label, name in ((True, "positives"), (False, "negatives")) if len(of[label]) < 2]
    return [
        f"whether it holds for another thing is not known: label {' and '.join(names) or 'both'} of another one"
    ]


def _differences(examples: Sequence[Example], judged: LeftOut) -> list[str]:
    labels = judged.labels
    plain = np.array([dataclasses.astuple(example.embedding.plain) for example in examples], np.float64)
    found = []
    for k, name in enumerate(PLAIN):
        known = np.isfinite(plain[:, k])
        a, b = plain[known & labels, k], plain[known & ~labels, k]
        if min(len(a), len(b)) < 2:
            continue
        spread = math.sqrt(0.5 * (a.var(ddof=1) + b.var(ddof=1))) + 1e-9
        found.append(((a.mean() - b.mean()) / spread, name, a.mean(), b.mean()))
    if not found:
        return []
    loud = [row for row in found if row[1] == "level_db" and abs(row[0]) > _APART]
    advice = [
        f"positives are {'louder' if apart > 0 else 'softer'} than negatives ({a:.0f} against {b:.0f} dB): strike "
        "both alike"
        for apart, _, a, b in loud
    ]
    if judged.bound < ENOUGH:
        apart, name, a, b = max(found, key=lambda row: abs(row[0]))
        advice.append(
            f"what differs most is {_NAMED[name]}: {_said(a)} against {_said(b)} {_UNITS[name]}".rstrip()
            + f", {abs(apart):.1f} standard deviations"
        )
    return advice


def _said(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 10.0 else f"{value:.2g}"
