"""When a fused belief is an answer: from how probable a class on, by how much evidence there is."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class AnswerRule:
    """Of beliefs on ``heard`` contacts or more (up to the next rule), with sight or an image model, or without.

    The least probability was chosen on validation so that the Clopper-Pearson bound on the share of wrong answers
    meets a target; where none does, there is no answer.
    """

    heard: int
    seen: bool
    least_probability: float = math.inf  # of the most probable class; infinite: never an answer
    risk_bound: float = 1.0  # upper bound on the share of wrong answers
    answered: int = 0  # objects of the validation split with an answer ...
    objects: int = 0  # ... of so many with that evidence
    vision: bool = False  # with what an image model said as well

    def __post_init__(self) -> None:
        if self.heard < 0 or not (self.heard or self.seen or self.vision):
            raise ValueError(f"heard is {self.heard}: a rule needs a heard contact, or sight")
        if math.isnan(self.least_probability) or self.least_probability < 0:
            raise ValueError(f"least_probability is {self.least_probability}, must be at least 0")
        if not 0.0 <= self.risk_bound <= 1.0:
            raise ValueError(f"risk_bound is {self.risk_bound}, must be in [0, 1]")

    @property
    def answers(self) -> bool:
        """Whether there are any."""
        return math.isfinite(self.least_probability)

    @property
    def text(self) -> str:
        """The evidence, in words."""
        contacts = f"{self.heard} or more heard contacts" if self.heard > 1 else "one heard contact"
        looks = ("an image model" if self.vision else "", "sight" if self.seen else "")
        return " and ".join(filter(None, (*looks, contacts if self.heard else "")))

    def to_dict(self) -> dict[str, Any]:
        """For YAML and JSON: no answers are None."""
        least = round(self.least_probability, 5) if self.answers else None
        return {
            **dataclasses.asdict(self),
            "least_probability": least,
            "risk_bound": round(self.risk_bound, 5),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> AnswerRule:
        """Inverse of :meth:`to_dict`. Raises TypeError or ValueError."""
        least = values.get("least_probability")
        return cls(**{**values, "least_probability": math.inf if least is None else float(least)})


def rule_for(rules: Sequence[AnswerRule], heard: int, seen: bool, vision: bool = False) -> AnswerRule | None:
    """The rule for so many heard contacts: the one for most of them that has no more; None: there is none."""
    alike = [r for r in rules if (r.seen, r.vision) == (seen, vision) and bool(r.heard) == bool(heard)]
    return max((r for r in alike if r.heard <= heard), key=lambda r: r.heard, default=None)
