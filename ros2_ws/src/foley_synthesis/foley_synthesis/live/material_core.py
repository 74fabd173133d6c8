"""From what is heard of contacts and seen before them to beliefs about objects, predicates and surprise.

The model is handed in: see `hearing.inference.opened`.
All public methods may be called from any thread.
"""

from __future__ import annotations

import dataclasses
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from foley_perception.contact_event import Contact
from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.fusion import FusedBelief, FusionConfig
from foley_synthesis.beliefs.predicates import PredicateSpec, PredicateTable, PredicateValue
from foley_synthesis.beliefs.store import BeliefStore
from foley_synthesis.beside import Beside
from foley_synthesis.hearing.inference.opened import HearsMaterial
from foley_synthesis.hearing.listening.listener import Heard, perceive
from foley_synthesis.live.comparison import KIND_MISSED, Comparison, Surprise
from foley_synthesis.live.contact import ExpectedSound
from foley_synthesis.live.contact_queue import HeardSound
from foley_synthesis.live.expectation import MATCH_M, MATCH_S, Expectations
from foley_synthesis.live.known_objects import KnownObjects
from foley_synthesis.metrics import surprise
from foley_synthesis.metrics.surprise_ranks import SurpriseTest

NAN = float("nan")


@dataclasses.dataclass(frozen=True)
class ContactOutcome:
    """What one heard contact changed."""

    contact: Contact  # with its object resolved
    belief: MaterialBelief  # of this contact alone
    fused: FusedBelief  # of the object, after it; nothing if the contact belongs to no object
    surprise: Surprise | None
    formerly: str = (
        ""  # the name that the object at this place had before its detector forgot it; its own is new
    )
    heard: Heard | None = None  # whatever else the model says of it


class MaterialCore:
    """Everything the material node believes.

    Args:
        heard: the model for heard sound.
        labels: vocabulary of the model.
        specs: the predicates.
        calibration: distances of expected contacts, for the surprise; may be empty.
        surprise_test: how surprising a contact is, fitted for the two models; None: nobody fitted it.
        surprise_level: percentile above which a contact is surprising.
        forget_after_s: half-life of evidence [s]; 0: none is forgotten.
        most_in_pairs: objects between which predicates of two are told.
        threads: with more than one, sounds are compared while the model hears.
        sight_model: id of the only model whose sight the fusion holds for; empty: any.
        note: what is to be known of the fusion; empty: nothing.
    """

    def __init__(
        self,
        heard: HearsMaterial,
        labels: Sequence[str],
        specs: Sequence[PredicateSpec],
        *,
        fusion: FusionConfig | None = None,
        calibration: surprise.Calibration | None = None,
        surprise_test: SurpriseTest | None = None,
        surprise_level: float = 0.95,
        same_object_radius_m: float = 0.06,
        forget_after_s: float = 0.0,
        most_in_pairs: int = 8,
        threads: int = 1,
        sight_model: str = "",
        note: str = "",
    ) -> None:
        self.sight_model, self.note = sight_model, note
        self._heard = heard
        self.expectations = Expectations()
        self._beside = Beside(threads)
        self._comparison = Comparison(calibration or surprise.Calibration(), surprise_test, surprise_level)
        self._lock = threading.RLock()
        self._store = BeliefStore(
            labels,
            fusion,
            same_object_radius_m=same_object_radius_m,
            place_prefix=f"place_{uuid.uuid4().hex[:6]}",
            forget_after_s=forget_after_s,
        )
        self._table = PredicateTable(specs, most_in_pairs=most_in_pairs)
        self.known = KnownObjects(self._store)

    # ---- evidence --------------------------------------------------------------------------------------
    def hear(self, sound: HeardSound) -> ContactOutcome:
        """Take in one heard contact (the slow call: it runs the model)."""
        match = self.expectations.take(sound.contact)
        sounds = self._beside.begin(lambda: self._comparison.prepare(sound, match))
        belief, heard = perceive(self._heard, sound.samples, sound.sample_rate, sound.onset_s)
        if not sound.complete and not belief.abstain:
            belief = belief.abstaining(f"{1 - sound.known:.0%} of the sound was not received")
        prepared = sounds()
        with self._lock:
            name = self._store.resolve(sound.contact.object_id, sound.contact.position)
            contact = dataclasses.replace(sound.contact, object_id=name)
            formerly = self._store.renamed(name, contact.position)
            if not name or not self.known.counts(contact):
                surprised = self._comparison.compare(sound, match, "", (), belief, prepared)
                return ContactOutcome(contact, belief, FusedBelief(), surprised, heard=heard)
            self._store.name_places(
                name, contact.position, time_ns=contact.time_ns, within_s=MATCH_S, within_m=MATCH_M
            )
            before = self._store.evidence(name)
            surprised = self._comparison.compare(sound, match, name, before, belief, prepared)
            self._comparison.remember(sound, name, prepared)
            evidence = Evidence(
                "heard",
                contact.contact_id,
                contact.time_ns,
                belief,
                contact.action_name if contact.action else "",
                contact.confidence,
                contact.position,
            )
            self._store.add(name, evidence)
            self.known.compared(contact.contact_id, surprised.percentile if surprised is not None else NAN)
            if surprised is not None:
                surprised = dataclasses.replace(surprised, contact=contact)
            return ContactOutcome(contact, belief, self._store.belief(name), surprised, formerly, heard)

    def see(self, evidence: Evidence, object_id: str) -> tuple[str, FusedBelief] | None:
        """Take in what a planned contact's picture, or a user's image model, says of its place or object; None where
        that belongs to no object.

        It stays when the object is touched: the newest look of each counts beside all that was heard. One from before
        the object went is not of what lies there now.
        """
        with self._lock:
            name = self._store.resolve(object_id, evidence.position)
            if not name:
                return None
            if not self.known.was_gone(name, evidence.time_ns):
                self._store.add(name, evidence)
            return name, self._store.belief(name)

    def missed(self, expected: ExpectedSound) -> Surprise:
        """A planned contact did not come: whatever was to be touched does not sound as expected."""
        with self._lock:
            name = self._store.resolve(expected.object_id, expected.position, create=False)
            if name:
                self.known.absent(name, expected.contact_ns)
        contact = Contact(
            expected.contact_ns, object_id=name, position=expected.position, frame_id=expected.frame_id,
            plan_id=expected.plan_id,
        )  # fmt: skip
        return Surprise(contact, expected.plan_id, "", NAN, NAN, True, KIND_MISSED)

    # ---- answers ---------------------------------------------------------------------------------------
    @property
    def specs(self) -> tuple[PredicateSpec, ...]:
        return self._table.specs

    @property
    def predicate_names(self) -> tuple[str, ...]:
        return self._table.names

    @property
    def unranked(self) -> str:
        """Why the newest surprise has no percentile; empty where it has one."""
        return self._comparison.unranked

    @property
    def objects_without_pairs(self) -> int:
        """Of which no predicate of two is told, because others have newer evidence."""
        return self._table.left_out

    @property
    def calibrations(self) -> dict[str, str]:
        """Of the probabilities that are believed now: see `predicates.calibration_of`."""
        with self._lock:
            return {**self.known.calibrations, "probabilities": self._store.fusion.calibration_id}

    def put_predicates(self, specs: Iterable[PredicateSpec]) -> None:
        """Add predicates while running, or replace those of the same names; the states of others stay."""
        with self._lock:
            self._table.put(specs)

    def remove_predicates(self, names: Iterable[str]) -> None:
        """Take predicates away: they are UNKNOWN from now on."""
        with self._lock:
            self._table.remove(names)

    @property
    def objects(self) -> list[str]:
        with self._lock:
            return self._store.objects

    def sight(self) -> dict[str, int]:
        """Of how many objects sight says something, abstains, and says nothing at all, and an image model does."""
        with self._lock:
            items = [self._store.evidence(name) for name in self._store.objects]
        looks = [[item for item in held if item.kind == "seen"] for held in items]
        abstaining = sum(look[0].belief.abstain for look in looks if look)
        missing = sum(not look for look in looks)
        return {
            "objects_seen": len(looks) - missing - abstaining,
            "objects_of_unsure_sight": abstaining,
            "objects_without_sight": missing,
            "objects_of_an_image_model": sum(any(item.kind == "vision" for item in held) for held in items),
        }

    def belief(self, object_id: str) -> FusedBelief:
        with self._lock:
            return self._store.belief(object_id)

    def predicates(self, now_ns: int) -> list[PredicateValue]:
        """Every predicate of every object."""
        with self._lock:
            known = [self.known.known(name, now_ns) for name in self._store.objects]
            return self._table.evaluate(known, now_ns)

    def listening(self, *, deaf: bool, missed_until_ns: int) -> None:
        """Whether contacts may be missed now, and up to when they may have been: see :class:`KnownObjects`."""
        with self._lock:
            self.known.listening(deaf=deaf, missed_until_ns=missed_until_ns)

    # ---- writes ----------------------------------------------------------------------------------------
    def write(
        self, write_id: str, request: str, change: Callable[[BeliefStore, KnownObjects], Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Change what is believed, once for each id, and return what the change answers.

        Args:
            write_id: of the write; empty: it is one of its own.
            request: what is written, as one text.
            change: raises what the caller wants to know, and has then changed nothing.

        Raises:
            ReusedId: another request had this id.
        """
        with self._lock:
            done = self._store.writes.answer(write_id, request)
            if done is None:
                done = dict(change(self._store, self.known))
                self._store.writes.keep(write_id, request, done)
            return done

    # ---- file ------------------------------------------------------------------------------------------
    def save(self, path: Path, *, model_id: str) -> None:
        """See :meth:`BeliefStore.save`."""
        with self._lock:
            self._store.save(path, model_id=model_id)

    def restore(self, path: Path, *, model_id: str = "") -> int:
        """See :meth:`BeliefStore.restore`."""
        with self._lock:
            return self._store.restore(path, model_id=model_id)
