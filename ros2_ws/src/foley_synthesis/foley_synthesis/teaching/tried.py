"""What a taught predicate says of contacts that it was not taught with."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from foley_synthesis.teaching.example import Example
from foley_synthesis.teaching.left_out import bound_of
from foley_synthesis.teaching.taught import TaughtPredicate

CHANCE = 0.5


@dataclasses.dataclass(frozen=True)
class TriedContact:
    """One contact."""

    contact_id: str
    group: str
    label: bool | None  # None: not known
    probability: float  # NaN: unlike all that were taught
    taught: bool  # it is among those that it was taught with, and proves nothing


@dataclasses.dataclass(frozen=True)
class Tried:
    """All of them."""

    contacts: tuple[TriedContact, ...]
    answered: int  # labelled ones, not taught with, of which something is said
    accuracy: float  # balanced, of those; NaN where a label is missing
    bound: float  # its lower bound at 90 %
    log_loss: float  # of those [nat]

    @property
    def right(self) -> bool:
        """Whether it is told from chance, or nothing was labelled."""
        labelled = any(contact.label is not None for contact in self.contacts)
        return not labelled or self.bound > CHANCE

    def to_dict(self) -> dict[str, Any]:
        """For JSON: NaN becomes None."""

        def number(value: float) -> float | None:
            return round(value, 4) if math.isfinite(value) else None

        return {
            "contacts": [
                {**dataclasses.asdict(contact), "probability": number(contact.probability)}
                for contact in self.contacts
            ],
            "answered": self.answered,
            "balanced_accuracy": number(self.accuracy),
            "lower_bound_90": number(self.bound),
            "log_loss": number(self.log_loss),
            "chance": CHANCE,
        }


def try_on(taught: TaughtPredicate, labelled: Sequence[Example], others: Sequence[Example]) -> Tried:
    """Of labelled contacts and others. Contacts that it was taught with are shown and not counted."""
    known = {example.contact_id for example in taught.examples}
    contacts = [
        TriedContact(
            example.contact_id,
            example.group,
            example.label if k < len(labelled) else None,
            taught.probability(example.embedding.values),
            example.contact_id in known,
        )
        for k, example in enumerate([*labelled, *others])
    ]
    counted = [c for c in contacts if c.label is not None and not c.taught and not math.isnan(c.probability)]
    y = np.array([bool(c.label) for c in counted], bool)
    p = np.array([c.probability for c in counted])
    if not y.any() or y.all():
        return Tried(tuple(contacts), len(counted), math.nan, math.nan, math.nan)
    right = (p > 0.5) == y
    accuracy = 0.5 * float(right[y].mean() + right[~y].mean())
    loss = float(-np.log(np.where(y, p, 1.0 - p)).mean())
    return Tried(
        tuple(contacts), len(counted), accuracy, bound_of(accuracy, int(y.sum()), int((~y).sum())), loss
    )
