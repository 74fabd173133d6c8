"""Rules on a quarter of the validation scenes, their calibration on the others."""

from __future__ import annotations

import collections
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.beliefs.fusion import FusionConfig
from foley_synthesis.evaluation.surprise.cases import Case, as_expected, swapped
from foley_synthesis.evaluation.surprise.contacts import Expectation
from foley_synthesis.metrics.surprise_ranks import CalibratedRule, SurpriseTest
from foley_synthesis.metrics.surprise_scores import SITUATIONS, fit_rule

LEAST_CASES = 20  # as expected, of a situation, to fit a rule for it
_UNPLANNED = frozenset(name for name, s in SITUATIONS.items() if "spectrum" not in s.features)


def fitting_scenes(expected: Sequence[Expectation]) -> frozenset[str]:
    """Every fourth scene: of them are the rules, of the others the calibration."""
    return frozenset(sorted({e.contact.scene for e in expected})[::4])


def fit_test(
    expected: Sequence[Expectation],
    prior: FusionConfig,
    *,
    heard_model: str = "",
    sight_model: str = "",
    datasets: Sequence[str] = (),
    seed: int = 0,
) -> SurpriseTest:
    """Rules for all situations that occur often enough.

    Args:
        expected: of validation scenes.
        prior: how the belief that was held before a contact is fused.
        datasets: their fingerprints, for the record.

    Raises:
        ValueError: too few contacts, or too few scenes.
    """
    scenes = fitting_scenes(expected)
    fitting = [e for e in expected if e.contact.scene in scenes]
    ranking = [e for e in expected if e.contact.scene not in scenes]
    rules = {}
    for name, situation in SITUATIONS.items():
        planned = name not in _UNPLANNED
        good = [c for c in as_expected(fitting, prior, planned=planned) if situation.holds(c.differences)]
        other = [c for c in swapped(fitting, prior, seed, planned=planned) if situation.holds(c.differences)]
        ranked = [c for c in as_expected(ranking, prior, planned=planned) if belongs(name, c)]
        if min(len(good), len(other), len(ranked)) < LEAST_CASES:
            continue
        rule = fit_rule(situation.features, [c.differences for c in good], [c.differences for c in other])
        scores: dict[str, list[float]] = collections.defaultdict(list)
        for case in ranked:
            scores[case.action].append(rule.score(case.differences))
        rules[name] = CalibratedRule(rule, {a: np.sort(s) for a, s in sorted(scores.items())})
    if not rules:
        raise ValueError(
            f"{len(expected)} planned contacts in {len(scenes)} scenes are too few to fit a surprise to: at least "
            f"{LEAST_CASES} of each part of the scenes are needed"
        )
    return SurpriseTest(
        rules, prior, heard_model, sight_model,
        {
            "datasets": list(datasets),
            "rules": {"scenes": len(scenes), "contacts": len(fitting)},
            "ranks": {"scenes": len({e.contact.scene for e in ranking}), "contacts": len(ranking)},
        },
    )  # fmt: skip


def belongs(name: str, case: Case) -> bool:
    """Whether a contact calibrates this situation: the first that holds for it, and `sound` and `unplanned` always."""
    first = next((key for key, s in SITUATIONS.items() if s.holds(case.differences)), "")
    return SITUATIONS[name].holds(case.differences) and (name in ("sound", *_UNPLANNED) or name == first)


def held_out_p_values(test: SurpriseTest, cases: Sequence[Case]) -> NDArray[np.float64]:
    """p-values [n] of contacts that are themselves among the calibration, each without its own scene."""
    names = [next((k for k in SITUATIONS if k in test.rules and belongs(k, c)), "") for c in cases]
    scores = np.array(
        [test.rules[n].rule.score(c.differences) if n else np.nan for n, c in zip(names, cases, strict=True)]
    )
    found = np.full(len(cases), np.nan)
    for i, (name, case) in enumerate(zip(names, cases, strict=True)):
        if not name:
            continue
        others: dict[str, list[float]] = collections.defaultdict(list)
        for j, other in enumerate(cases):
            if names[j] == name and other.scene != case.scene:
                others[other.action].append(scores[j])
        rule = CalibratedRule(test.rules[name].rule, {a: np.array(s) for a, s in others.items()})
        found[i] = rule.p_value(scores[i], case.action)
    return found
