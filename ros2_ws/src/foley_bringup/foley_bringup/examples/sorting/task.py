"""What is to be done, what it earns and costs, and what a world of things to sort must tell."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Protocol

from foley_common.predicate_view import Fact


@dataclasses.dataclass(frozen=True)
class SortingTask:
    """Bins by a predicate, and what right and wrong grasps and touches are worth.

    Raises:
        ValueError: a value that makes no task.
    """

    predicate: str = "is_hard"  # of one object; TRUE goes into one bin, FALSE into the other
    right: float = 1.0  # a thing in its bin
    wrong: float = -5.0  # a thing grasped for the other bin
    touch: float = -0.2  # each: some 2 s
    touches: int = 3  # that may be made at one table; see strategies.py for who is bound by it

    def __post_init__(self) -> None:
        if self.touches < 0:
            raise ValueError(f"touches is {self.touches}, must not be negative")
        if not self.wrong < self.right:
            raise ValueError(f"wrong is {self.wrong}, must be less than right, {self.right}")

    def score(self, right: int, wrong: int, touches: int) -> float:
        """Of one table."""
        return right * self.right + wrong * self.wrong + touches * self.touch


class SortingWorld(Protocol):
    """Things on a table, what is believed of them, and a robot that touches them."""

    @property
    def things(self) -> tuple[str, ...]:
        """Names, in the order in which they are found."""

    def believed(self) -> Mapping[str, Fact]:
        """The task's predicate about each thing now."""

    def touchable(self) -> tuple[str, ...]:
        """What can (still) be touched, in the order of `things`."""

    def touch(self, thing: str) -> bool:
        """Make a contact and wait for what is heard of it; whether it was made."""

    def suggested(self) -> str | None:
        """Which of the touchable things Foley suggests to touch next; None where it expects nothing of it."""

    def savings(self) -> Mapping[str, float]:
        """Of each touchable thing, by how much one touch is expected to lower the chance of a wrong grasp."""

    def truth(self, thing: str) -> bool:
        """Whether the predicate holds, of what only the judge may see."""


def likelihood(fact: Fact | None) -> float:
    """That the predicate holds; of what nothing is known an even chance."""
    return 0.5 if fact is None or math.isnan(fact.probability) else fact.probability
