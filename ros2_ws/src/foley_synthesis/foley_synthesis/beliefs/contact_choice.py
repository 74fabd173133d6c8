"""Which contacts to make: those that are likeliest to settle what is asked, for their time, under a budget.

Greedy, and lazy: what a contact with one object is worth does not depend on contacts with others, so that only those
with the object chosen last are weighed anew. Whoever can listen between contacts asks for one at a time, and asks again
with what it heard (see :func:`suggest`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from foley_synthesis.beliefs.information import ContactWorth, Worth
from foley_synthesis.beliefs.outcomes import Point

LEAST_RANK = 1e-4  # of a contact that is worth mentioning
_STROKES = ("scratch", "rub", "press")


@dataclasses.dataclass(frozen=True)
class ContactCosts:
    """How long contacts take; what the robot needs in the mean."""

    strike_s: float = 2.0  # approach, contact and retreat of a tap, hit, knock or pat
    stroke_s: float = 3.0  # of a scratch, rub or press
    travel_speed: float = 0.25  # [m/s] from the place of the contact before

    def __post_init__(self) -> None:
        for name in ("strike_s", "stroke_s", "travel_speed"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ValueError(f"{name} is {getattr(self, name)}, must be positive")

    def of(self, action: str, place: Point, start: Point | None) -> float:
        """Seconds of one contact, from ``start`` on; where a place is not known, without the way to it."""
        away = math.dist(place, start) if start is not None else 0.0
        travel = away / self.travel_speed if math.isfinite(away) else 0.0
        return travel + (self.stroke_s if action in _STROKES else self.strike_s)


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A contact that could be made."""

    object_id: str
    place: Point  # [m]
    action: str
    normal: Point = (0.0, 0.0, 1.0)  # unit vector out of the surface


@dataclasses.dataclass(frozen=True)
class Suggestion:
    """A contact, and what it is worth after those suggested before it."""

    contact: Candidate
    gain: float  # expected information [nat]
    cost_s: float
    settles: float = math.nan  # probability that what is asked is known then


def suggest(
    candidates: Sequence[Candidate],
    worth: ContactWorth,
    costs: ContactCosts,
    *,
    start: Point | None = None,
    budget_s: float = math.inf,
    most: int = 8,
) -> list[Suggestion]:
    """Contacts in the order in which they are to be made, each the best for its time; of equals the first.

    Args:
        worth: what is known; goes on as if the contacts were made.
        start: where the tip is now [m].
        budget_s: for all contacts together.
    """
    rated: list[Worth | None] = [None] * len(candidates)
    found: list[Suggestion] = []
    left = budget_s
    while len(found) < most:
        best: tuple[float, int, float, Worth] | None = None
        for i, c in enumerate(candidates):
            cost = costs.of(c.action, c.place, start)
            if cost > left:
                continue
            value = rated[i] = rated[i] or worth.worth(c.object_id, c.action, c.place)
            if best is None or value.rank / cost > best[0]:
                best = value.rank / cost, i, cost, value
        if best is None or best[3].rank < LEAST_RANK:
            return found
        _, i, cost, value = best
        chosen = candidates[i]
        found.append(Suggestion(chosen, value.gain, cost, value.settles))
        left, start = left - cost, chosen.place
        if len(found) < most:
            worth.take(chosen.object_id, chosen.action, chosen.place)
            rated = [
                None if c.object_id == chosen.object_id else r for c, r in zip(candidates, rated, strict=True)
            ]
    return found
