"""What is known of each object, as predicates are evaluated on it; and what may have been missed.

Absence and freshness need ears: that an object was not scratched, or that its newest contact sounded as expected, can
only be said while every contact is heard. What was believed of such things before contacts were missed is not said
again when the ears are back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence

from foley_perception.contact_event import Contact
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.expressions import Facts
from foley_synthesis.beliefs.fusion import FusedBelief
from foley_synthesis.beliefs.predicates import COMPARED, HEARD, TAUGHT, Known
from foley_synthesis.beliefs.store import BeliefStore

NAN = float("nan")
_MOST = 1024  # contacts and objects that are remembered for themselves
# Evidence, the comparison, whether contacts may have been missed, what learned predicates say, calibrations.
_RestsOn = tuple[Sequence[Evidence], tuple[float, int], bool, tuple[Mapping[str, float], int], dict[str, str]]


class KnownObjects:
    """Puts together what a store holds, what was surprising, and what learned predicates say. Not thread-safe.

    Attributes:
        taught_of: what learned predicates say of a thing with which these contacts were heard, oldest first: their
            probabilities by name, without what they do not know, and the stamp of the newest contact they rest on.
        calibrations: of all but the probabilities of materials; see `predicates.calibration_of`.
    """

    def __init__(self, store: BeliefStore) -> None:
        self._store = store
        self.taught_of: Callable[[Sequence[Evidence]], tuple[Mapping[str, float], int]] = _nothing
        self.calibrations: dict[str, str] = {}
        self._percentiles: dict[str, float] = {}  # of a contact that was predicted
        self._absent_ns: dict[
            str, int
        ] = {}  # objects, and when a contact with them was expected and did not come
        self._deaf = False
        self._missed_until_ns = 0
        self._taken_back: dict[str, None] = {}  # contacts
        self._gone_ns: dict[str, int] = {}  # objects, and when that was told
        self._before: dict[
            str, tuple[_RestsOn, Known]
        ] = {}  # what was known of each, and what that rested on

    def compared(self, contact_id: str, percentile: float) -> None:
        """The rank of a contact's sound among what is expected of it; NaN where it was not predicted."""
        _remember(self._percentiles, contact_id, percentile)

    def absent(self, object_id: str, time_ns: int) -> None:
        """A contact with this object was expected then, and did not come."""
        _remember(self._absent_ns, object_id, time_ns)

    def listening(self, *, deaf: bool, missed_until_ns: int) -> None:
        """Whether contacts may be missed now, and up to when they may have been."""
        self._deaf = deaf
        self._missed_until_ns = missed_until_ns

    def took_back(self, contact_ids: Collection[str]) -> None:
        """These contacts are not to be heard, whenever their sound comes."""
        for contact_id in contact_ids:
            _remember(self._taken_back, contact_id, None)

    def gone(self, object_id: str, now_ns: int) -> None:
        """Of contacts with it and pictures of it up to now nothing is to be learned, whenever their word comes."""
        _remember(self._gone_ns, object_id, now_ns)
        self._absent_ns.pop(object_id, None)

    def was_gone(self, object_id: str, time_ns: int) -> bool:
        """Whether what was of this object at this time is of one that went since."""
        return time_ns <= self._gone_ns.get(object_id, 0)

    def counts(self, contact: Contact) -> bool:
        """Whether a contact whose sound came is to be learned from."""
        gone = self.was_gone(contact.object_id, contact.time_ns)
        return not gone and contact.contact_id not in self._taken_back

    def known(self, name: str, now_ns: int) -> Known:
        """All of one object; the very same as the last time where nothing has changed."""
        evidence = self._store.evidence(name)
        heard = sorted((item for item in evidence if item.kind == HEARD), key=lambda item: item.time_ns)
        compared = self._compared(name, heard[-1] if heard else None)
        missed = self._deaf or (heard[0].time_ns if heard else 0) < self._missed_until_ns
        rests_on = (evidence, compared, missed, self.taught_of(heard), dict(self.calibrations))
        before = self._before.get(name)
        if before is None or self._store.forgets or not _same(before[0], rests_on):
            before = rests_on, self._made(name, now_ns, *rests_on)
            _remember(self._before, name, before)
        return before[1]

    def _compared(self, name: str, newest: Evidence | None) -> tuple[float, int]:
        """The rank of the object's newest contact among what was expected, 1 of one that did not come, and its stamp;
        0 where nothing is to be said of it.
        """
        percentile = self._percentiles.get(newest.key, NAN) if newest is not None else NAN
        compared_ns = newest.time_ns if newest is not None else 0
        if (absent_ns := self._absent_ns.get(name, 0)) > compared_ns:
            percentile, compared_ns = 1.0, absent_ns
        # There may have been newer contacts.
        missed = self._deaf or compared_ns < self._missed_until_ns
        return (0.0, 0) if missed or math.isnan(percentile) else (percentile, compared_ns)

    def _made(
        self,
        name: str,
        now_ns: int,
        evidence: Sequence[Evidence],
        compared: tuple[float, int],
        missed: bool,
        taught: tuple[Mapping[str, float], int],
        calibrations: dict[str, str],
    ) -> Known:
        fused = self._store.belief(name, now_ns)
        newest_ns: dict[str, int] = {}
        for item in evidence:
            newest_ns[item.kind] = max(item.time_ns, newest_ns.get(item.kind, 0))
        for kind, stamp_ns in ((COMPARED, compared[1]), (TAUGHT, taught[1] if taught[0] else 0)):
            if stamp_ns:
                newest_ns[kind] = stamp_ns
        facts = Facts(
            _numbers(fused, compared[0] if compared[1] else NAN),
            dict(zip(self._store.vocabulary, fused.belief.probabilities, strict=False)),
            _actions([item for item in evidence if item.kind == HEARD]),
            taught[0],
            missed=missed,
        )
        calibrations = {**calibrations, "probabilities": fused.calibration_id}
        return Known(name, facts, newest_ns, fused.contacts_heard, calibrations)


def _nothing(heard: Sequence[Evidence]) -> tuple[Mapping[str, float], int]:
    return {}, 0


def _same(one: _RestsOn, other: _RestsOn) -> bool:
    """Whether the same pieces of evidence, and equal other things."""
    same = len(one[0]) == len(other[0]) and all(a is b for a, b in zip(one[0], other[0], strict=True))
    return same and one[1:] == other[1:]


def _remember(kept: dict, key: str, value: object) -> None:  # type: ignore[type-arg]
    kept.pop(key, None)
    kept[key] = value
    if len(kept) > _MOST:
        del kept[next(iter(kept))]


def _numbers(fused: FusedBelief, percentile: float) -> dict[str, float]:
    belief = fused.belief
    return {
        "log10_youngs_modulus_pa_mean": belief.log10_e_mean,
        "log10_youngs_modulus_pa_std": belief.log10_e_std,
        "roughness": belief.roughness,
        "hollowness": belief.hollowness,
        "entropy_nat": belief.entropy,
        "abstain": float(belief.abstain),
        "contacts_heard": float(fused.contacts_heard),
        "contacts_predicted": float(fused.contacts_predicted),
        "surprise_percentile": percentile,
    }


def _actions(heard: Sequence[Evidence]) -> dict[str, float]:
    """Probability that each action happened, of those that were heard."""
    none: dict[str, float] = {}  # that it did not
    for item in heard:
        if item.action:
            sure = item.confidence if math.isfinite(item.confidence) else 0.0
            none[item.action] = none.get(item.action, 1.0) * (1.0 - min(max(sure, 0.0), 1.0))
    return {action: 1.0 - p for action, p in none.items()}
