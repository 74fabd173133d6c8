"""What a study says: the fooling rate (per cent of made sounds called real) by model and by what was touched.

Visually Indicated Sounds reports the rate at which people call an algorithm's sound the real one; 50 % is a sound
that cannot be told from a recording. People differ, so people are resampled and their signs flipped: an answer is not
independent of the others of the same person.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.evaluation.listening_test.store import Trial
from foley_synthesis.evaluation.listening_test.trials import StudyError, StudySet

Array = NDArray[np.float64]

CATCHES_RIGHT = 0.75
"""Participants who found fewer of the catch trials are left out."""
GROUPS = ("material", "action", "softness", "smoothness", "reaction")
_FLIPS = 10_000


@dataclasses.dataclass(frozen=True)
class Rate:
    """Per cent of made sounds said to be real."""

    percent: float
    standard_error: float  # over participants; over answers where there is one participant
    low: float  # 95 % interval, participants resampled
    high: float
    answers: int
    participants: int

    def to_dict(self) -> dict[str, Any]:
        return {k: round(v, 3) if isinstance(v, float) else v for k, v in dataclasses.asdict(self).items()}


@dataclasses.dataclass(frozen=True)
class Answer:
    """One answer that counts."""

    participant: int
    model: str
    fooled: bool
    facts: dict[str, str]


def analyse(study: StudySet, answered: Sequence[tuple[int, Trial]], *, seed: int = 0) -> dict[str, Any]:
    """All figures, ready for metrics.json.

    Raises:
        StudyError: nobody answered, or answers are about clips that the study does not have.
    """
    known = {clip.clip_id: clip for clip in study.clips}
    strangers = sorted({t.clip for _, t in answered} - set(known))
    if strangers:
        raise StudyError(
            f"answers are about clip `{strangers[0]}`, which the study does not have: is it another one?"
        )
    kept, dropped = _attentive(answered)
    answers = [
        Answer(p, t.model, t.fooled, known[t.clip].facts) for p, t in answered if p in kept and not t.catch
    ]
    if not answers:
        raise StudyError(f"no answer counts: {len(kept)} attentive participants, {len(dropped)} left out")
    rng = np.random.default_rng(seed)
    models = sorted({a.model for a in answers})
    by_model = {m: [a for a in answers if a.model == m] for m in models}
    return {
        "participants": len(kept),
        "left_out": len(dropped),
        "answers": len(answers),
        "models": {m: rate(of, rng).to_dict() for m, of in by_model.items()},
        "against_half": _holm({m: sign_flip(_means(of) - 0.5, rng) for m, of in by_model.items()}),
        "between_models": _holm(
            {
                f"{a} - {b}": _paired(by_model[a], by_model[b], rng)
                for a, b in itertools.combinations(models, 2)
            }
        ),
        "groups": {
            group: {
                m: {
                    value: rate([a for a in of if a.facts.get(group) == value], rng).to_dict()
                    for value in sorted({a.facts[group] for a in of if group in a.facts})
                }
                for m, of in by_model.items()
            }
            for group in GROUPS
            if any(group in a.facts for a in answers)
        },
    }


def rate(answers: Sequence[Answer], rng: np.random.Generator) -> Rate:
    """Per cent fooled, with its error over participants."""
    people = sorted({a.participant for a in answers})
    counts = np.array([[sum(a.participant == p for a in answers),
                        sum(a.participant == p and a.fooled for a in answers)] for p in people], float)  # fmt: skip
    total, fooled = counts.sum(axis=0)
    share = fooled / total
    if len(people) == 1:
        error = float(np.sqrt(share * (1 - share) / total))
        low, high = max(share - 1.96 * error, 0.0), min(share + 1.96 * error, 1.0)
    else:
        drawn = counts[rng.integers(len(people), size=(2000, len(people)))].sum(axis=1)
        shares = drawn[:, 1] / drawn[:, 0]
        error = float(shares.std(ddof=1))
        low, high = np.quantile(shares, (0.025, 0.975))
    return Rate(100 * float(share), 100 * error, 100 * float(low), 100 * float(high), int(total), len(people))


def sign_flip(differences: Array, rng: np.random.Generator) -> float:
    """Two-sided p that these differences [participants] lie around 0: their signs are flipped at random.

    All 2^n flips where there are at most 12 participants.
    """
    n = len(differences)
    observed = abs(float(differences.mean()))
    if n <= 12:
        signs = np.array(list(itertools.product((-1.0, 1.0), repeat=n)))
        return float(np.mean(np.abs(signs @ differences) / n >= observed - 1e-12))
    signs = rng.choice((-1.0, 1.0), size=(_FLIPS, n))
    return float((np.sum(np.abs(signs @ differences) / n >= observed - 1e-12) + 1) / (_FLIPS + 1))


def _attentive(answered: Sequence[tuple[int, Trial]]) -> tuple[set[int], set[int]]:
    kept: set[int] = set()
    dropped: set[int] = set()
    for person in {p for p, _ in answered}:
        catches = [not t.fooled for p, t in answered if p == person and t.catch]
        (kept if not catches or np.mean(catches) >= CATCHES_RIGHT else dropped).add(person)
    return kept, dropped


def _means(answers: Sequence[Answer]) -> Array:
    """Share fooled of every participant."""
    people = sorted({a.participant for a in answers})
    return np.array([np.mean([a.fooled for a in answers if a.participant == p]) for p in people], float)


def _paired(first: Sequence[Answer], second: Sequence[Answer], rng: np.random.Generator) -> float:
    """p that the same people are fooled as often by both; 1 where nobody judged both."""
    both = sorted({a.participant for a in first} & {a.participant for a in second})
    if not both:
        return 1.0
    ours, theirs = ([a for a in side if a.participant in both] for side in (first, second))
    return sign_flip(_means(ours) - _means(theirs), rng)


def _holm(raw: dict[str, float]) -> dict[str, dict[str, float]]:
    """p and p after Holm's correction for all of them."""
    ordered, corrected, most = sorted(raw, key=lambda name: raw[name]), {}, 0.0
    for rank, name in enumerate(ordered):
        most = max(most, min(1.0, raw[name] * (len(raw) - rank)))
        corrected[name] = most
    return {name: {"p": round(raw[name], 5), "p_holm": round(corrected[name], 5)} for name in raw}
