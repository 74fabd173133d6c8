"""TRUE, FALSE or UNKNOWN from a probability that moves, without flicker.

      FALSE           |  UNKNOWN  |          TRUE
0 ---- false_below -- + ----------+ -- true_above ---- 1
                 leaves at       leaves at
         false_below + margin    true_above - margin
"""

from __future__ import annotations

import dataclasses
import enum
import math


class Truth(enum.IntEnum):
    """The values are those of foley_msgs/Predicate."""

    UNKNOWN = 0
    TRUE = 1
    FALSE = 2


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """Where a state is entered, and by how much the probability must fall back before it is left."""

    true_above: float = 0.7
    false_below: float = 0.3
    margin: float = 0.1

    def __post_init__(self) -> None:
        for name in ("true_above", "false_below", "margin"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} is {value!r}, must be in [0, 1]")
        if self.false_below >= self.true_above:
            raise ValueError(
                f"false_below is {self.false_below}, must be smaller than true_above ({self.true_above})"
            )
        if self.margin > self.true_above - self.false_below:
            raise ValueError(
                f"margin is {self.margin}, must not exceed true_above - false_below "
                f"({self.true_above - self.false_below:.3g})"
            )


def step(state: Truth, probability: float, thresholds: Thresholds) -> Truth:
    """The next state; a probability that is not known (NaN) is UNKNOWN."""
    if math.isnan(probability):
        return Truth.UNKNOWN
    leave_true = thresholds.true_above - thresholds.margin
    leave_false = thresholds.false_below + thresholds.margin
    if probability >= thresholds.true_above or (state == Truth.TRUE and probability >= leave_true):
        return Truth.TRUE
    if probability <= thresholds.false_below or (state == Truth.FALSE and probability <= leave_false):
        return Truth.FALSE
    return Truth.UNKNOWN
