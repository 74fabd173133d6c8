"""How often two materials on one object are found, and how often an object of one material is taken for two.

Objects of two materials are spliced: what was heard of two real objects of one scene, as if both were parts of one.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from foley_synthesis.beliefs.fusion import FusionConfig, fuse
from foley_synthesis.beliefs.parts import believe, evidence_for_two, parts_of
from foley_synthesis.evaluation.fusion.fit import Case, drawn_cases
from foley_synthesis.evaluation.fusion.objects import TouchedObject
from foley_synthesis.hearing.inference.risk import interval, upper_bound

MOST_SPLIT = 0.05  # of objects of one material, that may be split
PER_PART = (1, 2, 4)  # contacts with each part


def split_threshold(
    objects: Sequence[TouchedObject], config: FusionConfig, *, seed: int, certainty: float = 0.95
) -> float:
    """The least `split_above` for which the bound on how many objects of one material are split is low enough.

    Each object counts once, with as many contacts as it happens. Infinite where there are too few objects to tell.
    """
    cases = drawn_cases(
        [thing.apart for thing in objects], 2, np.random.default_rng(seed), seen=False, or_more=True
    )
    scores = np.sort([evidence_for_two(case.evidence, config) for case in cases])[::-1]
    best = math.inf
    for errors, score in enumerate(scores):  # with the score itself as the threshold, those over it are split
        if upper_bound(errors, len(scores), certainty) > MOST_SPLIT:
            break
        best = max(float(score), 1e-3)
    return best


def measure_parts(objects: Sequence[TouchedObject], config: FusionConfig, *, seed: int) -> dict[str, Any]:
    """By contacts with each of two parts: found among spliced objects, split among those of one material with as many
    contacts in all, and what that does to the belief. Intervals are of Clopper and Pearson, over objects.
    """
    figures: dict[str, Any] = {}
    for contacts in PER_PART:
        rng = np.random.default_rng([seed, contacts])
        apart = [thing.apart for thing in objects]
        alone = drawn_cases(apart, 2 * contacts, rng, seen=False)
        spliced = list(_spliced(drawn_cases(apart, contacts, rng, seen=False)))
        if not alone or not spliced:
            continue
        figures[str(contacts)] = {
            "single": _share([bool(parts_of(case.evidence, config)) for case in alone]),
            "spliced": _share([bool(parts_of(a.evidence + b.evidence, config)) for a, b in spliced]),
            "both_materials_right": _share([_named(a, b, config) for a, b in spliced]),
            "answers_one_material": {
                "with_parts": _share([_answers(a, b, config) for a, b in spliced]),
                "without": _share(
                    [_answers(a, b, dataclasses.replace(config, split_above=math.inf)) for a, b in spliced]
                ),
            },
        }
    return figures


def _spliced(cases: Sequence[Case]) -> Iterator[tuple[Case, Case]]:
    """Each with the next one of its scene that is of another material."""
    for i, one in enumerate(cases):
        others = [*cases[i + 1 :], *cases[:i]]
        other = next((o for o in others if o.scene == one.scene and o.label != one.label), None)
        if other is not None:
            yield one, other


def _named(a: Case, b: Case, config: FusionConfig) -> bool:
    """Whether two parts are found, and what is likeliest of each is what it is made of."""
    parts = parts_of(a.evidence + b.evidence, config)
    said = {int(fuse(part.evidence, config).belief.p().argmax()) for part in parts}
    return said == {a.label, b.label}


def _answers(a: Case, b: Case, config: FusionConfig) -> bool:
    evidence = a.evidence + b.evidence
    return not believe(evidence, config, parts_of(evidence, config)).belief.abstain


def _share(found: Sequence[bool]) -> dict[str, float]:
    low, high = interval(sum(found), len(found))
    return {
        "value": round(sum(found) / len(found), 5),
        "low": round(low, 5),
        "high": round(high, 5),
        "of": len(found),
    }
