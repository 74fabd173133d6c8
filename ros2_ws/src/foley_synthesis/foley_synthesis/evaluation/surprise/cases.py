"""Contacts that were as expected, and pairs of a plan with the contact of another thing."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Sequence

import numpy as np

from foley_synthesis.beliefs.fusion import FusionConfig
from foley_synthesis.evaluation.surprise.contacts import Expectation, HeardContact
from foley_synthesis.metrics import surprise
from foley_synthesis.metrics.surprise import CALIBRATION_RATE
from foley_synthesis.metrics.surprise_scores import Differences

MOST_PAIRS = 4  # with other things, of one heard contact


@dataclasses.dataclass(frozen=True)
class Case:
    """A heard contact against an expectation, which was its own or another's."""

    scene: str
    object_id: str  # that was heard
    material: str
    action: str
    differences: Differences
    cochleagram_l2: float  # of predicted and heard sound; NaN where nobody predicted one


def case_of(
    expected: Expectation,
    heard: HeardContact,
    prior: FusionConfig,
    *,
    rate: int = CALIBRATION_RATE,
    planned: bool = True,
) -> Case:
    """What one contact differs by from one expectation."""
    distance = float("nan")
    if planned and rate in expected.contact.predicted:
        distance = surprise.frame_distance(expected.contact.predicted[rate], heard.heard[rate])
    differences = expected.differences(heard, prior, rate=rate, planned=planned)
    return Case(heard.scene, heard.object_id, heard.material, heard.action, differences, distance)


def as_expected(
    expected: Sequence[Expectation],
    prior: FusionConfig,
    *,
    rate: int = CALIBRATION_RATE,
    planned: bool = True,
) -> list[Case]:
    """Each contact against its own expectation."""
    return [case_of(e, e.contact, prior, rate=rate, planned=planned) for e in expected]


def swapped(
    expected: Sequence[Expectation],
    prior: FusionConfig,
    seed: int,
    *,
    planned: bool = True,
) -> list[Case]:
    """Contacts with things of another material than was planned, in the same scene and by the same action."""
    rng = np.random.default_rng(seed)
    scenes: dict[tuple[str, str], list[Expectation]] = collections.defaultdict(list)
    for e in expected:
        scenes[e.contact.scene, e.contact.action].append(e)
    found = []
    for group in scenes.values():
        for heard in group:
            others = [e for e in group if e.contact.material != heard.contact.material]
            for k in rng.permutation(len(others))[:MOST_PAIRS]:
                found.append(case_of(others[k], heard.contact, prior, planned=planned))
    return found
