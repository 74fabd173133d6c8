"""What predicates are evaluated on, and what is not said after contacts were missed."""

from __future__ import annotations

import math

from foley_perception.contact_event import Contact
from foley_synthesis.beliefs.belief import MaterialBelief
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.expressions import Expression
from foley_synthesis.beliefs.fusion import FusionConfig
from foley_synthesis.beliefs.store import BeliefStore
from foley_synthesis.live.known_objects import KnownObjects

LABELS = ("wood", "metal")
S = 1_000_000_000
BELIEF = MaterialBelief((0.2, 0.8), LABELS)


def heard(key: str, time_s: float, action: str = "tap", **more: object) -> Evidence:
    return Evidence("heard", key, round(time_s * S), BELIEF, action, **more)  # type: ignore[arg-type]


def made() -> tuple[BeliefStore, KnownObjects]:
    store = BeliefStore(LABELS, FusionConfig())
    store.add("mug", heard("c1", 10))
    store.add("mug", heard("c2", 20, "scratch", confidence=0.6))
    return store, KnownObjects(store)


def value(objects: KnownObjects, expression: str, name: str = "mug", now_s: float = 30) -> float:
    return Expression(expression, LABELS)(objects.known(name, round(now_s * S)).facts)


def test_all_of_an_object() -> None:
    store, objects = made()
    store.add("mug", Evidence("seen", "look", 25 * S, BELIEF))
    objects.taught_of = lambda heard: ({"lid_is_tight": 0.9}, heard[0].time_ns)
    objects.calibrations["taught:lid_is_tight"] = "head"
    objects.compared("c2", 0.25)
    known = objects.known("mug", 30 * S)
    assert known.newest_ns == {"heard": 20 * S, "seen": 25 * S, "compared": 20 * S, "taught": 10 * S}
    assert (known.contacts, known.facts.numbers["surprise_percentile"]) == (2, 0.25)
    assert known.facts.actions == {"tap": 1.0, "scratch": 0.6} and known.facts.taught == {"lid_is_tight": 0.9}
    assert known.calibrations == {"taught:lid_is_tight": "head", "probabilities": ""}


def test_only_the_newest_contact_sounds_as_expected() -> None:
    store, objects = made()
    objects.compared("c1", 0.25)
    assert math.isnan(value(objects, "surprise_percentile")), "c2 is newer, and was not predicted"
    store.retract(["c2"])
    assert value(objects, "surprise_percentile") == 0.25, "it was taken back"


def test_the_rank_follows_its_contact_to_another_object() -> None:
    store, objects = made()
    objects.compared("c2", 0.25)
    store.merged("cup", ["mug"])
    assert value(objects, "surprise_percentile", "cup") == 0.25


def test_absence_and_freshness_are_not_said_while_contacts_may_be_missed() -> None:
    _, objects = made()
    objects.compared("c2", 0.25)

    def said() -> list[float]:
        sources = (
            'happened("tap")',
            'happened("hit")',
            'not happened("hit")',
            "surprise_percentile",
            'probability("wood")',
        )
        return [round(value(objects, source), 3) for source in sources]

    wood = said()[-1]
    assert said() == [1.0, 0.0, 1.0, 0.25, wood]
    objects.listening(deaf=True, missed_until_ns=0)
    deaf = said()
    assert deaf[0] == 1.0 and deaf[-1] == wood, "what happened stays so, and so does what it is made of"
    assert all(math.isnan(v) for v in deaf[1:4])
    objects.listening(deaf=False, missed_until_ns=0)
    assert said() == [1.0, 0.0, 1.0, 0.25, wood], "the sound was only late"


def test_what_was_missed_stays_missed() -> None:
    store, objects = made()
    objects.compared("c2", 0.25)
    objects.listening(deaf=False, missed_until_ns=15 * S)
    assert value(objects, "surprise_percentile") == 0.25, "c2 is newer than all that was missed"
    assert math.isnan(value(objects, 'happened("hit")')), "it may have been hit between c1 and 15 s"
    objects.listening(deaf=False, missed_until_ns=25 * S)
    assert math.isnan(value(objects, "surprise_percentile"))
    store.add("mug", heard("c3", 26))
    objects.compared("c3", 0.5)
    assert value(objects, "surprise_percentile") == 0.5
    store.add("new", heard("c4", 27))
    assert value(objects, 'happened("hit")', "new") == 0.0, "nothing of it was missed since its first contact"


def test_contacts_that_were_taken_back_or_whose_object_is_gone_are_not_learned_from() -> None:
    _, objects = made()
    objects.took_back(["c8"])
    objects.gone("mug", 30 * S)
    assert [
        objects.counts(Contact(round(time_s * S), key, object_id=name))
        for key, time_s, name in [("c8", 31, "cup"), ("c9", 31, "cup"), ("c9", 30, "mug"), ("c9", 31, "mug")]
    ] == [False, True, False, True]


def test_that_a_contact_did_not_come_is_not_said_of_what_comes_after_the_object_went() -> None:
    store, objects = made()
    objects.absent("mug", 25 * S)
    assert value(objects, "surprise_percentile") == 1.0
    store.gone("mug")
    objects.gone("mug", 26 * S)
    assert objects.was_gone("mug", 26 * S)
    assert not objects.was_gone("mug", 27 * S) and not objects.was_gone("cup", 10 * S)
    store.add("mug", Evidence("vision", "p1", 28 * S, BELIEF))
    assert math.isnan(value(objects, "surprise_percentile"))


def test_what_did_not_change_is_the_very_same() -> None:
    store, objects = made()
    first = objects.known("mug", 30 * S)
    assert objects.known("mug", 31 * S) is first
    objects.compared("c2", 0.25)
    compared = objects.known("mug", 31 * S)
    assert compared is not first and compared.newest_ns["compared"] == 20 * S
    objects.taught_of = lambda heard: ({"tight": 0.9}, 20 * S)
    assert objects.known("mug", 31 * S).facts.taught == {"tight": 0.9}
    store.add("mug", heard("c3", 25))
    assert objects.known("mug", 31 * S).contacts == 3


def test_beliefs_that_are_forgotten_change_with_time_alone() -> None:
    store = BeliefStore(LABELS, FusionConfig(), forget_after_s=5.0)
    store.add("mug", heard("c1", 10))
    objects = KnownObjects(store)
    wood = [objects.known("mug", round(s * S)).facts.probabilities["wood"] for s in (11, 14, 19)]
    assert wood[0] < wood[1] < wood[2], "towards the prior"
