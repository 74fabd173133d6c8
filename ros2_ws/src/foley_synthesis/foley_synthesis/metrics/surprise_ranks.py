"""Surprise as a test: exact p-values of scores among those of contacts that were as expected, for each action.

Calibration contacts are grouped by action (Mondrian conformal prediction: Vovk, Lindsay, Nouretdinov and Gammerman
2003), so that each action has the nominal rate of false alarms. An action with few contacts is ranked among all of
them, which holds on the mean over actions alone.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.beliefs.fusion import FusionConfig
from foley_synthesis.beliefs.pair_file import PairFile
from foley_synthesis.metrics.surprise_scores import SITUATIONS, Differences, Rule

FILE = "surprise.yaml"
SCHEMA = "foley-surprise-1"
CURE = "delete the file, and fit it again with `foley evaluate surprise`"
LEAST_CONTACTS = (
    40  # of an action, to be ranked among its own; 19 are the least with which 5 % can be reached
)
_PRIOR = (
    *("heard_weight", "sight_weight", "temperature"),
    *("heard_correlation", "place_correlation", "place_radius_m"),
)


def p_value(score: float, expected: NDArray[np.floating] | Sequence[float]) -> float:
    """P that a contact that is like ``expected`` scores as much: (1 + #{s_i >= s}) / (n + 1); NaN without either."""
    scores = np.asarray(expected, np.float64)
    if scores.size == 0 or math.isnan(score):
        return math.nan
    return float((1 + (scores >= score).sum()) / (scores.size + 1))


@dataclasses.dataclass(frozen=True, eq=False)
class CalibratedRule:
    """A rule, and its scores of contacts that were as expected."""

    rule: Rule
    by_action: Mapping[str, NDArray[np.float64]]

    def among(self, action: str) -> NDArray[np.float64]:
        """Scores that one of this action is ranked among."""
        own = self.by_action.get(action, np.zeros(0))
        if own.size >= LEAST_CONTACTS or not self.by_action:
            return own
        return np.concatenate(list(self.by_action.values()))

    def p_value(self, score: float, action: str) -> float:
        """Of a score of this action; NaN where there is nothing to rank it among."""
        return p_value(score, self.among(action))


@dataclasses.dataclass(frozen=True)
class Verdict:
    """How surprising one contact is."""

    situation: str  # of `surprise_scores.SITUATIONS`
    score: float
    p_value: float

    @property
    def percentile(self) -> float:
        """1 - p: the conformal rank of the score, in [0, 1)."""
        return 1.0 - self.p_value


@dataclasses.dataclass(frozen=True, eq=False)
class SurpriseTest:
    """Rules by situation, and how the belief that was held before a contact is fused."""

    rules: Mapping[str, CalibratedRule]
    prior: FusionConfig = dataclasses.field(default_factory=FusionConfig)
    heard_model: str = ""
    sight_model: str = ""
    fitted_on: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def verdict(self, differences: Differences, action: str) -> Verdict | None:
        """By the rule of the first situation that holds; None where none does."""
        for name, situation in SITUATIONS.items():
            calibrated = self.rules.get(name)
            if calibrated is not None and calibrated.by_action and situation.holds(differences):
                score = calibrated.rule.score(differences)
                return Verdict(name, score, calibrated.p_value(score, action))
        return None

    def is_for(self, heard_model: str, sight_model: str) -> bool:
        """Whether it was fitted for these two."""
        return (self.heard_model, self.sight_model) == (heard_model, sight_model)

    def to_dict(self) -> dict[str, Any]:
        """For YAML."""
        return {
            "heard_model": self.heard_model,
            "sight_model": self.sight_model,
            "fitted_on": dict(self.fitted_on),
            "prior": {name: round(float(getattr(self.prior, name)), 5) for name in _PRIOR},
            "rules": {
                name: {
                    "features": calibrated.rule.to_dict(),
                    "expected": {
                        action: " ".join(f"{score:.4g}" for score in np.sort(scores))
                        for action, scores in calibrated.by_action.items()
                    },
                }
                for name, calibrated in self.rules.items()
            },
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SurpriseTest:
        """Inverse of :meth:`to_dict`. Raises KeyError, TypeError or ValueError."""
        rules = {}
        for name, entry in values["rules"].items():
            if name not in SITUATIONS:
                raise ValueError(f"rule `{name}`, known are {', '.join(SITUATIONS)}")
            scores = {str(a): np.array(str(s).split(), np.float64) for a, s in entry["expected"].items()}
            if not all(np.isfinite(s).all() for s in scores.values()):
                raise ValueError(f"rule `{name}`: expected scores must be finite numbers")
            rules[name] = CalibratedRule(Rule.from_dict(entry["features"]), scores)
        return cls(
            rules,
            dataclasses.replace(FusionConfig(), **{name: float(values["prior"][name]) for name in _PRIOR}),  # type: ignore[arg-type]
            str(values["heard_model"]),
            str(values["sight_model"]),
            dict(values["fitted_on"]),
        )


_TESTS = PairFile(FILE, SCHEMA, "tests", "surprise", CURE, SurpriseTest.from_dict)


def save_test(test: SurpriseTest, folder: Path) -> Path:
    """Write it into surprise.yaml of a checkpoint's folder. See :meth:`PairFile.save`."""
    return _TESTS.save(test, folder)


def load_tests(folder: Path) -> tuple[SurpriseTest, ...]:
    """All of a checkpoint's folder. See :meth:`PairFile.load`."""
    return _TESTS.load(folder)
