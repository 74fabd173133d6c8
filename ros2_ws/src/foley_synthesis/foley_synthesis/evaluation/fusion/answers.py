"""From how probable a class on a fused belief is an answer: as its risk is bounded on objects nothing was fitted on."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from foley_synthesis.beliefs.answers import AnswerRule
from foley_synthesis.beliefs.fusion import FusionConfig
from foley_synthesis.evaluation.fusion.fit import drawn_cases, fused_probabilities
from foley_synthesis.evaluation.fusion.objects import TouchedObject
from foley_synthesis.hearing.inference.risk import choose_abstention

SEVERAL = 2  # heard contacts, or more


def answer_rules(
    objects: Sequence[TouchedObject],
    config: FusionConfig,
    *,
    target_risk: float,
    certainty: float,
    seed: int,
) -> tuple[AnswerRule, ...]:
    """Rules for sight alone, for one heard contact and for several, without sight and with it; and where
    there is an image model, with that one.

    Each object counts once in each, with contacts drawn at random from all it has, at places apart or at one place, so
    that objects, not contacts, are what the bound takes for independent. One for every number of contacts would need as
    many objects for each.
    """
    rng = np.random.default_rng(seed)
    rules = []
    pictured = any(thing.vision is not None for thing in objects)
    for vision, seen in itertools.product((False, True) if pictured else (False,), (False, True)):
        for contacts in (0, 1, SEVERAL) if seen or vision else (1, SEVERAL):
            cases = drawn_cases(
                objects, max(contacts, 1), rng,
                heard=contacts > 0, seen=seen, vision=vision, or_more=contacts == SEVERAL,
            )  # fmt: skip
            if not cases:
                continue
            truth = np.array([case.label for case in cases])
            found = choose_abstention(
                fused_probabilities(cases, config), truth, target_risk, fitted_on="", certainty=certainty
            )
            counts = (found.threshold, found.bound, found.kept, len(cases))
            rules.append(AnswerRule(contacts, seen, *counts, vision=vision))
    return tuple(rules)


def with_answers(config: FusionConfig, rules: tuple[AnswerRule, ...], domain: str) -> FusionConfig:
    """The same weights, whose beliefs are answers as far as the rules say."""
    return dataclasses.replace(config, answers=rules, calibrated_for=f"{domain}: fused")
