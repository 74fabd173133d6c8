"""A predicate that was taught: what it says of a contact, how sure, and whether that is enough to go by."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.beliefs.hysteresis import Thresholds
from foley_synthesis.teaching.example import MOST, Example, TeachingError, check_name
from foley_synthesis.teaching.head import Head, fit, probabilities
from foley_synthesis.teaching.left_out import LeftOut, by_contact, by_group, slope_and_floor
from foley_synthesis.teaching.verdict import LEAST, Verdict, judge

NAN = math.nan
_UNLIKE = (
    1.3  # times the farthest that a left-out contact lies from the others: beyond it a contact is unlike them
)
_FADES = 0.6  # weight of a contact against the one after it: what is taught are states, and states change
_RISK = 0.1  # of left-out contacts that are answered wrongly, at most, by the thresholds
_TRIED = (0.75, 0.8, 0.85, 0.9, 0.95)
_SELDOM = 0.2  # share of left-out contacts that are told, below which it is said
MARGIN = 0.1  # of the hysteresis


@dataclasses.dataclass(frozen=True, eq=False)
class TaughtPredicate:
    """Made by :func:`teach`."""

    name: str
    features_id: str  # of the embeddings: :func:`teaching.embedding.embedding_id`
    examples: tuple[Example, ...]
    verdict: Verdict
    head: Head | None = None  # None while there is too little to fit
    slope: float = NAN
    floor: float = NAN
    reach: float = NAN  # distance beyond which a contact is unlike those that were taught
    contact: LeftOut | None = None
    group: LeftOut | None = None
    thresholds: Thresholds = dataclasses.field(default_factory=lambda: Thresholds(0.8, 0.2, MARGIN))
    text: str = ""  # what it means, in words

    @property
    def enough(self) -> bool:
        """Whether it is answered."""
        return self.verdict.enough

    @property
    def judged(self) -> LeftOut | None:
        """By what it is judged: groups where there are several, else contacts."""
        return self.group or self.contact

    @property
    def positives(self) -> int:
        return sum(example.label for example in self.examples)

    @property
    def negatives(self) -> int:
        return len(self.examples) - self.positives

    @property
    def accuracy(self) -> float:
        """Balanced, of what was left out; NaN while it cannot be judged."""
        return self.judged.accuracy if self.judged else NAN

    @property
    def log_loss(self) -> float:
        """Balanced, of what was left out [nat]; NaN while it cannot be judged."""
        return self.judged.log_loss if self.judged else NAN

    @property
    def calibration_id(self) -> str:
        """Of its probabilities: another one for other labels, or another model."""
        said = [self.features_id, *(f"{e.contact_id}={e.label:d}" for e in self.examples)]
        return hashlib.sha256("\n".join(said).encode()).hexdigest()[:12]

    def novelty(self, values: NDArray[np.floating]) -> float:
        """Distance of an embedding [d] to the nearest example, in that beyond which it is unlike them; NaN untaught.

        Raises:
            TeachingError: the embedding is of another model.
        """
        if self.head is None:
            return NAN
        self._check(values)
        return float(self.head.nearest(values[None])[0]) / self.reach

    def probability(self, values: NDArray[np.floating]) -> float:
        """That it is TRUE of what gave this embedding [d]; NaN where the contact is unlike all that were taught.

        Raises:
            TeachingError: the embedding is of another model.
        """
        if self.head is None or self.novelty(values) > 1.0:
            return NAN
        return float(probabilities(self.head.scores(values[None]), self.slope, self.floor)[0])

    def of_object(self, contacts: Sequence[float]) -> float:
        """Fused over probabilities of contacts with one object, the oldest first; NaN where none is known."""
        return fused(contacts)

    def _check(self, values: NDArray[np.floating]) -> None:
        assert self.head is not None
        if values.shape != self.head.centre.shape:
            raise TeachingError(
                f"an embedding has {values.shape} values, `{self.name}` was taught with {self.head.centre.shape}: it "
                f"is of another hearing model; teach it anew with `foley predicate teach {self.name}`"
            )

    def to_dict(self) -> dict[str, Any]:
        """For JSON, without examples."""
        return {
            "name": self.name,
            "positives": self.positives,
            "negatives": self.negatives,
            "groups": len({example.group for example in self.examples}),
            "enough": self.enough,
            "reason": self.verdict.reason,
            "advice": list(self.verdict.advice),
            "true_above": self.thresholds.true_above,
            "false_below": self.thresholds.false_below,
            "left_out": [left.to_dict() for left in (self.contact, self.group) if left is not None],
            "features_id": self.features_id,
        }


def fused(contacts: Sequence[float]) -> float:
    """One probability of those of several contacts with one thing, the oldest first; NaN ones tell nothing.

    A product of odds in which each contact counts 0.6 times as much as the next, so that all that went before weighs
    1.5 times as much as the newest at most: contacts with one thing err alike, and its state may have changed.
    """
    odds, known = 0.0, False
    for p in contacts:
        if not math.isnan(p):
            odds, known = _FADES * odds + math.log(p / (1.0 - p)), True
    return 1.0 / (1.0 + math.exp(-odds)) if known else NAN


def teach(name: str, examples: Sequence[Example], features_id: str, text: str = "") -> TaughtPredicate:
    """From labelled contacts; also from too few, when nothing is answered and the verdict says what is missing.

    Raises:
        TeachingError: a bad name, a contact that is there twice, embeddings of several models, or too many.
    """
    check_name(name)
    kept = tuple(examples)
    _check(name, kept)
    contact = by_contact(kept) if _enough_to_judge(kept) else None
    group = by_group(kept) if contact is not None else None
    verdict = judge(kept, contact, group)
    blank = TaughtPredicate(name, features_id, kept, verdict, contact=contact, group=group, text=text)
    if contact is None:
        return blank
    judged = group or contact
    slope, floor = slope_and_floor(judged, len({example.group for example in kept}))
    values = np.stack([example.embedding.values for example in kept])
    thresholds = _thresholds(judged)
    if verdict.enough and (said := seldom_told(judged, thresholds)):
        blank = dataclasses.replace(
            blank, verdict=dataclasses.replace(verdict, advice=(said, *verdict.advice))
        )
    return dataclasses.replace(
        blank,
        head=fit(values, judged.labels, kept[0].embedding.sizes),
        slope=slope,
        floor=floor,
        reach=_UNLIKE * float(judged.distances.max()),
        thresholds=thresholds,
    )


def _enough_to_judge(examples: Sequence[Example]) -> bool:
    positives = sum(example.label for example in examples)
    return min(positives, len(examples) - positives) >= LEAST


def _check(name: str, examples: Sequence[Example]) -> None:
    if len(examples) > MOST:
        raise TeachingError(f"`{name}` has {len(examples)} labelled contacts, {MOST} at most; remove some")
    seen: set[str] = set()
    for example in examples:
        if example.contact_id in seen:
            raise TeachingError(
                f"contact `{example.contact_id}` is labelled twice for `{name}`; name it once"
            )
        seen.add(example.contact_id)
    if len({example.embedding.sizes for example in examples}) > 1:
        raise TeachingError(
            f"the contacts of `{name}` were heard by several hearing models; teach it anew by one"
        )


def seldom_told(judged: LeftOut, thresholds: Thresholds) -> str:
    """What to say where most contacts will stay UNKNOWN though they are told from chance; else empty."""
    sure = (judged.p >= thresholds.true_above) | (judged.p <= thresholds.false_below)
    if sure.mean() >= _SELDOM:
        return ""
    return (
        f"only {sure.mean():.0%} of the left-out contacts are sure enough to be told alone ({thresholds.true_above:g} "
        "is needed): make several contacts with one object, or label contacts that sound less alike"
    )


def _thresholds(judged: LeftOut) -> Thresholds:
    """The lowest at which few of the left-out contacts that are answered are wrong."""
    own = np.where(judged.labels, judged.p, 1.0 - judged.p)
    for above in _TRIED:
        answered = (own >= above) | (own <= 1.0 - above)
        if not answered.any() or (own[answered] < 0.5).mean() <= _RISK:
            return Thresholds(above, round(1.0 - above, 6), MARGIN)
    return Thresholds(_TRIED[-1], round(1.0 - _TRIED[-1], 6), MARGIN)
